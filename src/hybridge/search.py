"""The one search: queries read and encoded, candidates from every stage, completed and fused.

`run_search` searches the stages of an index by its `SearchOptions`, and returns a `SearchRecord`,
which hits, explanations and tuning read. In an index, integer points stand for passages; in a
`FusedRetriever`, which takes the same steps over other retrievers, their ids.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import filterfalse
from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypedDict, TypeVar, Unpack

from .arguments import check_count, check_flag, check_share
from .encoders.caching import query_cache
from .errors import InvalidInputError
from .filters import Filter
from .fusion import FUSION, ConvexCombination, Fusion, check_weights, get_fusion
from .lexical.parameters import BM25Parameters, check_bm25
from .observation import ENCODING, observed, shifted
from .passages import Hit, Passage, StageScore
from .query_syntax import parse
from .reranking import blend_stage
from .spelling import Corrected

if TYPE_CHECKING:  # a `FusedRetriever` has no stages
    from .colbert.joint import JointEncoder
    from .stages.late_interaction import LateSearch, OpenLateInteraction
    from .stages.stage import OpenStage, StageSearch
    from .vectors.store import Ranking, VectorStore

__all__ = [
    "BATCH",
    "Rescored",
    "Scores",
    "Scoring",
    "SearchOptions",
    "SearchRecord",
    "SearchSettings",
    "by_filter",
    "check_settings",
    "completed",
    "encoded",
    "fused_run",
    "read_queries",
    "run_batched",
    "run_search",
    "single_stage_hits",
    "sorted_passages",
    "top_with_ties",
]

K = TypeVar("K", bound=Hashable)

# Candidates and their scores, in no order.
Scores: TypeAlias = Mapping[int, float]
_Corrections: TypeAlias = Mapping[str, Sequence[str | None]]
_Getter: TypeAlias = Callable[[Sequence[int]], Mapping[int, Passage]]

_BLENDING = ConvexCombination()

# Queries searched in one go: enough for the engine to share work, few enough to hold their scores.
BATCH = 16


@dataclass(frozen=True)
class SearchOptions:
    """The options of a search, checked, with defaults filled in.

    Args:
        k: how many passages a query gets at most.
        depth: candidates of each stage, at least `k`.
        stages: those that find candidates, of a weight above 0.
        weights: one a stage, above 0.
        fusion: of the stages' scores.
        late: the stages that score the candidates again, and the share of each in the score.
        spelling: whether the queries' spelling is corrected.
        query_syntax: whether operators in the queries are read.
    """

    k: int
    depth: int
    stages: Sequence[OpenStage]
    weights: Sequence[float]
    fusion: Fusion
    late: Sequence[tuple[OpenLateInteraction, float]]
    spelling: bool = True
    query_syntax: bool = False


class SearchSettings(TypedDict, total=False):
    """The options of `HybridIndex.search` that a retriever can be set to; None stands for none.

    Each has a check in this module and is a keyword of `search` and `tuned`.
    """

    depth: int | None
    weights: Mapping[str, float] | None
    fusion: str | Fusion | None
    blend: float | Mapping[str, float] | None
    bm25: BM25Parameters | None
    spelling: bool | None
    query_syntax: bool | None


def check_settings(**settings: Unpack[SearchSettings]) -> dict[str, Any]:
    """Return the options of `HybridIndex.search` that are not None, checked without an index.

    Raises:
        InvalidInputError: a value that is valid for no index.
        TypeError: an unknown option.

    >>> check_settings(weights={"bm25": 1, "dense": 0}, depth=50, fusion=None)
    {'weights': {'bm25': 1, 'dense': 0}, 'depth': 50}
    """
    if unknown := settings.keys() - _CHECKS.keys():
        raise TypeError(f"a search has no option {min(unknown)!r}")
    return {name: _CHECKS[name](value) for name, value in settings.items() if value is not None}


def _checked_weights(weights: Any) -> dict[str, float]:
    if not isinstance(weights, Mapping):
        raise InvalidInputError(
            f"weights must be a mapping, stage to weight, as in {{'bm25': 1, 'dense': 2}}, not "
            f"{weights!r}"
        )
    check_weights(list(weights.values()), len(weights))
    return dict(weights)


def _checked_blend(blend: Any) -> float | dict[str, float]:
    if isinstance(blend, Mapping):
        return {name: check_share(share, "blend") for name, share in blend.items()}
    return check_share(blend, "blend")


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "depth": lambda depth: check_count(depth, "depth"),
    "weights": _checked_weights,
    "fusion": get_fusion,
    "blend": _checked_blend,
    "bm25": check_bm25,
    "spelling": lambda spelling: check_flag(spelling, "spelling"),
    "query_syntax": lambda query_syntax: check_flag(query_syntax, "query_syntax"),
}


@dataclass(frozen=True)
class Rescored:
    """The candidates' scores before and after a stage that scores them again.

    Args:
        stage: its name.
        blend: its weight in the score.
        before: the previous scores, one run a query, as are the others.
        scores: its own scores.
        after: the blend of both.
    """

    stage: str
    blend: float
    before: Sequence[dict[int, float]]
    scores: Sequence[dict[int, float]]
    after: Sequence[dict[int, float]]


@dataclass(frozen=True)
class SearchRecord:
    """The rankings and scores of a search; the inner lists have one entry a query.

    Args:
        names: of the stages that found candidates, in the order they ran.
        tops: each stage's rankings, best first.
        runs: each stage's scores as they were fused: completed if the fusion completes.
        fused: each candidate's fused score.
        rescored: by the late-interaction stages, in order.
        corrected: the queries as each stage read them, None for one as it was asked; nothing of a
            stage that read none, because it got the queries' vectors from the caller.
    """

    names: Sequence[str]
    tops: Sequence[Sequence[Ranking]]
    runs: Sequence[Sequence[Scores]]
    fused: Sequence[dict[int, float]]
    rescored: Sequence[Rescored]
    corrected: _Corrections

    def hits(self, get: _Getter, k: int) -> list[list[Hit]]:
        """Return the best `k` for each query, ties by id.

        Args:
            get: reads the passages of points.
            k: how many passages a query gets at most.
        """
        final = self.rescored[-1].after if self.rescored else self.fused
        found = _best(final, get, k)
        names, tops = list(self.names), list(self.tops)
        last = FUSION
        for each in self.rescored:
            names += [last, each.stage]
            tops += [[_ranked(run) for run in runs] for runs in (each.before, each.scores)]
            last = blend_stage(each.stage)
        unread = [None] * len(found)
        read = [self.corrected.get(name, unread) for name in names]
        return [
            _traced(best, list(zip(names, *both, strict=True)), last)
            for best, *both in zip(
                found, zip(*tops, strict=True), zip(*read, strict=True), strict=True
            )
        ]

    def ids(self, get: _Getter, k: int) -> list[list[str]]:
        """Return the ids of `hits`, without their traces, which cost more than the rest."""
        final = self.rescored[-1].after if self.rescored else self.fused
        return [[passage.id for passage, _, _ in best] for best in _best(final, get, k)]


class Scoring(Protocol[K]):
    """One search of one stage, for a list of queries."""

    def exact(self, points: Sequence[Collection[K]]) -> list[dict[K, float]]:
        """Return each query's scores of the given candidates, as far as the stage has one."""
        ...


def completed(
    searches: Sequence[Scoring[K]],
    runs: Sequence[Sequence[dict[K, float]]],
    each: Callable[..., Iterable[Any]] = map,
) -> list[list[dict[K, float]]]:
    """Return each stage's runs with the exact scores of candidates that only others found.

    Args:
        searches: one a stage.
        runs: of each stage, one run a query.
        each: runs the stages: as `map`, one after another.
    """
    unions = [set[K]().union(*query_runs) for query_runs in zip(*runs, strict=True)]
    missing = [
        [union.difference(run) for union, run in zip(unions, stage_runs, strict=True)]
        for stage_runs in runs
    ]
    incomplete = [i for i, points in enumerate(missing) if any(points)]
    if not incomplete:
        return [list(stage_runs) for stage_runs in runs]
    scored = each(
        lambda search, points: search.exact(points),
        [searches[i] for i in incomplete],
        [missing[i] for i in incomplete],
    )
    found = dict(zip(incomplete, scored, strict=True))
    return [
        [run | more for run, more in zip(stage_runs, found[i], strict=True)]
        if i in found
        else list(stage_runs)
        for i, stage_runs in enumerate(runs)
    ]


def fused_run(
    fusion: Fusion, runs: Sequence[Mapping[K, float]], weights: Sequence[float]
) -> dict[K, float]:
    """Fuse one query's runs.

    Raises:
        InvalidInputError: a user's fusion returned a score that is not finite.
    """
    # Copies, for it to do with as it likes: what was found stays as it is.
    fused = fusion.fuse([dict(run) for run in runs], weights)
    wrong = next(filterfalse(isfinite, fused.values()), None)
    if wrong is not None:
        raise InvalidInputError(
            f"the fusion {fusion.name!r} gave a candidate the score {wrong}: it must give "
            "each a finite number"
        )
    return fused


def read_queries(
    queries: Sequence[str],
    stages: Iterable[OpenStage],
    reading: Callable[[], AbstractContextManager[None]],
    *,
    spelling: bool,
    query_syntax: bool = False,
) -> list[Corrected]:
    """Return each query as all stages read it.

    Its spelling is corrected first, which leaves phrases and words with a sign as they are.

    Args:
        queries: as they were asked.
        stages: of the index, iterated over in that context; the first one that has words corrects.
        reading: returns a context in which the index does not change.
        spelling: whether words that no passage has are corrected.
        query_syntax: whether operators are read, and taken out of the text.
    """
    read = list(map(Corrected, queries))
    if spelling and queries:
        with reading():
            spellers = (stage.speller for stage in stages)
            speller = next((one for one in spellers if one is not None), None)
            if speller is not None:
                read = list(map(speller.correct, queries))
    if query_syntax:
        read = [replace(each, plain=parse(each.text).text) for each in read]
    return read


def encoded(
    stages: Sequence[OpenStage],
    queries: list[str],
    known: Mapping[str, Sequence[Any]],
    joint: Mapping[str, tuple[str, JointEncoder]],
) -> list[Sequence[Any]]:
    """Encode the queries for each stage, in one pass where two stages share a model.

    Args:
        stages: stages of the index, or BM25 with other parameters.
        queries: none of them blank.
        known: the encoded queries of some stages, by name.
        joint: the encoders of two stages: the name of the first, to the name of the second one
            and the encoder.
    """
    made = dict(known)
    by_name: dict[str, Any] = {stage.name: stage for stage in stages}
    for first, (second, encoder) in joint.items():
        pair = {first, second}
        if pair <= by_name.keys() and not pair & made.keys():
            rows = query_cache.encode_jointly(encoder.encoders, queries, encoder.encode_queries)
            for name, some in zip((first, second), rows, strict=True):
                made[name] = by_name[name].encoded(some, len(queries))
    return [made[stage.name] if stage.name in made else stage.encode(queries) for stage in stages]


def by_filter(
    positions: Iterable[int], wheres: Sequence[Filter | None]
) -> dict[Filter | None, list[int]]:
    """Return the positions of queries by the filter of each.

    >>> by_filter([0, 2], [None, None, None])
    {None: [0, 2]}
    """
    found: dict[Filter | None, list[int]] = {}
    for i in positions:
        found.setdefault(wheres[i], []).append(i)
    return found


def run_batched(
    queries: Sequence[str],
    encode: Callable[[list[int]], Sequence[Sequence[Any]]],
    answer: Callable[[Sequence[Sequence[Any]], Filter | None], list[list[Hit]]],
    groups: Mapping[Filter | None, Sequence[int]],
) -> list[list[Hit]]:
    """Answer the queries that are not blank, a batch at a time; blank ones get no hits.

    Args:
        queries: all queries.
        encode: encodes the queries in these positions: one list for each stage.
        answer: returns the hits of a batch, from its part of each list, by its filter.
        groups: the positions of the queries of each filter; a batch has one.
    """
    indices = [i for i, query in enumerate(queries) if query.strip()]
    hits: list[list[Hit]] = [[] for _ in queries]
    if indices:
        with shifted(indices), observed(ENCODING, len(indices)):
            encoded = encode(indices)
        rows = {i: row for row, i in enumerate(indices)}
        for where, positions in groups.items():
            readable = [i for i in positions if i in rows]
            for start in range(0, len(readable), BATCH):
                batch = readable[start : start + BATCH]
                with shifted(batch):
                    found = answer([[each[rows[i]] for i in batch] for each in encoded], where)
                for i, list_ in zip(batch, found, strict=True):
                    hits[i] = list_
    return hits


def single_stage_hits(
    stage: OpenStage,
    encoded: Sequence[Any],
    store: VectorStore,
    k: int,
    depth: int,
    where: Filter | None,
    corrected: Sequence[str | None] | None = None,
) -> list[list[Hit]]:
    """Return the hits of one stage alone, ties by id."""
    with observed(stage.name, len(encoded)) as report:
        tops = stage.begin(encoded).top(depth, where)
        report.hits = hits = _hits_of(stage.name, tops, store, k, corrected)
    return hits


def run_search(
    options: SearchOptions,
    begin: Callable[[OpenStage], Any],
    count: int,
    store: VectorStore,
    where: Filter | None,
    corrected: _Corrections,
    complete: Callable[..., list[list[dict[int, float]]]] = completed,
) -> SearchRecord:
    """Run a search: candidates from every stage, completed, fused, and scored again.

    Args:
        options: of the search.
        begin: returns a stage's search.
        count: of the queries.
        store: of the passages.
        where: only passages that pass this filter.
        corrected: the queries as each stage read them, see `SearchRecord`.
        complete: returns the scores that each stage has for the candidates of all.
    """
    k = options.k
    searches: list[StageSearch] = []
    tops: list[Sequence[Ranking]] = []
    for stage in options.stages:
        with observed(stage.name, count) as report:
            searches.append(begin(stage))
            tops.append(searches[-1].top(options.depth, where))
            if report.watched:
                report.hits = _hits_of(stage.name, tops[-1], store, k, corrected.get(stage.name))
    with observed(FUSION, count) as report:
        runs = complete(searches, tops) if options.fusion.completes else tops
        fused = [
            fused_run(options.fusion, some, options.weights) for some in zip(*runs, strict=True)
        ]
        if report.watched:
            report.hits = _hits_of(FUSION, fused, store, k)
    rescored: list[Rescored] = []
    before = fused
    for late, blend in options.late:
        with observed(late.name, count) as report:
            search: LateSearch = begin(late)
            scores = search.rescored([list(run) for run in before])
            if report.watched:
                report.hits = _hits_of(late.name, scores, store, k, corrected.get(late.name))
        with observed(blend_stage(late.name), count) as report:
            shares = [1 - blend, blend]
            after = [_BLENDING.fuse(both, shares) for both in zip(before, scores, strict=True)]
            if report.watched:
                report.hits = _hits_of(blend_stage(late.name), after, store, k)
        rescored.append(Rescored(late.name, blend, before, scores, after))
        before = after
    names = [stage.name for stage in options.stages]
    return SearchRecord(names, tops, runs, fused, rescored, corrected)


def top_with_ties(run: Mapping[K, float], k: int) -> Mapping[K, float]:
    """Return the best `k` and all that tie with the last of them, in no order: ids will decide.

    >>> top_with_ties({"a": 1.0, "b": 3.0, "c": 2.0, "d": 2.0}, 2)
    {'b': 3.0, 'c': 2.0, 'd': 2.0}
    """
    if len(run) <= k:
        return run
    minimum = sorted(run.values(), reverse=True)[k - 1]
    return {point: score for point, score in run.items() if score >= minimum}


def sorted_passages(
    run: Mapping[K, float], passages: Mapping[K, Passage]
) -> list[tuple[Passage, float, K]]:
    """Return candidates with their passages, best first, ties by id."""
    # A point without a passage was deleted meanwhile by somebody else's client.
    found = [(passages[point], score, point) for point, score in run.items() if point in passages]
    return sorted(found, key=lambda item: (-item[1], item[0].id))


def _best(runs: Sequence[Scores], get: _Getter, k: int) -> list[list[tuple[Passage, float, int]]]:
    """Return the best `k` candidates of each run that exist, with their passages, ties by id."""
    heads = [top_with_ties(run, k) for run in runs]
    points = set[int]().union(*heads)
    passages = get(list(points)) if points else {}
    return [sorted_passages(head, passages)[:k] for head in heads]


def _hits_of(
    stage: str,
    runs: Sequence[Scores],
    store: VectorStore,
    k: int,
    corrected: Sequence[str | None] | None = None,
) -> list[list[Hit]]:
    """Return the best `k` of each run as hits of one stage, which read the queries so."""
    read = [None] * len(runs) if corrected is None else corrected
    return [
        [
            Hit(passage, score, (StageScore(stage, rank, score, query),))
            for rank, (passage, score, _) in enumerate(best, start=1)
        ]
        for best, query in zip(_best(runs, store.get, k), read, strict=True)
    ]


def _traced(
    found: Sequence[tuple[Passage, float, int]],
    stages: Sequence[tuple[str, Ranking, str | None]],
    last: str,
) -> list[Hit]:
    """Return candidates as hits, each with its rank and score in every stage.

    Args:
        found: the candidates, best first.
        stages: the name of each, its ranking, and the query if it was corrected.
        last: the name of the last stage, whose scores order the hits.
    """
    traces: dict[int, list[StageScore]] = {point: [] for _, _, point in found}
    for name, top, query in stages:
        for rank, point in enumerate(top, start=1):
            if point in traces:
                traces[point].append(StageScore(name, rank, top[point], query))
    return [
        Hit(passage, score, (*traces[point], StageScore(last, rank, score)))
        for rank, (passage, score, point) in enumerate(found, start=1)
    ]


def _ranked(run: Scores) -> Ranking:
    """Sort candidates by score, best first, ties in any order."""
    return {point: run[point] for point in sorted(run, key=run.__getitem__, reverse=True)}
