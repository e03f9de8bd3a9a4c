"""`tune`: from a retriever and judged queries to the setting that suits them, honestly measured."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..arguments import check_count, check_seed
from ..errors import InvalidInputError
from ..evaluation import Collection, evaluate
from ..evaluation.collection import Qrels, check_judged, check_qrels
from ..evaluation.measures import Judge
from ..evaluation.significance import compare
from .bench import Bench
from .choosing import held_out
from .result import Trial, Tuning
from .space import Space
from .subject import Subject

__all__ = ["tune"]

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
    """The setting that suits these queries best, and whether it beats the present one.

    Settings are tried on what each stage said of the queries, which is asked for once; what a
    setting is worth is what a search with it finds, to the id. In which order they are tried is
    told in `hybridge.tuning.choosing`; the same queries and seed always give the same choice.

    Whoever chooses the best of hundreds on some queries finds it better on these than it is. So the
    whole choice is made anew on all folds of the queries but one, and judged on that one, fold by
    fold: M. Stone, *Cross-Validatory Choice and Assessment of Statistical Predictions*,
    J. R. Statist. Soc. B 36, 1974. If the values so held out are not better than the present
    setting's by more than chance (paired permutation test), `Tuning.within_noise` says so, and
    keeping the present setting is the better advice.

    Args:
        retriever: a `HybridIndex`, what its `tuned` returns, a `FusedRetriever`, or a `Pipeline`
            over one of these.
            Nothing may be written to it meanwhile, and nothing of it is changed.
        queries: query id → question; better 50 than 10, and those without judgements are left out.
        qrels: query id → passage id → relevance, a whole number from 0.
        measure: as for `evaluate`; its cutoff is how many passages a search is for.
        space: what to try; None tries the usual values of all that the retriever has.
        folds: from 2 to as many as there are queries.
        test: other queries and their judgements, as a `Collection` or a pair, asked at the very
            end, and only with the chosen setting and the present one.
        seed: of the folds and of the tests of chance.
        progress: show a bar on standard error; None shows it on a terminal.

    Raises:
        InvalidInputError: an argument is not valid; nothing was asked yet.
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
    subject = Subject.of(retriever)
    judgements = check_qrels(qrels)
    asked = check_judged(queries, judgements)
    k = _cutoff(measure, judgements)
    judge = Judge([measure], judgements, k)
    check_seed(seed)
    if check_count(folds, "folds") < 2 or len(asked) < folds:
        raise InvalidInputError(
            f"folds must be from 2 to {len(asked)}, the number of judged queries, not {folds}"
        )
    if space is not None and not isinstance(space, Space):
        raise InvalidInputError(f"space must be a Space(depth=[50, 100]), not {space!r}")
    tried = (Space() if space is None else space).within(subject.possible, subject.reason)
    tested = None if test is None else _checked_test(test, asked)
    if subject.is_empty:
        raise InvalidInputError("the index is empty: add its passages before tuning it")

    bench = Bench(subject, asked, judge, k)
    chosen, looked_at, values = held_out(bench, tried, folds, seed, progress)
    by_default = bench.values(subject.default)
    held = dict(zip(asked, values.tolist(), strict=True))
    default_held = dict(zip(asked, by_default.tolist(), strict=True))
    [comparison] = compare(
        {"default": {measure: default_held}, "chosen": {measure: held}},
        "default",
        [measure],
        correction=None,
        seed=seed,
    )
    scores = dict.fromkeys(("default", "chosen"))
    if tested is not None:
        both = {"default": subject.built(subject.default), "chosen": subject.built(chosen)}
        evaluation = evaluate(both, *tested, [measure], k=k, batch_size=_BATCH, progress=progress)
        scores = {name: evaluation.mean(name, measure) for name in both}
    tuning = Tuning(
        measure=measure,
        k=k,
        folds=folds,
        default=subject.default,
        chosen=chosen,
        trials=[Trial(setting, float(each.mean())) for setting, each in looked_at.items()],
        held_out=held,
        default_held_out=default_held,
        interval=comparison.interval,
        p=comparison.p,
        test_score=scores["chosen"],
        default_test_score=scores["default"],
        subject=subject,
    )
    if tuning.within_noise:
        logger.warning("%s", tuning.verdict)
    return tuning


def _cutoff(measure: str, judgements: Qrels) -> int:
    if not isinstance(measure, str):
        raise InvalidInputError(f"measure must be one measure, as 'nDCG@10', not {measure!r}")
    cutoff = Judge([measure], judgements).cutoff
    return _WITHOUT_CUTOFF if cutoff is None else cutoff


def _checked_test(test: Collection | _Judged, asked: Mapping[str, str]) -> _Judged:
    """The queries and judgements to test with."""
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
    seen = set(asked.values())
    if shared := [query for query, text in judged.items() if text in seen]:
        logger.warning(
            "%d of %d test queries are tuned on as well (the first: %r): their values are too good",
            len(shared),
            len(judged),
            shared[0],
        )
    return judged, judgements
