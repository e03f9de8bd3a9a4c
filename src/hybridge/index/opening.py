"""Which kind of BM25 an index has."""

from __future__ import annotations

from ..analyzer import Analyzer
from .following import FollowingStage
from .home import Home
from .lexical import LexicalStage
from .postings import PostingsStage
from .sparse import SparseStage

__all__ = ["open_lexical", "write_terms_anew"]


def open_lexical(home: Home, analyzer: Analyzer) -> LexicalStage:
    """The BM25 stage that the index's manifest asks for, and its home."""
    if home.manifest.lexical == "qdrant":
        return SparseStage(home, analyzer)
    return (FollowingStage if home.is_shared else PostingsStage)(home, analyzer)


def write_terms_anew(home: Home, analyzer: Analyzer) -> None:
    """Write the terms that are kept in the home's store as this analyzer writes them.

    Raises:
        ReadOnlyError: nothing may be written there.
    """
    home.admit(())
    if home.manifest.lexical == "qdrant":
        SparseStage(home, analyzer, reanalyze=True)
