"""What an explanation is shown as, whatever shows it: a head, and sections of tables and lines.

`hybridge.explanation.layout` says what these are for each part of an explanation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..passages import Passage

__all__ = ["Head", "Section", "TokenMatrix", "head", "sections"]


class TokenMatrix(Protocol):
    """Each query token's similarity to each token of a passage."""

    @property
    def query_tokens(self) -> tuple[str, ...]: ...

    @property
    def passage_tokens(self) -> tuple[str, ...]: ...

    @property
    def matrix(self) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class Head:
    """What stands above the sections.

    Args:
        query: the question.
        passage: the passage that is explained; None where it is a whole search.
        verdict: the explanation in a sentence.
        spans: where the matching words are in the passage's text.
        answers: the passages' ids and what explains each, for a whole search.
    """

    query: str
    passage: Passage | None = None
    verdict: str = ""
    spans: tuple[tuple[int, int], ...] = ()
    answers: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class Section:
    """A title, a table and notes.

    Args:
        title: one line.
        columns: the table's heads; none for no table.
        rows: of strings, one a column.
        notes: lines beneath.
        bars: whether the last column is worth a bar.
        heat: token similarities that may be drawn instead of the table.
    """

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    bars: bool = False
    heat: TokenMatrix | None = None


@singledispatch
def sections(part: object) -> list[Section]:
    """The sections of a part, an explanation or an explained search."""
    raise TypeError(f"nothing is known of {type(part).__name__}")


@singledispatch
def head(part: object) -> Head | None:
    """What stands above them; None for a part alone, whose sections have titles."""
    return None
