"""The BM25 half of an index: arrays in memory beside the store, or sparse vectors inside it.

Both follow every write, and both can be made again from the passages in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..analyzer import Analyzer
from ..lexical.parameters import BM25Parameters
from ..lexical.parts import ScoreParts
from ..lexical.snapshot import Counts
from ..passages import Passage
from ..vectors.store import Sparse, VectorStore
from .stages import Stage, StageSearch

__all__ = ["LexicalSearch", "LexicalStage", "Prepared"]


@dataclass(frozen=True)
class Prepared:
    """Passages as a BM25 stage keeps them.

    Args:
        sparse: the vectors to store with them, where the stage lives in the store.
        counts: their terms, where it lives beside.
    """

    sparse: Sequence[Sparse] | None = None
    counts: Sequence[Counts] = ()


class LexicalSearch(StageSearch, Protocol):
    """A search by BM25, whose scores come apart."""

    def parts(self, query: str, points: Sequence[int]) -> list[ScoreParts]:
        """The scores of points for a query, term by term."""
        ...


class LexicalStage(Stage, Protocol):
    """A BM25 stage, and how it follows the store's writes."""

    @property
    def analyzer(self) -> Analyzer:
        """What makes terms of passages and queries."""
        ...

    def begin(self, encoded: Sequence[Any]) -> LexicalSearch: ...

    def learn(self, passages: Iterable[Passage], count: int) -> Iterator[None]:
        """Take from passages about to be added what weighing needs to know of the corpus.

        Yields:
            after each step that has to keep searches out; others may come in between.
        """
        ...

    def prepare(self, passages: Sequence[Passage]) -> Prepared:
        """What passages become in this stage: the slow part of adding them, before the lock."""
        ...

    def upsert(self, passages: Sequence[Passage], prepared: Prepared) -> None:
        """Follow passages that were written to the store."""
        ...

    def update_metadata(self) -> None:
        """Follow passages whose metadata alone were changed in the store."""
        ...

    def delete(self, points: Sequence[int]) -> None:
        """Follow points that are about to be deleted from the store."""
        ...

    def invalidate(self) -> None:
        """A write failed half-way: trust nothing derived until it is made again."""
        ...

    def refresh(self, *, exactly: bool = False) -> Iterator[None]:
        """After a write, weigh again what was weighed by an average length that has changed since.

        Args:
            exactly: however little it has changed.

        Yields:
            as `learn` does.
        """
        ...

    def renewed(self, store: VectorStore) -> Callable[[], None]:
        """Derive everything again from a store: slow, but searches may go on meanwhile.

        Args:
            store: the one there is, or a later state of it, which takes its place.

        Returns:
            what puts the result in place; to be called with no search running.
        """
        ...

    def reweighed(self, parameters: BM25Parameters) -> Stage:
        """This stage with other parameters of BM25, over the same passages.

        Raises:
            InvalidInputError: the weights are stored, so that the parameters cannot change.
        """
        ...

    def save(self) -> None:
        """Keep what is derived beside the store, stamped with the store's generation."""
        ...
