"""The kinds of stages: ours, and those that other packages register by entry point."""

from __future__ import annotations

from typing import cast

from ..plugins import STAGES, load
from .bm25 import BM25
from .dense import Dense
from .late_interaction import LateInteraction
from .learned_sparse import LearnedSparse
from .stage import Stage

__all__ = ["stage_class"]

_OURS: dict[str, type[Stage]] = {
    each.kind: each for each in (BM25, Dense, LearnedSparse, LateInteraction)
}


def stage_class(kind: str) -> type[Stage]:
    """Return the class of the stages of a kind: ours, or one of an installed package.

    Raises:
        InvalidInputError: no package has such stages.

    >>> stage_class("dense").__name__
    'Dense'
    """
    if kind in _OURS:
        return _OURS[kind]
    return cast("type[Stage]", load(STAGES, kind, built_in=_OURS))
