"""Run retrievers on judged queries, or take their runs, and measure the lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np

from ..arguments import check_count, check_k
from ..errors import InvalidInputError
from ..iteration import chunked, progress_over
from ..passages import Hit
from ..protocols import Retriever
from .collection import Qrels, check_judged, check_qrels
from .measures import MEASURES, Judge, default_measures
from .result import Evaluation
from .timing import timed_search

__all__ = ["evaluate", "evaluate_runs", "named_retrievers"]

_Lists = dict[str, dict[str, list[str]]]


def evaluate(
    retrievers: object | Mapping[str, object],
    queries: Mapping[str, str],
    qrels: Qrels,
    measures: Sequence[str] | None = None,
    *,
    k: int = 100,
    batch_size: int = 1,
    baseline: str | None = None,
    progress: bool | None = None,
) -> Evaluation:
    """Measure the lists of each retriever, and their latency.

    As in trec_eval, queries without judgements do not count and unjudged passages are not
    relevant; a judged query without results counts as 0. A list counts in the order in which it
    was returned, whatever its scores; a passage that comes twice counts where it came first.

    Queries run one at a time, on each retriever in turn, so that a slower machine slows all of
    them alike, and each turn begins with another retriever. A first, untimed search lets models
    load. Latency is that of a caller who waits for one answer; retrievers are faster in batches,
    but then nothing is timed.

    Args:
        retrievers: one retriever, named by its class in the result, or name → retriever. One
            of another framework is bridged by its adapter (`hybridge.frameworks.as_retriever`).
        queries: query id → text; those without judgements are left out.
        qrels: query id → passage id → relevance, a whole number from 0.
        measures: names in any case: "nDCG@10", "MRR@10", "MAP@100", "recall@100", "precision@5",
            "success@1", "AP(rel=2)@100". The spelling is the name in the result. One without a
            cutoff measures the whole list. None is nDCG@10, R@100 and RR@10, none of them deeper
            than `k`.
        k: the length of the lists, at least the largest cutoff of the measures.
        batch_size: queries a search; above 1 nothing is timed.
        baseline: the retriever that tables compare the others with.
        progress: show a bar on standard error; None shows it on a terminal.

    Raises:
        InvalidInputError: an unknown measure, one that needs more than `k` passages, judgements
            that are none, a judged query that has no text, or something that is no retriever.
        MissingExtraError: the extra `evaluation` is not installed.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("p1", "A cat sat."), Passage("p2", "Dogs ran.")])
    >>> queries, qrels = {"q1": "cats", "q2": "hens"}, {"q1": {"p1": 1}, "q2": {"p2": 1}}
    >>> evaluation = evaluate({"bm25": bm25}, queries, qrels, ["MRR@10"])
    >>> evaluation.mean("bm25", "MRR@10"), list(evaluation.stage_costs("bm25"))
    (0.5, ['bm25'])
    """
    named = named_retrievers(retrievers)
    judgements = check_qrels(qrels)
    judged = check_judged(queries, judgements)
    judgements = {query: judgements[query] for query in judged}
    check_k(k)
    judge = Judge(default_measures(k) if measures is None else measures, judgements, k)
    check_count(batch_size, "batch_size")
    _check_baseline(baseline, named)
    lists: _Lists = {name: {} for name in named}
    latencies: dict[str, dict[str, float]] = {}
    stages: dict[str, dict[str, dict[str, float]]] = {}
    if batch_size == 1:
        latencies, stages = _run_in_turns(named, judged, k, lists, progress)
    else:
        _run_in_batches(named, judged, k, lists, progress, batch_size)
    values = {name: judge(ranked) for name, ranked in lists.items()}
    return Evaluation(values, lists, latencies, stages, judged, judgements, baseline)


def evaluate_runs(
    runs: Mapping[str, Mapping[str, Mapping[str, float]]],
    qrels: Qrels,
    measures: Sequence[str] | None = None,
    *,
    queries: Mapping[str, str] | None = None,
    baseline: str | None = None,
) -> Evaluation:
    """Measure runs of other tools: TREC's run files (`read_run`), or your own scores.

    As trec_eval does, a list is sorted by score, in single precision, and of equal ones the
    passage id that sorts last comes first. Queries without judgements do not count.

    Args:
        runs: name → query id → passage id → score, higher is better.
        qrels: query id → passage id → relevance, a whole number from 0.
        measures: as for `evaluate`; None is nDCG@10, R@100 and RR@10.
        queries: query id → text, for the result to show.
        baseline: the run that tables compare the others with.

    Raises:
        InvalidInputError: an unknown measure, judgements that are none, or a score that is no
            number.
        MissingExtraError: the extra `evaluation` is not installed.

    >>> runs = {"mine": {"q1": {"p1": 0.5, "p2": 0.5, "p3": 0.1}}}
    >>> evaluation = evaluate_runs(runs, {"q1": {"p1": 1}}, ["RR"])
    >>> evaluation.lists["mine"]["q1"], evaluation.mean("mine", "RR")
    (['p2', 'p1', 'p3'], 0.5)
    """
    judgements = check_qrels(qrels)
    judge = Judge(MEASURES if measures is None else measures, judgements)
    texts = {} if queries is None else check_judged(queries, judgements)
    _check_runs(runs, judgements)
    _check_baseline(baseline, runs)
    lists = {
        name: {query: _trec_order(name, query, run[query]) for query in judgements if query in run}
        for name, run in runs.items()
    }
    values = {name: judge(ranked) for name, ranked in lists.items()}
    return Evaluation(values, lists, queries=texts, qrels=judgements, baseline=baseline)


def named_retrievers(retrievers: object | Mapping[str, object]) -> dict[str, Retriever]:
    """Return retrievers by name; a single one by that of its class.

    Raises:
        InvalidInputError: none, one that is no retriever, or a name that is no string.
    """
    from ..frameworks import as_retriever

    if not isinstance(retrievers, Mapping):
        return {type(retrievers).__name__: as_retriever(retrievers)}
    if not retrievers:
        raise InvalidInputError("there is no retriever to evaluate: give name → retriever")
    for name in retrievers:
        if not isinstance(name, str):
            raise InvalidInputError(f"a retriever's name must be a string, not {name!r}")
    return {name: as_retriever(retriever) for name, retriever in retrievers.items()}


def _check_baseline(baseline: str | None, names: Mapping[str, object]) -> None:
    if baseline is not None and baseline not in names:
        raise InvalidInputError(f"the baseline {baseline!r} is none of {', '.join(names)}")


def _run_in_turns(
    retrievers: Mapping[str, Retriever],
    queries: Mapping[str, str],
    k: int,
    lists: _Lists,
    progress: bool | None,
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, dict[str, float]]]]:
    latencies: dict[str, dict[str, float]] = {name: {} for name in retrievers}
    stages: dict[str, dict[str, dict[str, float]]] = {name: {} for name in retrievers}
    for retriever in retrievers.values():
        retriever.search([next(iter(queries.values()))], k)
    names = list(retrievers)
    for query, text in progress_over(queries.items(), "Searching", "query", progress):
        for name in names:
            answer, seconds, spent = timed_search(retrievers[name], text, k)
            [lists[name][query]] = _ids(name, answer, 1, k)
            latencies[name][query] = seconds
            for stage, value in spent.items():
                stages[name].setdefault(stage, {})[query] = value
        names = [*names[1:], names[0]]
    return latencies, stages


def _run_in_batches(
    retrievers: Mapping[str, Retriever],
    queries: Mapping[str, str],
    k: int,
    lists: _Lists,
    progress: bool | None,
    size: int,
) -> None:
    batches = [(name, batch) for name in retrievers for batch in chunked(queries, size)]
    for name, batch in progress_over(batches, "Searching", "batch", progress):
        answer = retrievers[name].search([queries[query] for query in batch], k)
        lists[name].update(zip(batch, _ids(name, answer, len(batch), k), strict=True))


def _ids(name: str, answer: Sequence[Sequence[Hit]], count: int, k: int) -> list[list[str]]:
    try:
        lists = [list(dict.fromkeys(hit.passage.id for hit in hits))[:k] for hits in answer]
    except (AttributeError, TypeError) as error:
        raise InvalidInputError(
            f"the retriever {name!r} answered with {answer!r:.80}: it must give a list of Hit "
            "for each query"
        ) from error
    if len(lists) != count:
        raise InvalidInputError(
            f"the retriever {name!r} answered {count} queries with {len(lists)} lists: it must "
            "give one list a query"
        )
    return lists


def _check_runs(runs: Mapping[str, Mapping[str, Mapping[str, float]]], qrels: Qrels) -> None:
    if not runs or not _is_nested(runs) or not all(map(_is_nested, runs.values())):
        raise InvalidInputError(
            f"runs must be a mapping, name → query id → passage id → score, not {runs!r:.80}"
        )
    for name, run in runs.items():
        if run and qrels.keys().isdisjoint(run):
            raise InvalidInputError(
                f"the run {name!r} has none of the judged queries: it has {next(iter(run))!r}, "
                f"and qrels {next(iter(qrels))!r}"
            )


def _is_nested(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(v, Mapping) for v in value.values())


def _trec_order(name: str, query: str, run: Mapping[str, float]) -> list[str]:
    for passage, score in run.items():
        if not isinstance(score, Real) or not np.isfinite(float(score)):
            raise InvalidInputError(
                f"runs[{name!r}][{query!r}][{passage!r}] must be a finite number, not {score!r}"
            )
    with np.errstate(over="ignore"):  # what is too large becomes infinite, as it does there
        scores = {passage: np.float32(score) for passage, score in run.items()}
    return sorted(scores, key=lambda passage: (scores[passage], passage), reverse=True)
