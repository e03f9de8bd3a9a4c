"""Retrievers around a retriever: what of its hits a chain should read, and in which order."""

from .deepening import DeepRetriever
from .duplicates import DistinctRetriever, similarity
from .groups import Group, GroupedRetriever
from .links import Links
from .parents import ParentRetriever
from .passage_store import PassageStore
from .wrapping import RetrieverWrapper

__all__ = [
    "DeepRetriever",
    "DistinctRetriever",
    "Group",
    "GroupedRetriever",
    "Links",
    "ParentRetriever",
    "PassageStore",
    "RetrieverWrapper",
    "similarity",
]
