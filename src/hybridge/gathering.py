"""The candidates of a search: of stages that answer for themselves, and of the store.

Stages whose vectors lie in the store only say what to ask. One `Search` of the store answers all of
them, and has each score the candidates of all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from .filters import Filter
from .hits import PassageReader, Scores, stage_hits
from .observation import observed
from .passages import Hit
from .steps import Search, Steps
from .vectors.store import UnionSearch

if TYPE_CHECKING:
    from .queries import QueryBatch
    from .stages.late_interaction import OpenLateInteraction
    from .stages.stage import OpenStage
    from .vectors.store import Ranking, UnionAnswer, VectorStore

__all__ = ["Gathering"]


class Gathering:
    """The candidates of a search and their scores, from the stages and the store.

    Args:
        stages: that find candidates.
        late: that score the candidates of all.
        batch: the queries.
        store: of the passages.
        where: only passages that pass this filter.
        depth: candidates of each stage.
        completes: whether each stage in the store is to score the candidates of all.

    Attributes:
        searches: one a stage.
        tops: of each stage, one ranking a query.
        runs: the same; of a stage in the store the scores of all candidates, if `completes`.
        unordered: the names of the stages whose rankings have ties in any order.
    """

    def __init__(
        self,
        stages: Sequence[OpenStage],
        late: Sequence[OpenLateInteraction],
        batch: QueryBatch,
        store: VectorStore,
        where: Filter | None,
        depth: int,
        *,
        completes: bool,
    ) -> None:
        self._stages = stages
        self._late = late
        self._batch = batch
        self._store = store
        self._where = where
        self._depth = depth
        self._completes = completes
        self.searches: list[Any] = []
        self.tops: list[list[Ranking]] = []
        self.runs: Sequence[Sequence[Scores]] = []
        self.unordered: set[str] = set()
        self._late_scores: list[list[Scores]] = []

    def run(self, reader: PassageReader, k: int) -> Steps[None]:
        """Find the candidates; observers get the best `k` of each stage."""
        count = self._batch.count
        with ExitStack() as asking:  # those events go on until the store has answered
            reports = []
            for i, stage in enumerate(self._stages):
                if stage.asks_store:
                    reports.append((i, asking.enter_context(observed(stage.name, count))))
                    self._begin(stage)
                    continue
                with observed(stage.name, count) as report:
                    self._begin(stage)
                    if report.watched:
                        report.hits = yield from self._hits(i, reader, k)
            yield from self._search_store()
            for i, report in reports:
                if report.watched:
                    report.hits = yield from self._hits(i, reader, k)

    def _hits(self, i: int, reader: PassageReader, k: int) -> Steps[list[list[Hit]]]:
        name = self._stages[i].name
        return stage_hits(name, self.tops[i], self._batch.corrected(name), reader, k)

    def _begin(self, stage: OpenStage) -> None:
        search = self._batch.begin(stage)
        self.searches.append(search)
        if hasattr(search, "probe"):
            self.unordered.add(stage.name)
            self.tops.append([{} for _ in range(self._batch.count)])
        else:
            self.tops.append(search.top(self._depth, self._where))

    def _search_store(self) -> Steps[None]:
        """Search the store for all stages that it answers, and for the words of the queries."""
        words = self._batch.words() if self._store.is_remote else ()
        while True:
            questions = self._questions()
            searches = [search for *_, search in questions] + [
                UnionSearch([word]) for word in words
            ]
            answers: Sequence[UnionAnswer] = ()
            if searches:
                store = self._store
                answers = (
                    (yield Search(store, searches)) if store.is_remote else store.search(searches)
                )
            self._take(questions, answers)
            found = [answer.tops[0] for answer in answers[len(questions) :]]
            if not words or not (yield from self._batch.reread(words, found)):
                return
            words, self.searches, self.tops = (), [], []
            for stage in self._stages:
                self._begin(stage)

    def _questions(self) -> list[tuple[int, list[int], list[int], UnionSearch]]:
        """Return positions of queries, the stages that find and that score, and their searches."""
        probes = {
            i: self.searches[i].probe(self._depth, self._where)
            for i, stage in enumerate(self._stages)
            if stage.name in self.unordered
        }
        # In this process late interaction waits for the candidates: its time is its own.
        late = [self._batch.begin(stage) for stage in self._late] if self._store.is_remote else []
        scoring = {i: one.scoring() for i, one in enumerate(late) if hasattr(one, "scoring")}
        questions: list[tuple[int, list[int], list[int], UnionSearch]] = []
        for query in range(self._batch.count):
            finding = {i: each[query] for i, each in probes.items() if each[query] is not None}
            compared = {i: each[query] for i, each in scoring.items() if each[query] is not None}
            if not self._completes and not compared:
                questions += [(query, [i], [], UnionSearch([p])) for i, p in finding.items()]
                continue
            candidates = set[int]().union(*(self.tops[i][query] for i in range(len(self.tops))))
            if finding or (candidates and compared):
                search = UnionSearch([*finding.values()], [*compared.values()], candidates)
                questions.append((query, [*finding], [*compared], search))
        return questions

    def _take(
        self,
        questions: Sequence[tuple[int, list[int], list[int], UnionSearch]],
        answers: Sequence[UnionAnswer],
    ) -> None:
        queries = range(self._batch.count)
        scores: list[list[Scores]] = [[{} for _ in queries] for _ in self._stages]
        self._late_scores = [[{} for _ in queries] for _ in self._late]
        for (query, finding, scoring, _), answer in zip(questions, answers, strict=False):
            for i, top in zip(finding, answer.tops, strict=True):
                self.tops[i][query] = top
            columns = [scores[i] for i in finding] + [self._late_scores[i] for i in scoring]
            for column, scored in zip(columns, answer.scores, strict=True):
                column[query] = scored
        self.runs = self.tops
        if self._completes and self.unordered:
            unions = [set[int]().union(*tops) for tops in zip(*self.tops, strict=True)]
            self.runs = [
                [
                    scored if len(scored) == len(union) else _filled(union, scored)
                    for union, scored in zip(unions, scores[i], strict=True)
                ]
                if stage.name in self.unordered
                else self.tops[i]
                for i, stage in enumerate(self._stages)
            ]

    def rescored(self, i: int, candidates: Sequence[Collection[int]]) -> list[dict[int, float]]:
        """Return the scores of each query's candidates by a late-interaction stage."""
        search = self._batch.begin(self._late[i])
        if not (self._store.is_remote and hasattr(search, "scoring")):
            found: list[dict[int, float]] = search.rescored(candidates)
            return found
        own = [
            {point: scored[point] for point in points if point in scored}
            for points, scored in zip(candidates, self._late_scores[i], strict=True)
        ]
        filled: list[dict[int, float]] = search.with_blanks(candidates, own)
        return filled


def _filled(union: set[int], scored: Scores) -> Scores:
    """Return the scores of a union: 0 for a passage that shares no term with a sparse query."""
    return {point: scored.get(point, 0.0) for point in union}
