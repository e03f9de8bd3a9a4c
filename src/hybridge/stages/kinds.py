"""The kinds of stages: ours, and those that other packages register by entry point."""

from __future__ import annotations

from importlib.metadata import entry_points

from ..errors import InvalidInputError
from .bm25 import BM25
from .dense import Dense
from .late_interaction import LateInteraction
from .stage import Stage

__all__ = ["GROUP", "stage_class"]

GROUP = "hybridge.stages"
"""The entry-point group of stages in other packages: a stage's `kind` to its class."""

_OURS: dict[str, type[Stage]] = {each.kind: each for each in (BM25, Dense, LateInteraction)}


def stage_class(kind: str) -> type[Stage]:
    """Return the class of the stages of a kind.

    Raises:
        InvalidInputError: no installed package has such.

    >>> stage_class("dense").__name__
    'Dense'
    """
    if kind in _OURS:
        return _OURS[kind]
    for point in entry_points(group=GROUP, name=kind):
        found: type[Stage] = point.load()
        return found
    known = sorted({*_OURS, *entry_points(group=GROUP).names})
    raise InvalidInputError(
        f"no installed package has stages of the kind {kind!r}; those there are: "
        f"{', '.join(known)}. Install the package that has it, in the version the index was made "
        "with"
    )
