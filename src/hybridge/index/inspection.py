"""One query's search of an index, laid open: what every stage says of any passage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from ..filters import Filter
from ..lexical.parts import ScoreParts
from ..passages import Hit
from ..protocols import Vectors
from ..vectors.store import Probe, Ranking
from .lexical import LexicalSearch
from .plan import Plan
from .search import Considered, consider, stage_hits
from .searchable import Searchable
from .stages import Stage

__all__ = ["Inspection"]


class Inspection:
    """A query as an index's stages compare it, to be asked about any passage.

    Passages go by their points here, the numbers that stand for them in the store. Nothing should
    be written to the index as long as this is in use.

    Args:
        index: what is searched.
        query: a question that is not blank.
        stages: those that are to be asked.
        where: only passages that pass this filter are found.
    """

    def __init__(
        self, index: Searchable, query: str, stages: Sequence[Stage], where: Filter | None = None
    ) -> None:
        self._index = index
        self._store = index._home.store
        self._query = query
        self._where = where
        self._stages = {stage.name: stage for stage in stages}
        encoded = index._encode(stages, [query])
        self._encoded: Mapping[str, Sequence[Any]] = dict(zip(self._stages, encoded, strict=True))

    def point(self, passage_id: str) -> int:
        """The number that stands for a passage's id."""
        return self._store.point(passage_id)

    def considered(self, plan: Plan) -> tuple[Considered, list[Hit]]:
        """What a search looks at by this plan, and all candidates as hits, best first."""
        encoded = [self._encoded[stage.name] for stage in plan.encoding]
        with self._index._access.reading(self._where):
            found = consider(plan, encoded, self._store, self._where)
            [hits] = found.hits(self._store, max(len(found.final[0]), 1))
        return found, hits

    def hits(self, stage: str, depth: int) -> list[Hit]:
        """The best `depth` passages by one stage alone."""
        with self._index._access.reading(self._where):
            [hits] = stage_hits(
                self._stages[stage],
                self._encoded[stage],
                self._store,
                depth,
                depth,
                self._where,
            )
        return hits

    def top(self, stage: str, depth: int) -> Ranking:
        """The best `depth` points by one stage alone."""
        with self._index._access.reading(self._where):
            top: Ranking = self._begin(stage).top(depth, self._where)[0]
        return top

    def exact(self, stage: str, points: Sequence[int]) -> dict[int, float]:
        """One stage's scores of points."""
        with self._index._access.reading():
            scores: dict[int, float] = self._begin(stage).exact([points])[0]
        return scores

    def bm25_parts(self, stage: str, points: Sequence[int]) -> list[ScoreParts]:
        """The BM25 scores of points, term by term."""
        with self._index._access.reading():
            return cast(LexicalSearch, self._begin(stage)).parts(self._query, points)

    def similarities(self, stage: str, points: Sequence[int]) -> list[Vectors]:
        """Each point's tokens against the query's: shape (query's tokens, passage's tokens).

        The greatest of each row is what the engine says when it is asked for that token alone, so
        they sum to its score; the others come from the vectors as the store gives them back, which
        for quantised ones are not quite those that it compares.
        """
        [query] = self._encoded[stage]
        with self._index._access.reading():
            stored = self._store.tokens(points)
            there = [point for point in points if point in stored]
            probes = [Probe([token], len(there), among=there) for token in query]
            answers = self._store.query(probes) if there else []
        rows = np.array(query, dtype=np.float32)
        found = []
        for point in points:
            if point not in stored or not len(rows):
                found.append(np.zeros((len(rows), 0), dtype=np.float32))
                continue
            matrix = rows @ np.array(stored[point], dtype=np.float32).T
            best = np.array([[scores[point]] for scores in answers], dtype=np.float32)
            at = matrix.argmax(axis=1, keepdims=True)
            matrix = np.minimum(matrix, best)
            np.put_along_axis(matrix, at, best, axis=1)
            found.append(matrix)
        return found

    def _begin(self, stage: str) -> Any:
        return self._stages[stage].begin(self._encoded[stage])
