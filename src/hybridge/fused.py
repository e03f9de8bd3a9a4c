"""`FusedRetriever`: several retrievers searched together, their lists fused into one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from .analyzer import Analyzer
from .arguments import check_count, check_flag, check_k, check_queries
from .errors import InvalidInputError
from .filters import Filter, as_filter
from .frameworks import as_retriever
from .fusion import FUSION, Fusion, check_weights, get_fusion
from .hits import sorted_passages, top_with_ties
from .observation import Report, inside, observed, one_at_a_time, shifted
from .passages import Hit, Passage, StageScore
from .protocols import Retriever, Scorer, Where
from .query_syntax import filters_of, plain_texts
from .scope import scoped
from .search import by_filter, completed, fused_run
from .search_text import TEXT_ALONE, SearchText

__all__ = [
    "FusedMember",
    "FusedPlan",
    "FusedRetriever",
    "FusedSearch",
    "condition_reader_of",
    "known_scores",
]

T = TypeVar("T")


class FusedRetriever:
    """Retrievers that are searched together, by a fusion of their scores.

    A `Retriever`. Each search asks every member for its best passages, all members at the same
    time, and joins their answers by passage id. Where members have different texts or metadata
    under one id, the first member's count, in the order given.

    A fusion that completes, like the default, needs each candidate's score from every member. A
    member with a method `score` (a `Scorer`: an index's stages, BM25, ColBERT) computes the exact
    scores of the candidates that only others found, except those that it does not hold. A member
    without `score` scores only what it found. The description of each fusion defines what an
    absent score counts.

    There is no `score` of the whole: a fused score depends on the candidates it is normalised over.

    Args:
        retrievers: name → anything that `Pipeline` takes: an index or one of its stages, BM25, a
            pipeline, another `FusedRetriever`, a retriever of LangChain or LlamaIndex. Names are
            those in traces and in weights; none is ``"fusion"``, or has a ``/`` in it.
        fusion: a method's name, or an object of `hybridge.fusion`.
        weights: one a name; None weighs all alike. A member of weight 0 is not asked.
        depth: candidates that each member contributes, never fewer than a search's `k`: one number
            for all, or one a name.
        query_syntax: read the operators of `hybridge.query_syntax` in queries: members get plain
            text, and its conditions as a filter, on top of their own. Words are those of the first
            member with an `analyzer`; without one, words without a language. They are looked for in
            the members' `search_text` if all have the same, otherwise in the passage's text.

    Attributes:
        retrievers: by name; those of other frameworks as `hybridge.frameworks.as_retriever` gives.
        fusion: the object.
        weights: one a name.
        depth: what was given.
        query_syntax: whether searches read operators.

    Raises:
        InvalidInputError: no member, a bad name, something that is no retriever, or a fusion,
            weights or a depth that is not valid.

    >>> from hybridge import BM25Retriever, Passage
    >>> passages = [Passage("p1", "Katzen schlafen."), Passage("p2", "Cats sleep, dogs bark.")]
    >>> fused = FusedRetriever(
    ...     {"english": BM25Retriever(passages), "german": BM25Retriever(passages, analyzer="de")},
    ...     weights={"english": 1, "german": 3}, fusion="weighted-rrf",
    ... )
    >>> [hits] = fused.search(["Katzen cats"])
    >>> [(hit.passage.id, [entry.stage for entry in hit.trace]) for hit in hits]
    [('p1', ['english', 'german', 'fusion']), ('p2', ['english', 'german', 'fusion'])]
    """

    def __init__(
        self,
        retrievers: Mapping[str, Any],
        *,
        fusion: str | Fusion = "convex",
        weights: Mapping[str, float] | None = None,
        depth: int | Mapping[str, int] = 100,
        query_syntax: bool = False,
    ) -> None:
        self.retrievers = {
            _check_name(name): as_retriever(retriever)
            for name, retriever in _check_mapping(retrievers).items()
        }
        self.fusion = get_fusion(fusion)
        equal = dict.fromkeys(self.retrievers, 1 / len(self.retrievers))
        self.weights = equal if weights is None else self._check_weights(weights)
        self._depths(depth)
        self.depth = depth if isinstance(depth, int) else dict(depth)
        self.query_syntax = check_flag(query_syntax, "query_syntax")
        # Tried now, so that a fusion that cannot take these weights is refused here.
        self.fusion.fuse([{0: 1.0} for _ in self.weights], list(self.weights.values()))

    def search(
        self,
        queries: Sequence[str],
        k: int = 10,
        *,
        where: Where | None = None,
        weights: Mapping[str, float] | None = None,
        fusion: str | Fusion | None = None,
        depth: int | Mapping[str, int] | None = None,
    ) -> list[list[Hit]]:
        """Return the best `k` passages for each query, best first, ties by id.

        A hit's trace has, for each member that found it, its rank and score there under the
        member's name. What a member's own stages ranked stands before it, as "member/stage". The
        last entry is the fusion's.

        Args:
            queries: a list of questions; a blank one finds nothing.
            k: how many passages a query gets at most.
            where: only passages that pass this filter; every member applies it.
            weights: one a name, instead of the retriever's own.
            fusion: a method's name or object, instead of the retriever's own.
            depth: candidates that each member contributes, instead of the retriever's own.

        Raises:
            InvalidInputError: an argument is not valid, or a member cannot filter. Whatever a
                member raises, with a note that names the member.
        """
        hits: list[list[Hit]] = [[] for _ in queries]
        for plan in self._plans(queries, k, where, weights=weights, fusion=fusion, depth=depth):
            with plan.observed():
                lists = _at_once([partial(member.search, plan) for member in plan.members])
                plan.fill(plan.fused(lists).hits(k), hits)
        return hits

    async def asearch(
        self,
        queries: Sequence[str],
        k: int = 10,
        *,
        where: Where | None = None,
        weights: Mapping[str, float] | None = None,
        fusion: str | Fusion | None = None,
        depth: int | Mapping[str, int] | None = None,
    ) -> list[list[Hit]]:
        """Return what `search` returns, from the members' async forms, all at once."""
        hits: list[list[Hit]] = [[] for _ in queries]
        for plan in self._plans(queries, k, where, weights=weights, fusion=fusion, depth=depth):
            with plan.observed():
                calls = [member.asearch(plan) for member in plan.members]
                answers = await asyncio.gather(*calls, return_exceptions=True)
                lists = [_raised(answer) for answer in answers]
                plan.fill((await asyncio.to_thread(plan.fused, lists)).hits(k), hits)
        return hits

    def tuned(
        self,
        *,
        weights: Mapping[str, float] | None = None,
        fusion: str | Fusion | None = None,
        depth: int | Mapping[str, int] | None = None,
        query_syntax: bool | None = None,
    ) -> FusedRetriever:
        """Return a retriever over the same members, with other settings where given.

        Raises:
            InvalidInputError: a value that is not valid.
        """
        method = self.fusion if fusion is None else get_fusion(fusion)
        own = self.weights if getattr(method, "weighted", True) else None
        return FusedRetriever(
            self.retrievers,
            fusion=method,
            weights=own if weights is None else weights,
            depth=self.depth if depth is None else depth,
            query_syntax=self.query_syntax if query_syntax is None else query_syntax,
        )

    def scoped(self, where: Where) -> FusedRetriever:
        """Return the same over what passes a filter; see `hybridge.scope.scoped`."""
        other = copy(self)
        other.retrievers = {name: scoped(one, where) for name, one in self.retrievers.items()}
        return other

    def __repr__(self) -> str:
        members = ", ".join(f"{n}: {type(one).__name__}" for n, one in self.retrievers.items())
        return f"FusedRetriever({members}; {self.fusion.name})"

    @property
    def _condition_reader(self) -> tuple[Analyzer, SearchText]:
        """The analyzer of a query's conditions, and the text of a passage that they are on.

        They hold for every member's passages, and one member's `search_text` may not fit another's.
        """
        own = list(map(condition_reader_of, self.retrievers.values()))
        analyzers = (analyzer for analyzer, _ in own if analyzer is not None)
        search_text = own[0][1]
        same = all(search_text == other for _, other in own)
        return next(analyzers, Analyzer(None)), search_text if same else TEXT_ALONE

    def _plans(
        self,
        queries: Sequence[str],
        k: int,
        where: Where | None,
        *,
        weights: Mapping[str, float] | None = None,
        fusion: str | Fusion | None = None,
        depth: int | Mapping[str, int] | None = None,
    ) -> list[FusedPlan]:
        """Return the plan of the search for the queries of each filter; none for blank ones.

        Arguments are checked, and defaults filled in.
        """
        method = self.fusion if fusion is None else get_fusion(fusion)
        if weights is not None:
            weighed = self._check_weights(weights)
        elif getattr(method, "weighted", True):
            weighed = self.weights
        else:
            weighed = dict.fromkeys(self.weights, 1.0)
        texts = check_queries(queries)
        chosen = as_filter(where)
        wheres = [chosen] * len(texts)
        if self.query_syntax:
            analyzer, search_text = self._condition_reader
            wheres = filters_of(texts, analyzer, chosen, search_text)
            texts = plain_texts(texts)
        positions = [i for i, query in enumerate(texts) if query.strip()]
        check_k(k)
        depths = self._depths(self.depth if depth is None else depth)
        members = [
            FusedMember(name, retriever, max(k, depths[name]))
            for name, retriever in self.retrievers.items()
            if weighed[name] > 0
        ]
        shares = [weighed[member.name] for member in members]
        return [
            FusedPlan(texts, some, k, condition, members, shares, method)
            for condition, some in by_filter(positions, wheres).items()
        ]

    def _check_weights(self, weights: Mapping[str, float]) -> dict[str, float]:
        self._check_names(weights, "weights", 1)
        check_weights([weights[name] for name in self.retrievers], len(self.retrievers))
        return {name: float(weights[name]) for name in self.retrievers}

    def _depths(self, depth: int | Mapping[str, int]) -> dict[str, int]:
        if not isinstance(depth, Mapping):
            return dict.fromkeys(self.retrievers, check_count(depth, "depth"))
        self._check_names(depth, "depth", 100)
        return {name: check_count(depth[name], f"depth[{name!r}]") for name in self.retrievers}

    def _check_names(self, values: object, argument: str, example: int) -> None:
        if not isinstance(values, Mapping) or set(values) != set(self.retrievers):
            raise InvalidInputError(
                f"{argument} must name each member, as in "
                f"{dict.fromkeys(self.retrievers, example)}, not {values!r}"
            )


@dataclass(frozen=True)
class FusedSearch:
    """The lists and scores of a fused search, one entry a query in each list.

    Args:
        names: of the members that took part.
        lists: the hits of each member, with its name in the traces.
        runs: each member's scores as they were fused, completed if the fusion completes.
        fused: each candidate's fused score.
        note: of the fusion, for the traces.
    """

    names: Sequence[str]
    lists: Sequence[Sequence[Sequence[Hit]]]
    runs: Sequence[Sequence[Mapping[str, float]]]
    fused: Sequence[Mapping[str, float]]
    note: str | None = None

    def hits(self, k: int) -> list[list[Hit]]:
        """Return the best `k` for each query, ties by id."""
        return [
            _fused_hits(run, found, k, self.note)
            for run, found in zip(self.fused, zip(*self.lists, strict=True), strict=True)
        ]


@dataclass(frozen=True)
class FusedPlan:
    """The checked arguments of a fused search.

    Args:
        all_queries: of the search, as members read them.
        positions: of those that are planned.
        k: how many passages a query gets at most.
        where: their filter.
        members: those of a weight above 0.
        weights: one a member.
        fusion: of their scores.
    """

    all_queries: Sequence[str]
    positions: Sequence[int]
    k: int
    where: Filter | None
    members: Sequence[FusedMember]
    weights: Sequence[float]
    fusion: Fusion

    @property
    def queries(self) -> list[str]:
        """Those that are planned."""
        return [self.all_queries[i] for i in self.positions]

    @contextmanager
    def observed(self) -> Iterator[None]:
        """Pass an observer the events of all members, one at a time."""
        with shifted(self.positions), one_at_a_time():
            yield

    def fused(self, lists: Sequence[Sequence[Sequence[Hit]]]) -> FusedSearch:
        """Complete and fuse what the members found: one list a query from each."""
        with observed(FUSION, len(self.positions)) as report:
            runs = [
                [{hit.passage.id: hit.score for hit in hits} for hits in each] for each in lists
            ]
            if self.fusion.completes:
                searches = [_Completion(member, self.queries) for member in self.members]
                runs = completed(searches, runs, _each_at_once)
            fused = [fused_run(self.fusion, some, self.weights) for some in zip(*runs, strict=True)]
            search = FusedSearch([member.name for member in self.members], lists, runs, fused)
            if report.watched:
                report.hits = search.hits(self.k)
        return search

    def fill(self, found: Sequence[list[Hit]], hits: list[list[Hit]]) -> None:
        """Set the hits of the planned queries among those of all."""
        for i, some in zip(self.positions, found, strict=True):
            hits[i] = some


@dataclass(frozen=True)
class FusedMember:
    """A retriever under its name, searched for `depth` passages a query.

    Args:
        name: the member's.
        retriever: what is searched.
        depth: passages a query.
        note: for the traces; None leaves that of the retriever's last stage.
    """

    name: str
    retriever: Retriever
    depth: int
    note: str | None = None

    def search(self, plan: FusedPlan) -> list[list[Hit]]:
        with self._watched(len(plan.queries)) as report:
            answer = self.retriever.search(plan.queries, self.depth, where=plan.where)
            report.hits = lists = self.named(answer, len(plan.queries))
        return lists

    async def asearch(self, plan: FusedPlan) -> list[list[Hit]]:
        with self._watched(len(plan.queries)) as report:
            answer = await self.retriever.asearch(plan.queries, self.depth, where=plan.where)
            report.hits = lists = self.named(answer, len(plan.queries))
        return lists

    def scores(
        self, queries: Sequence[str], ids: Sequence[Sequence[str]]
    ) -> list[dict[str, float]]:
        """Return each query's exact scores of those of its ids that the member can score."""
        if not isinstance(self.retriever, Scorer):
            return [{} for _ in queries]
        with self._noted():
            return known_scores(self.retriever, queries, ids)

    def named(self, lists: Sequence[Sequence[Hit]], queries: int) -> list[list[Hit]]:
        """Return the member's hits, each traced under its name."""
        if len(lists) != queries:
            raise InvalidInputError(
                f"a retriever answered {queries} queries with {len(lists)} lists of hits: it must "
                "give one list a query"
            )
        return [list(self._traced(hits)) for hits in lists]

    def _traced(self, hits: Sequence[Hit]) -> Iterator[Hit]:
        unique: dict[str, Hit] = {}
        for hit in hits[: self.depth]:
            unique.setdefault(hit.passage.id, hit)
        for rank, hit in enumerate(unique.values(), start=1):
            yield self.traced(hit, rank)

    def traced(self, hit: Hit, rank: int) -> Hit:
        """Return a hit of the member, traced under its name."""
        own, inner = StageScore(self.name, rank, hit.score, note=self.note), list(hit.trace)
        if inner and (inner[-1].rank, inner[-1].score) == (rank, hit.score):
            *inner, last = inner  # the member's own last stage
            own = replace(last, stage=self.name, note=self.note or last.note)
        within = (replace(entry, stage=f"{self.name}/{entry.stage}") for entry in inner)
        return replace(hit, trace=(*within, own))

    @contextmanager
    def _watched(self, queries: int) -> Iterator[Report]:
        with self._noted(), observed(self.name, queries) as report, inside(self.name):
            yield report

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            error.add_note(f"Raised by {self.name!r}, a member of a FusedRetriever.")
            raise


@dataclass(frozen=True)
class _Completion:
    """One search's completion by one member."""

    member: FusedMember
    queries: Sequence[str]

    def exact(self, points: Sequence[Collection[str]]) -> list[dict[str, float]]:
        return self.member.scores(self.queries, [sorted(some) for some in points])


def known_scores(
    scorer: Scorer, queries: Sequence[str], ids: Sequence[Sequence[str]]
) -> list[dict[str, float]]:
    """Return each query's scores of those ids that the scorer has passages of."""
    scores: list[dict[str, float]] = [{} for _ in queries]
    indices = [i for i, some in enumerate(ids) if some]
    if not indices:
        return scores
    try:
        found = scorer.score([queries[i] for i in indices], [ids[i] for i in indices])
    except InvalidInputError:  # an unknown id: the scorer holds other passages
        held = _held(scorer, ids)
        if held == ids:
            raise
        return known_scores(scorer, queries, held)
    for i, some in zip(indices, found, strict=True):
        scores[i] = dict(zip(ids[i], some, strict=True))
    return scores


def _held(scorer: Scorer, ids: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return those of each query's ids that a scorer has passages of."""
    unique = sorted(set().union(*ids))
    get = getattr(scorer, "get", None)
    if callable(get):
        known = {id_ for id_, found in zip(unique, get(unique), strict=True) if found is not None}
    else:
        known = {id_ for id_ in unique if _scores(scorer, id_)}
    return [[id_ for id_ in some if id_ in known] for some in ids]


def _scores(scorer: Scorer, id_: str) -> bool:
    try:
        scorer.score(["?"], [[id_]])
    except InvalidInputError:
        return False
    return True


def _fused_hits(
    run: Mapping[str, float], found: Sequence[Sequence[Hit]], k: int, note: str | None
) -> list[Hit]:
    passages: dict[str, Passage] = {}
    traces: dict[str, list[StageScore]] = {id_: [] for id_ in run}
    for hit in (hit for hits in found for hit in hits):
        passages.setdefault(hit.passage.id, hit.passage)
        traces[hit.passage.id] += hit.trace
    best = sorted_passages(top_with_ties(run, k), passages)[:k]
    return [
        Hit(passage, score, (*traces[id_], StageScore(FUSION, rank, score, note=note)))
        for rank, (passage, score, id_) in enumerate(best, start=1)
    ]


def _at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Return what the calls return: the first is made here, each other in a separate thread."""
    first, *others = calls
    if not others:
        return [first()]
    with ThreadPoolExecutor(len(others)) as pool:
        futures = [pool.submit(copy_context().run, call) for call in others]
        answer = first()
    return [answer, *(future.result() for future in futures)]


def _each_at_once(function: Callable[..., T], *arguments: Sequence[Any]) -> list[T]:
    return _at_once([partial(function, *some) for some in zip(*arguments, strict=True)])


def _raised(answer: T | BaseException) -> T:
    if isinstance(answer, BaseException):
        raise answer
    return answer


def condition_reader_of(retriever: Any) -> tuple[Analyzer | None, SearchText]:
    """Return the analyzer and the search text of a retriever, or of the one inside it."""
    while retriever is not None:
        try:
            analyzer = getattr(retriever, "analyzer", None)
        except InvalidInputError:  # an index without BM25
            break
        if isinstance(analyzer, Analyzer):
            return analyzer, getattr(retriever, "search_text", TEXT_ALONE)
        if isinstance(retriever, FusedRetriever):
            return retriever._condition_reader
        inner = (getattr(retriever, name, None) for name in ("retriever", "index", "_index"))
        retriever = next((each for each in inner if each is not None), None)
    return None, TEXT_ALONE


def _check_mapping(retrievers: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(retrievers, Mapping) or not retrievers:
        raise InvalidInputError(
            "retrievers must be a mapping, name → retriever, of at least one, "
            f"not {retrievers!r:.100}"
        )
    return retrievers


def _check_name(name: str) -> str:
    if not isinstance(name, str) or not name or name == FUSION or "/" in name:
        raise InvalidInputError(
            f"a member's name must be a non-empty string, not {FUSION!r} and without '/', "
            f"not {name!r}"
        )
    return name
