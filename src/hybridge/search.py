"""The one search: candidates from every stage, completed and fused.

`run_search` searches the stages of an index by its `SearchOptions`, and returns a `SearchRecord`,
which hits, explanations and tuning read. In an index, integer points stand for passages; in a
`FusedRetriever`, which takes the same steps over other retrievers, their ids.

Stages whose vectors lie in the store only say what to ask: one `Search` of the store answers all
of them, and scores the candidates of each by all. The other stages answer for themselves before.
Ties have no order until the end, when the ids are read with the passages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, filterfalse
from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypedDict, TypeVar, Unpack

from .arguments import check_count, check_flag, check_share
from .errors import InvalidInputError
from .filters import Filter
from .fusion import FUSION, ConvexCombination, Fusion, check_weights, get_fusion
from .gathering import Gathering
from .hits import PassageReader, Scores, best_passages, sorted_passages, stage_hits, top_with_ties
from .lexical.parameters import BM25Parameters, check_bm25
from .observation import ENCODING, observed, shifted
from .passages import Hit, Passage, StageScore
from .reranking import blend_stage
from .steps import Steps

if TYPE_CHECKING:  # a `FusedRetriever` has no stages
    from .queries import QueryBatch
    from .stages.late_interaction import OpenLateInteraction
    from .stages.stage import OpenStage
    from .vectors.store import Ranking, VectorStore

__all__ = [
    "BATCH",
    "Rescored",
    "Scoring",
    "SearchOptions",
    "SearchRecord",
    "SearchSettings",
    "by_filter",
    "check_settings",
    "completed",
    "fused_run",
    "run_batched",
    "run_search",
    "search_stage",
]

K = TypeVar("K", bound=Hashable)

_Corrections: TypeAlias = Mapping[str, Sequence[str | None]]

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
        unordered: the stages of `names` whose rankings have ties in any order, and not by id.
    """

    names: Sequence[str]
    tops: Sequence[Sequence[Ranking]]
    runs: Sequence[Sequence[Scores]]
    fused: Sequence[dict[int, float]]
    rescored: Sequence[Rescored]
    corrected: _Corrections
    unordered: Collection[str] = ()

    @property
    def final(self) -> Sequence[dict[int, float]]:
        """The scores by which the hits are sorted."""
        return self.rescored[-1].after if self.rescored else self.fused

    def hits(self, reader: PassageReader, k: int) -> Steps[list[list[Hit]]]:
        """Return the best `k` for each query, ties by id.

        Args:
            reader: of the passages.
            k: how many passages a query gets at most.
        """
        heads = [top_with_ties(run, k) for run in self.final]
        names = list(self.names)
        tops: list[Sequence[Ranking]] = list(self.tops)
        unordered = [i for i, name in enumerate(names) if name in self.unordered]
        last = FUSION
        for each in self.rescored:
            unordered += [len(names), len(names) + 1]
            names += [last, each.stage]
            tops += [[_ranked(run) for run in runs] for runs in (each.before, each.scores)]
            last = blend_stage(each.stage)
        tied = {
            i: [_tied(top, head) for top, head in zip(tops[i], heads, strict=True)]
            for i in unordered
        }
        read_too = (points for ties in tied.values() for points in ties)
        passages = yield from reader.get(set[int]().union(*heads, *read_too))
        for i, ties in tied.items():
            tops[i] = [
                _by_id(top, passages) if some else top
                for top, some in zip(tops[i], ties, strict=True)
            ]
        found = [sorted_passages(head, passages)[:k] for head in heads]
        unread = [None] * len(found)
        read = [self.corrected.get(name, unread) for name in names]
        return [
            _traced(best, list(zip(names, *both, strict=True)), last)
            for best, *both in zip(
                found, zip(*tops, strict=True), zip(*read, strict=True), strict=True
            )
        ]

    def ids(self, reader: PassageReader, k: int) -> Steps[list[list[str]]]:
        """Return the ids of `hits`, without their traces, which cost more than the rest."""
        found = yield from best_passages(self.final, reader, k)
        return [[passage.id for passage, _, _ in best] for best in found]


class Scoring(Protocol[K]):
    """One search of one stage, for a list of queries."""

    def exact(self, points: Sequence[Collection[K]]) -> list[dict[K, float]]:
        """Return each query's scores of the given candidates, as far as the stage has one."""
        ...


def completed(
    searches: Sequence[Scoring[K]],
    runs: Sequence[Sequence[dict[K, float]]],
    each: Callable[..., Iterable[Any]] = map,
    groups: Iterable[Sequence[int]] = (),
) -> list[list[dict[K, float]]]:
    """Return each stage's runs with the exact scores of candidates that only others found.

    Args:
        searches: one a stage.
        runs: of each stage, one run a query.
        each: runs the stages: as `map`, one after another.
        groups: positions of queries that are to score the candidates of each other too.
    """
    unions = [set[K]().union(*query_runs) for query_runs in zip(*runs, strict=True)]
    for group in groups:
        joint = set[K]().union(*(unions[i] for i in group))
        for i in group:
            unions[i] = joint
    missing = [
        [
            union.difference(run) if len(run) < len(union) else ()
            for union, run in zip(unions, stage_runs, strict=True)
        ]
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
    encode: Callable[[list[int]], Steps[None]],
    answer: Callable[[list[int], Filter | None], Steps[list[list[Hit]]]],
    groups: Mapping[Filter | None, Sequence[int]],
) -> Steps[list[list[Hit]]]:
    """Answer the queries that are not blank, a batch at a time; blank ones get no hits.

    Args:
        queries: all queries.
        encode: encodes the queries in these positions.
        answer: returns the hits of the queries in these positions, by their filter.
        groups: the positions of the queries of each filter; a batch has one.
    """
    indices = [i for i, query in enumerate(queries) if query.strip()]
    hits: list[list[Hit]] = [[] for _ in queries]
    if indices:
        with shifted(indices), observed(ENCODING, len(indices)):
            yield from encode(indices)
        readable = set(indices)
        for where, positions in groups.items():
            some = [i for i in positions if i in readable]
            for start in range(0, len(some), BATCH):
                batch = some[start : start + BATCH]
                with shifted(batch):
                    found = yield from answer(batch, where)
                for i, list_ in zip(batch, found, strict=True):
                    hits[i] = list_
    return hits


def search_stage(
    stage: OpenStage,
    batch: QueryBatch,
    store: VectorStore,
    where: Filter | None,
    k: int,
    depth: int,
) -> Steps[list[list[Hit]]]:
    """Return the hits of one stage alone, ties by id."""
    gathering = Gathering([stage], [], batch, store, where, depth, completes=False)
    reader = PassageReader(store)
    yield from gathering.run(reader, k)
    return (
        yield from stage_hits(stage.name, gathering.tops[0], batch.corrected(stage.name), reader, k)
    )


def run_search(
    options: SearchOptions,
    batch: QueryBatch,
    store: VectorStore,
    where: Filter | None,
    reader: PassageReader,
    complete: Callable[..., list[list[dict[int, float]]]] = completed,
) -> Steps[SearchRecord]:
    """Run a search: candidates from every stage, completed, fused, and scored again.

    Args:
        options: of the search.
        batch: the queries.
        store: of the passages.
        where: only passages that pass this filter.
        reader: of the passages, for observers.
        complete: returns the scores that each stage has for the candidates of all.
    """
    k, fusion, count = options.k, options.fusion, batch.count
    late_stages = [stage for stage, _ in options.late]
    gathering = Gathering(
        options.stages, late_stages, batch, store, where, options.depth, completes=fusion.completes
    )
    yield from gathering.run(reader, k)
    with observed(FUSION, count) as report:
        runs = gathering.runs
        if fusion.completes and len(gathering.unordered) < len(options.stages):
            runs = complete(gathering.searches, runs)
        fused = [fused_run(fusion, some, options.weights) for some in zip(*runs, strict=True)]
        if report.watched:
            report.hits = yield from stage_hits(FUSION, fused, None, reader, k)
    rescored: list[Rescored] = []
    before = fused
    for i, (late, blend) in enumerate(options.late):
        with observed(late.name, count) as report:
            scores = gathering.rescored(i, [list(run) for run in before])
            if report.watched:
                report.hits = yield from stage_hits(
                    late.name, scores, batch.corrected(late.name), reader, k
                )
        with observed(blend_stage(late.name), count) as report:
            shares = [1 - blend, blend]
            after = [_BLENDING.fuse(both, shares) for both in zip(before, scores, strict=True)]
            if report.watched:
                report.hits = yield from stage_hits(blend_stage(late.name), after, None, reader, k)
        rescored.append(Rescored(late.name, blend, before, scores, after))
        before = after
    names = [stage.name for stage in options.stages]
    corrected = {
        name: read
        for name in (*names, *(stage.name for stage in late_stages))
        if (read := batch.corrected(name)) is not None
    }
    return SearchRecord(
        names, gathering.tops, runs, fused, rescored, corrected, gathering.unordered
    )


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
        is_found = map(traces.__contains__, top)
        for rank, point in compress(enumerate(top, start=1), is_found):
            traces[point].append(StageScore(name, rank, top[point], query))
    return [
        Hit(passage, score, (*traces[point], StageScore(last, rank, score)))
        for rank, (passage, score, point) in enumerate(found, start=1)
    ]


def _ranked(run: Scores) -> Ranking:
    """Sort candidates by score, best first, ties in any order."""
    return {point: run[point] for point in sorted(run, key=run.__getitem__, reverse=True)}


def _tied(top: Ranking, head: Collection[int]) -> list[int]:
    """Return the points of a ranking that tie with one of the given.

    >>> _tied({1: 3.0, 2: 2.0, 3: 2.0, 4: 1.0, 5: 1.0}, [3, 6])
    [2, 3]
    """
    if len(set(top.values())) == len(top):
        return []
    times = Counter(top.values())
    scores = {top[point] for point in head if point in top and times[top[point]] > 1}
    return [point for point, score in top.items() if score in scores] if scores else []


def _by_id(top: Ranking, passages: Mapping[int, Passage]) -> Ranking:
    """Return a ranking with ties by id, of those points whose passages are known."""
    order = sorted(
        top, key=lambda point: (-top[point], passages[point].id if point in passages else "")
    )
    return {point: top[point] for point in order}
