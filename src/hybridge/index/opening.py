"""Which kind of BM25 an index has."""

from __future__ import annotations

from ..analyzer import Analyzer
from .following import FollowingStage
from .home import Home
from .lexical import LexicalStage
from .postings import PostingsStage
from .sparse import SparseStage

__all__ = ["open_lexical"]


def open_lexical(home: Home, analyzer: Analyzer) -> LexicalStage:
    """The BM25 stage that the index's manifest asks for, and its home."""
    if home.manifest.lexical == "qdrant":
        return SparseStage(home, analyzer)
    return (FollowingStage if home.is_shared else PostingsStage)(home, analyzer)
