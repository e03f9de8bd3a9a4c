"""The function `tune`: the best setting of a retriever on judged queries, cross-validated."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..arguments import check_count, check_seed
from ..errors import InvalidInputError
from ..evaluation import Collection, evaluate
from ..evaluation.collection import Qrels, check_judged, check_qrels
from ..evaluation.measures import Judge
from ..evaluation.significance import compare
from .choosing import held_out
from .result import Trial, Tuning
from .space import Space
from .target import Target
from .trial_cache import TrialCache

__all__ = ["checked_test", "find_setting", "tune"]

logger = logging.getLogger(__name__)

_WITHOUT_CUTOFF = 100  # passages that a measure without a cutoff sees, as with `evaluate`
_BATCH = 64  # test queries a search

_Judged = tuple[Mapping[str, str], Qrels]


def tune(
    retriever: object,
    queries: Mapping[str, str],
    qrels: Qrels,
    measure: str = "nDCG@10",
    *,
    space: Space | None = None,
    folds: int = 5,
    test: Collection | _Judged | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> Tuning:
    """Find the setting that is best for these queries, and compare it with the present one.

    Each stage runs once for the queries, and all settings are tried on its scores; the score of a
    setting is that of a search with it, to the id. For the order of trials see
    `hybridge.tuning.choosing`; the same queries and seed always give the same choice.

    The best of hundreds of settings on some queries looks better on these than it is. So the whole
    choice is repeated for each fold of the queries: made on all other folds, and evaluated on this
    one: M. Stone, *Cross-Validatory Choice and Assessment of Statistical Predictions*,
    J. R. Statist. Soc. B 36, 1974. If these held-out values are not better than the present
    setting's by more than chance (paired permutation test), `Tuning.within_noise` is True, and the
    advice is to keep the present setting.

    Args:
        retriever: a `HybridIndex`, what its `tuned` returns, a `FusedRetriever`, a `Pipeline` over
            one of these, or a `hybridge.results.BoostedRetriever` around it. It
            stays as it is; write nothing to it meanwhile.
        queries: query id → query; better 50 than 10. Queries without judgements are left out.
        qrels: query id → passage id → relevance, a whole number from 0.
        measure: as for `evaluate`; its cutoff is the number of passages a search returns.
        space: the values to try; None tries the usual values of all parameters the retriever has.
        folds: from 2 to as many as there are queries.
        test: other queries and their judgements, as a `Collection` or a pair: searched at the
            end, with the chosen setting and the present one only.
        seed: of the folds and of the permutation test.
        progress: show a bar on standard error; None shows it on a terminal.

    Raises:
        InvalidInputError: an argument is not valid; raised before any search.
        MissingExtraError: the extra `evaluation` is not installed.

    >>> from hybridge import CallableEncoder, HybridIndex, Passage
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count("a"), text.count("e")] for text in texts],
    ...     dimension=2, identity="letters",
    ... )
    >>> index = HybridIndex.create(encoder=letters)
    >>> index.add([Passage("p1", "Bananas and apples"), Passage("p2", "Green beets")])
    2
    >>> queries, qrels = {"q1": "apples", "q2": "beets"}, {"q1": {"p1": 1}, "q2": {"p2": 1}}
    >>> tuning = tune(index, queries, qrels, "MRR@2", folds=2)
    >>> tuning.held_out, tuning.within_noise
    ({'q1': 1.0, 'q2': 1.0}, True)
    >>> [hits[0].passage.id for hits in tuning.apply().search(["apple", "beet"], k=1)]
    ['p1', 'p2']
    >>> index.close()
    """
    tuning = find_setting(
        retriever, queries, qrels, measure, space, folds, test=test, seed=seed, progress=progress
    )
    if tuning.within_noise:
        logger.warning("%s", tuning.verdict)
    return tuning


def find_setting(
    retriever: object,
    queries: Mapping[str, str],
    qrels: Qrels,
    measure: str,
    space: Space | None = None,
    folds: int = 5,
    *,
    test: Collection | _Judged | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> Tuning:
    """Do what `tune` does, and leave it to the caller to show the verdict."""
    target = Target.of(retriever)
    judgements = check_qrels(qrels)
    judged_queries = check_judged(queries, judgements)
    k = _cutoff(measure, judgements)
    judge = Judge([measure], judgements, k)
    check_seed(seed)
    if check_count(folds, "folds") < 2 or len(judged_queries) < folds:
        raise InvalidInputError(
            f"folds must be from 2 to {len(judged_queries)}, the number of judged queries, "
            f"not {folds}"
        )
    if space is not None and not isinstance(space, Space):
        raise InvalidInputError(f"space must be a Space(depth=[50, 100]), not {space!r}")
    values_to_try = (Space() if space is None else space).within(target.possible, target.reason)
    tested = None if test is None else checked_test(test, judged_queries)
    if target.is_empty:
        raise InvalidInputError("the index is empty: add its passages before tuning it")

    trials = TrialCache(target, judged_queries, judge, k)
    chosen, tried, values = held_out(trials, values_to_try, folds, seed, progress)
    by_default = trials.values(target.default)
    held = dict(zip(judged_queries, values.tolist(), strict=True))
    default_held = dict(zip(judged_queries, by_default.tolist(), strict=True))
    [comparison] = compare(
        {"default": {measure: default_held}, "chosen": {measure: held}},
        "default",
        [measure],
        correction=None,
        seed=seed,
    )
    scores = dict.fromkeys(("default", "chosen"))
    if tested is not None:
        both = {"default": target.build(target.default), "chosen": target.build(chosen)}
        evaluation = evaluate(both, *tested, [measure], k=k, batch_size=_BATCH, progress=progress)
        scores = {name: evaluation.mean(name, measure) for name in both}
    return Tuning(
        measure=measure,
        k=k,
        folds=folds,
        default=target.default,
        chosen=chosen,
        trials=[Trial(setting, float(each.mean())) for setting, each in tried.items()],
        held_out=held,
        default_held_out=default_held,
        interval=comparison.interval,
        p=comparison.p,
        test_score=scores["chosen"],
        default_test_score=scores["default"],
        target=target,
    )


def _cutoff(measure: str, judgements: Qrels) -> int:
    if not isinstance(measure, str):
        raise InvalidInputError(f"measure must be one measure, as 'nDCG@10', not {measure!r}")
    cutoff = Judge([measure], judgements).cutoff
    return _WITHOUT_CUTOFF if cutoff is None else cutoff


def checked_test(test: Collection | _Judged, judged_queries: Mapping[str, str]) -> _Judged:
    """Return the judged queries of a test, and warn of those that are tuned on as well.

    Raises:
        InvalidInputError: it is not a Collection or a pair, or not valid.
    """
    if isinstance(test, Collection):
        queries, qrels = test.queries, test.qrels
    elif isinstance(test, tuple) and len(test) == 2:
        queries, qrels = test
    else:
        raise InvalidInputError(
            f"test must be a Collection or a pair (queries, qrels), not {type(test).__name__}"
        )
    judgements = check_qrels(qrels)
    judged = check_judged(queries, judgements)
    seen = set(judged_queries.values())
    if shared := [query for query, text in judged.items() if text in seen]:
        logger.warning(
            "%d of %d test queries are tuned on as well (the first: %r): their values are too good",
            len(shared),
            len(judged),
            shared[0],
        )
    return judged, judgements
