"""Retrievers around a retriever: what of its hits a chain should read, and in which order."""

from .boosts import Boost, BoostedRetriever, Boosting, Decay
from .deepening import DeepRetriever
from .duplicates import DistinctRetriever, similarity
from .floor import FlooredRetriever
from .groups import Group, GroupedRetriever
from .joining import Piece, joined
from .links import Links
from .parents import ParentRetriever
from .passage_store import PassageStore
from .wrapping import RetrieverWrapper

__all__ = [
    "Boost",
    "BoostedRetriever",
    "Boosting",
    "Decay",
    "DeepRetriever",
    "DistinctRetriever",
    "FlooredRetriever",
    "Group",
    "GroupedRetriever",
    "Links",
    "ParentRetriever",
    "PassageStore",
    "Piece",
    "RetrieverWrapper",
    "joined",
    "similarity",
]
