"""`ExpandedRetriever`: a query is searched together with what an expansion writes for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..analyzer import Analyzer
from ..arguments import check_count, check_k, check_queries, check_share
from ..errors import InvalidInputError
from ..filters import Filter, as_filter
from ..frameworks import as_retriever
from ..fused import FusedMember, FusedPlan, FusedSearch, condition_reader_of, known_scores
from ..fusion import FUSION, Fusion, get_fusion
from ..hits import top_with_ties
from ..index import HybridIndex
from ..index.joint_search import search_jointly
from ..index.tuned import TunedIndex
from ..observation import EXPANSION, observed, shifted
from ..passages import Hit
from ..pipeline import reads_operators
from ..protocols import Retriever, Scorer, Where
from ..query_syntax import filters_of, parse, plain_texts
from ..scope import scoped
from ..search import by_filter, fused_run
from ..steps import Steps, Work, arun, run
from .expansion import Expanded, as_expansion

__all__ = ["ExpandedPlan", "ExpandedRetriever"]

_QUERY = "query"


class ExpandedRetriever:
    """A retriever that searches a query together with other texts, and fuses what they find.

    The candidates of a query and of its texts are put together. In a `HybridIndex`, tuned or not,
    and in a retriever with a method ``score``, each text then scores the candidates of all, if the
    fusion completes; elsewhere a text scores what it found. All texts of all queries are searched
    as one batch. Where an expansion fails, the query is searched alone.

    A trace has, for the query and each text, rank and score under ``"query"`` and ``"text 1"``,
    ``"text 2"`` and so on, whose `note` is the text; what stages ranked for it stands before it, as
    ``"text 1/dense"``. The last entry is the fusion's; its `note` has the cost of the expansion, or
    its failure.

    Args:
        retriever: anything that `Pipeline` takes.
        expansion: what `rephrasings`, `hypothetical_passages` or `sub_questions` return, or a
            function from a query to a list of texts.
        weight: the query's own in the fused score, from 0 to 1; its texts share the rest equally.
            With 0 the texts alone are searched.
        fusion: a method's name, or an object of `hybridge.fusion`.
        depth: candidates that the query and each text contribute, never fewer than a search's `k`.

    Raises:
        InvalidInputError: an argument is not valid, or the fusion takes no weights.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("a", "Cars need fuel."), Passage("b", "Automobiles rust.")])
    >>> expanded = ExpandedRetriever(bm25, lambda query: ["automobile"])
    >>> [hits] = expanded.search(["cars"])
    >>> [(hit.passage.id, [entry.stage for entry in hit.trace]) for hit in hits]
    [('a', ['query', 'fusion']), ('b', ['text 1', 'fusion'])]
    """

    def __init__(
        self,
        retriever: Any,
        expansion: Any,
        *,
        weight: float = 0.5,
        fusion: str | Fusion = "convex",
        depth: int = 100,
    ) -> None:
        self.retriever: Retriever = as_retriever(retriever)
        self.expansion = as_expansion(expansion)
        self.weight = check_share(weight, "weight")
        self.fusion = get_fusion(fusion)
        self.depth = check_count(depth, "depth")
        # Tried now, so that a fusion that cannot take these weights is refused here.
        weights = self._weights(2 if self.weight < 1 else 0)
        self.fusion.fuse([{0: 1.0} for _ in weights], weights)

    def scoped(self, where: Where) -> ExpandedRetriever:
        """Return the same around what passes a filter; see `hybridge.scope.scoped`."""
        other = copy(self)
        other.retriever = scoped(self.retriever, where)
        return other

    @property
    def query_syntax(self) -> bool:
        """Whether the retriever reads operators in queries: their conditions hold for all texts."""
        return reads_operators(self.retriever)

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the best `k` passages for each query, best first, ties by id.

        Args:
            queries: a list of questions; a blank one finds nothing.
            k: how many passages a query gets at most.
            where: only passages that pass this filter, whichever text finds them.

        Raises:
            InvalidInputError: an argument is not valid, or the expansion returns no texts.
        """
        return run(self._searching(queries, k, where))

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return what `search` returns, from the async forms of the model and the retriever."""
        return await arun(self._searching(queries, k, where))

    def plan(self, query: str, k: int, where: Where | None = None) -> ExpandedPlan:
        """Search a query that is not blank, and return what was searched and found."""
        [plan] = run(self._plans([query], k, where, every=True))
        return plan

    def __repr__(self) -> str:
        return f"ExpandedRetriever({type(self.retriever).__name__}; {self.fusion.name})"

    def _searching(
        self, queries: Sequence[str], k: int, where: Where | None
    ) -> Steps[list[list[Hit]]]:
        plans = yield from self._plans(queries, k, where)
        lists: list[list[Hit]] = [[] for _ in queries]
        positions = [position for plan in plans for position in plan.positions]
        with shifted(positions), observed(FUSION, len(plans)) as report:
            report.hits = found = [plan.hits() for plan in plans]
        for plan, hits in zip(plans, found, strict=True):
            plan.fill([hits], lists)
        return lists

    def _plans(
        self, queries: Sequence[str], k: int, where: Where | None, *, every: bool = False
    ) -> Steps[list[ExpandedPlan]]:
        """Return the search of each query that is not blank; `every` keeps all candidates' hits."""
        texts, chosen = check_queries(queries), as_filter(where)
        check_k(k)
        wheres = [chosen] * len(texts)
        if self.query_syntax:
            analyzer, search_text = condition_reader_of(self.retriever)
            wheres = filters_of(texts, analyzer or Analyzer(None), chosen, search_text)
            texts = plain_texts(texts)
        positions = [i for i, query in enumerate(texts) if query.strip()]
        expanded: dict[int, Expanded] = {}
        if positions and self.weight < 1:
            with shifted(positions), observed(EXPANSION, len(positions)):
                found = yield from self.expansion.steps([texts[i] for i in positions])
            expanded = dict(zip(positions, found, strict=True))
        plans: dict[int, ExpandedPlan] = {}
        for condition, some in by_filter(positions, wheres).items():
            group = [self._plan(texts, i, k, condition, expanded.get(i, Expanded())) for i in some]
            lists = yield from self._found(group, condition)
            runs = yield from self._completed(group, lists)
            for plan, own, own_runs in zip(group, lists, runs, strict=True):
                plans[plan.positions[0]] = plan.searched(own, own_runs, every=every)
        return [plans[i] for i in positions]

    def _plan(
        self, texts: Sequence[str], i: int, k: int, where: Filter | None, expanded: Expanded
    ) -> ExpandedPlan:
        written: Iterable[str] = (
            _without_operators(expanded.texts) if self.query_syntax else expanded.texts
        )
        depth = max(k, self.depth)
        members = [
            FusedMember(f"text {number}", _Phrased(self.retriever, text), depth, note=text)
            for number, text in enumerate(written, start=1)
        ]
        weights = self._weights(len(members))
        if len(weights) > len(members):
            members.insert(0, FusedMember(_QUERY, _Phrased(self.retriever, texts[i]), depth))
        return ExpandedPlan(texts, [i], k, where, members, weights, self.fusion, note=expanded.note)

    def _weights(self, texts: int) -> list[float]:
        """Return the weight of the query, if it is searched, and of each of its texts."""
        if not texts:
            return [1.0]
        own = [self.weight] if self.weight else []
        return [*own, *[(1 - self.weight) / texts] * texts]

    def _found(
        self, plans: Sequence[ExpandedPlan], where: Filter | None
    ) -> Steps[list[list[list[Hit]]]]:
        """Return the hits of each text of each plan."""
        groups = [plan.texts for plan in plans]
        depth = plans[0].members[0].depth
        # Events are those of the query; a text's would stand under the same names.
        owners = [
            plan.positions[0] if i == 0 else None
            for plan in plans
            for i in range(len(plan.members))
        ]
        with shifted(owners):
            searched, options = _index_of(self.retriever)
            if searched is not None:
                lists = yield Work(partial(search_jointly, searched, options, groups, depth, where))
                return lists  # type: ignore[no-any-return]
            flat = [text for group in groups for text in group]
            found = iter((yield _Search(self.retriever, flat, depth, where)))
        return [[list(next(found)) for _ in group] for group in groups]

    def _completed(
        self, plans: Sequence[ExpandedPlan], lists: Sequence[Sequence[Sequence[Hit]]]
    ) -> Steps[list[list[dict[str, float]]]]:
        """Return each text's scores of the candidates of all texts of its plan."""
        runs = [
            [{hit.passage.id: hit.score for hit in hits} for hits in of_plan] for of_plan in lists
        ]
        if not self.fusion.completes:
            return runs
        unions = [set[str]().union(*some) for some in runs]
        texts = [text for plan in plans for text in plan.texts]
        missing = [
            sorted(union.difference(found))
            for union, some in zip(unions, runs, strict=True)
            for found in some
        ]
        if any(missing) and isinstance(self.retriever, Scorer):
            scores = iter((yield Work(partial(known_scores, self.retriever, texts, missing))))
            runs = [[found | next(scores) for found in some] for some in runs]
        return runs


@dataclass(frozen=True)
class ExpandedPlan(FusedPlan):
    """The search of one query and its texts, each a member.

    Args:
        note: of the fusion, for the trace.
        search: what was found, once it was.
    """

    note: str | None = None
    search: FusedSearch | None = None

    @property
    def texts(self) -> list[str]:
        """The query and its texts."""
        return [member.retriever.text for member in self.members]  # type: ignore[attr-defined]

    def searched(
        self,
        lists: Sequence[Sequence[Hit]],
        runs: Sequence[Mapping[str, float]],
        *,
        every: bool = False,
    ) -> ExpandedPlan:
        """Return the plan with what its members found: the hits of the best `k`, or of all."""
        fused = fused_run(self.fusion, runs, self.weights)
        heads = fused if every else top_with_ties(fused, self.k)
        named = [
            [
                member.traced(hit, rank)
                for rank, hit in enumerate(hits, start=1)
                if hit.passage.id in heads
            ]
            for member, hits in zip(self.members, lists, strict=True)
        ]
        search = FusedSearch(
            [member.name for member in self.members],
            [[hits] for hits in named],
            [[own] for own in runs],
            [{id_: fused[id_] for id_ in heads}],
            self.note,
        )
        return replace(self, search=search)

    def fused(self, lists: Sequence[Sequence[Sequence[Hit]]]) -> FusedSearch:
        """Return what was found, whatever the members' lists are."""
        assert self.search is not None
        return self.search

    def hits(self) -> list[Hit]:
        """Return the best `k`."""
        assert self.search is not None
        [found] = self.search.hits(self.k)
        return found


@dataclass(frozen=True)
class _Phrased:
    """A retriever that searches one text, whatever query it is given.

    Args:
        inner: what searches.
        text: what is searched for.
    """

    inner: Retriever
    text: str

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the best `k` passages for the text, once a query."""
        return self.inner.search([self.text] * len(queries), k, where=where)

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return what `search` returns, while the event loop goes on."""
        return await self.inner.asearch([self.text] * len(queries), k, where=where)


@dataclass(frozen=True)
class _Search:
    """The step in which the retriever is searched."""

    retriever: Retriever
    queries: Sequence[str]
    k: int
    where: Filter | None

    def run(self) -> list[list[Hit]]:
        return self.retriever.search(self.queries, self.k, where=self.where)

    async def arun(self) -> list[list[Hit]]:
        return await self.retriever.asearch(self.queries, self.k, where=self.where)


def _without_operators(texts: Iterable[str]) -> Iterator[str]:
    """Yield what a query's texts look for: no condition holds, and some only exclude."""
    for text in texts:
        with suppress(InvalidInputError):
            yield parse(text).text


def _index_of(retriever: object) -> tuple[HybridIndex | None, Mapping[str, Any]]:
    if isinstance(retriever, HybridIndex):
        return retriever, {}
    if isinstance(retriever, TunedIndex) and isinstance(retriever.index, HybridIndex):
        return retriever.index, retriever.options
    return None, {}
