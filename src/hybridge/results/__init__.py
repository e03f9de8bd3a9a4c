"""Retrievers around a retriever: what of its hits a chain should read, and in which order."""

from .wrapping import RetrieverWrapper

__all__ = ["RetrieverWrapper"]
