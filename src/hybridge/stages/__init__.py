"""The stages of an index: BM25, dense, late interaction, and those of other packages."""

from .bm25 import BM25
from .dense import Dense
from .late_interaction import LateInteraction
from .learned_sparse import LearnedSparse
from .stage import OpenStage, Prepared, Stage, StageSearch, StageStorage, StoreSearch
from .vector import OpenVectorStage, VectorSearch, VectorStage

__all__ = [
    "BM25",
    "Dense",
    "LateInteraction",
    "LearnedSparse",
    "OpenStage",
    "OpenVectorStage",
    "Prepared",
    "Stage",
    "StageSearch",
    "StageStorage",
    "StoreSearch",
    "VectorSearch",
    "VectorStage",
]
