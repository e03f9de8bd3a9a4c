"""Retrievers around a retriever: what of its hits a chain should read, and in which order."""

from .boosts import Boost, BoostedRetriever, Boosting, Decay
from .floor import FlooredRetriever
from .wrapping import RetrieverWrapper

__all__ = ["Boost", "BoostedRetriever", "Boosting", "Decay", "FlooredRetriever", "RetrieverWrapper"]
