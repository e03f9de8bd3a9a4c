"""The first stages of an index: each finds candidates, and scores candidates others found.

A stage works in two steps. `encode` turns queries into whatever the stage compares with, and may
take long. `begin` then opens one search over the state of that moment, under the index's lock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from numpy.typing import ArrayLike

from ..filters import Filter
from ..protocols import Encoder
from ..vectors.store import DENSE, Probe, Ranking, VectorStore, check_vectors

__all__ = ["DenseStage", "ProbeSearch", "Stage", "StageSearch"]


class StageSearch(Protocol):
    """One search of one stage for a list of queries."""

    def top(self, depth: int, where: Filter | None) -> list[Ranking]:
        """Each query's best `depth` points, best first."""
        ...

    def exact(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        """Each query's scores of the given points."""
        ...


class Stage(Protocol):
    """A first stage: its name in traces and weights, and its searches."""

    @property
    def name(self) -> str: ...

    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        """The queries as this stage compares them."""
        ...

    def begin(self, encoded: Sequence[Any]) -> StageSearch:
        """A search for encoded queries."""
        ...


class DenseStage:
    """Nearest vectors in the store."""

    name = DENSE

    def __init__(self, store: VectorStore, encoder: Encoder) -> None:
        self._store = store
        self._encoder = encoder

    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        return self.encoded(self._encoder.encode_queries(queries), len(queries))

    def encoded(self, vectors: ArrayLike, count: int) -> Sequence[Any]:
        """The vectors of `count` queries, whoever made them, as this stage compares them."""
        checked: list[list[float]] = check_vectors(
            vectors, count, self._store.options.dimension
        ).tolist()
        return checked

    def begin(self, encoded: Sequence[Any]) -> StageSearch:
        return ProbeSearch(self._store, encoded)


class ProbeSearch:
    """A search that the engine does: dense, sparse or by tokens, as the encoded queries are."""

    def __init__(self, store: VectorStore, encoded: Sequence[Any]) -> None:
        self._store = store
        self._encoded = encoded

    def top(self, depth: int, where: Filter | None) -> list[Ranking]:
        return self._query([Probe(query, depth, where) for query in self._encoded])

    def exact(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        # A sparse search leaves out what shares no term with the query: its score is 0.
        return [
            dict.fromkeys(some, 0.0) | scores
            for some, scores in zip(points, self.scored(points), strict=True)
        ]

    def scored(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        """Each query's scores of those of the given points that the engine has one for."""
        return self._query(
            [
                Probe(query, len(some), among=some)
                for query, some in zip(self._encoded, points, strict=True)
            ]
        )

    def _query(self, probes: Sequence[Probe]) -> list[Ranking]:
        """The probes' answers; the engine is not asked what nothing can answer."""
        asked = [at for at, probe in enumerate(probes) if probe.limit and not probe.is_empty]
        answers: list[Ranking] = [{} for _ in probes]
        for at, answer in zip(asked, self._store.query([probes[at] for at in asked]), strict=True):
            answers[at] = answer
        return answers
