"""The function `adapt`: a model trained on one's own questions, and measured on unseen ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from ..arguments import check_share
from ..errors import InvalidInputError, needs_extra
from ..evaluation.collection import Collection, Qrels, check_qrels
from ..evaluation.measures import Judge
from ..index import HybridIndex
from ..passages import Passage
from ..protocols import Reranker
from ..tuning.procedure import checked_test
from .averaging import averaged
from .card import write_card
from .examples import Example
from .folder import working_in
from .mining import Mined, mine
from .questions import checked, divide, halved, judged_in, without
from .result import Adaptation
from .saved import load_training, save_training
from .settings import TrainingSettings
from .target import HeldOutQuestions, target_of
from .trainee import Trainee
from .training import Trained, Validate, check_record, train

__all__ = ["adapt"]

_SHARES = (0.5, 0.75)  # beside 0 and 1, which are validated in training
_DEPTH = 100  # of the lists that are measured
_POOL = 20  # candidates a question, for the validation


def adapt(
    index: HybridIndex,
    queries: Mapping[str, str],
    qrels: Qrels,
    folder: str | Path,
    *,
    model: Any = None,
    measure: str = "nDCG@10",
    settings: TrainingSettings | None = None,
    examples: Sequence[Example] | None = None,
    share: float | None = None,
    depth: int = 30,
    teacher: Reranker | None = None,
    margin: float | None = None,
    validation: float = 0.1,
    held_out: float = 0.2,
    test: Collection | tuple[Mapping[str, str], Qrels] | None = None,
    progress: bool | None = None,
) -> Adaptation:
    """Train a model on judged questions, and measure on others what that is worth.

    The questions are divided at random. On the largest part the model is trained, with hard
    negatives from the index's own search. On the validation part training is stopped, and the share
    of the trained weights in the adapted model is chosen. On the held-out part, which the training
    never sees, the answers before and after are compared; the weights of the fusion are tuned
    there, each fold by the others: after, and before where that is better than the index as it is,
    for what weights alone gain needs no training. If the gain is not more than chance, the advice
    is to keep the model. The index stays as it is until `Adaptation.apply`.

    An interrupted call goes on where it stopped, if it is repeated with the same arguments.

    Args:
        index: searched, for negatives and for the comparison; nothing is written to it.
        queries: query id → question.
        qrels: query id → passage id → grade; those of one question with a passage of the index.
        folder: of the adapted model, its checkpoints and its vectors.
        model: the name of a dense or a late-interaction stage of the index, or a reranker: a
            `CrossEncoderReranker`, or a `ColBERTReranker` of sentence-transformers. None for the
            only dense stage.
        measure: what is to be maximised, as for `hybridge.evaluation.evaluate`.
        settings: of the training; None trains for 30 minutes.
        examples: train on these instead; the questions are then for validation and comparison
            alone, in equal parts. Examples that ask one of them are left out.
        share: of the trained weights in the average with the parent's. 0.5 keeps most of what the
            model knows of other domains; None chooses by the validation.
        depth: hits a question among which negatives are mined.
        teacher: a reranker whose scores the objectives "margins" and "distillation" learn.
        margin: see `hybridge.adaptation.mining.mine`.
        validation: the share of questions to validate on.
        held_out: the share of questions to compare on.
        test: other questions and their judgements, searched once at the end.
        progress: show bars; None shows them on a terminal.

    Raises:
        InvalidInputError: an argument is not valid, the model cannot be trained, or fewer than ten
            questions have a relevant passage in the index. Raised before any training.
        MissingExtraError: the extra `adapt` is not installed.
        HybridgeError: the folder cannot be written to, has no room, or another call trains in it;
            or the weights became infinite.
    """
    with needs_extra("adapt"):
        import accelerate  # noqa: F401
        import datasets  # noqa: F401
    if not isinstance(index, HybridIndex):
        raise InvalidInputError(f"index must be a HybridIndex, not {type(index).__name__}")
    if share is not None:
        check_share(share, "share")
    Judge([measure], {}, _DEPTH)
    target = target_of(index, model)
    trainee = target.trainee
    settings = replace(trainee.defaults, minutes=30) if settings is None else settings
    location = Path(folder).expanduser().resolve()
    passages = _judged_passages(index, qrels)
    questions, judgements = judged_in(passages, queries, qrels)
    if examples is None:
        parts = divide(questions, validation, held_out, settings.seed)
    else:
        parts = halved(questions, settings.seed)
    held, held_qrels = checked(
        {each: questions[each] for each in parts.held_out},
        {each: judgements[each] for each in parts.held_out},
        "held-out",
    )
    tested = None if test is None else checked(*checked_test(test, questions), "test")
    if examples is not None:
        others = {} if tested is None else tested[0]
        examples = without(examples, [*questions.values(), *others.values()])

    def mined(query_ids: Sequence[str], teacher: Reranker | None = None) -> list[Mined]:
        return mine(
            index,
            {query_id: questions[query_id] for query_id in query_ids},
            {query_id: judgements[query_id] for query_id in query_ids},
            passages,
            depth=depth,
            teacher=teacher,
            margin=None if teacher is None else margin,
            text_of=target.search_text,
            progress=progress,
        )

    objective = trainee.objective(settings)
    if objective in ("margins", "distillation") and teacher is None and examples is None:
        raise InvalidInputError(
            f"objective {objective!r} learns a teacher's scores: give teacher= as well, or "
            "examples with labels"
        )
    if margin is not None and teacher is None:
        raise InvalidInputError("a margin is between a teacher's scores: give teacher= as well")
    learned = mined(parts.training, teacher) if parts.training else []
    rounds = _rounds(learned, trainee, settings) if examples is None else [examples]
    validated = _Validation(trainee, mined(parts.validation), measure)
    origin = {"validation": validated.digest, "share": share}
    check_record(location, trainee, rounds, settings, origin)
    with working_in(location):
        saved = load_training(location)
        if saved is None:
            relevant: dict[str, frozenset[str]] = {}
            for each in learned:  # several questions may have one text
                known = relevant.get(each.query, frozenset())
                relevant[each.query] = known | each.relevant.keys()
            trained = train(
                trainee,
                rounds,
                settings,
                location,
                validate=validated.score,
                relevant=relevant if examples is None else None,
                origin=origin,
                progress=progress,
            )
            chosen, scores = _best_share(trainee, trained, share, validated.score)
            save_training(location, trained, chosen, scores)
            saved = load_training(location)
            assert saved is not None
        learnt = (judgements[each] for each in parts.training)
        trained_on = {id_ for grades in learnt for id_, grade in grades.items() if grade > 0}
        compared = target.compare(
            location,
            HeldOutQuestions(held, held_qrels, trained_on, measure, tested),
            changed=saved.share > 0,
            progress=progress,
        )
        adaptation = Adaptation(
            kind=trainee.kind,
            parent=trainee.parent,
            folder=location,
            stage=target.stage,
            measure=measure,
            settings=settings,
            training=saved,
            questions={
                "training": len(parts.training),
                "validation": len(parts.validation),
                "held out": len(held),
            },
            compared=compared.rows,
            setting=compared.setting,
            model=compared.model,
            test=compared.test,
            beside=compared.beside,
        )
        write_card(adaptation)
    return adaptation


def _judged_passages(index: HybridIndex, qrels: Qrels) -> dict[str, Passage]:
    """Return the passages with judgements that an index has, by id."""
    ids = sorted({id_ for grades in check_qrels(qrels).values() for id_ in grades})
    found = index.get(ids)
    return {id_: passage for id_, passage in zip(ids, found, strict=True) if passage is not None}


def _rounds(
    mined: Sequence[Mined], trainee: Trainee, settings: TrainingSettings
) -> list[list[Example]]:
    """Return the examples of each epoch, with other negatives each time.

    Raises:
        InvalidInputError: there are no negatives, and the objective is nothing without them.
    """
    random = np.random.default_rng(settings.seed)
    objective = trainee.objective(settings)
    rounds = [
        [
            example
            for each in mined
            for example in each.examples(objective, settings.negatives, random)
        ]
        for _ in range(settings.epochs)
    ]
    if objective == "contrastive":  # one number of negatives for all, though few have none
        widths = [len(example.passages) for each in rounds for example in each]
        width = int(np.quantile(widths, 0.1, method="lower"))
        rounds = [[each for each in examples if len(each.passages) >= width] for examples in rounds]
    elif objective != "regression":
        rounds = [[each for each in examples if len(each.passages) > 1] for examples in rounds]
    if not rounds[0]:
        raise InvalidInputError(
            f"objective {objective!r} needs passages that are not relevant, and a search finds "
            "none for these questions: add passages to the index, or raise depth"
        )
    return rounds


class _Validation:
    """The questions that a model is validated on, by its ranking of their candidates.

    A model that encodes passages alone ranks the candidates of all questions for each.

    Args:
        trainee: the model.
        mined: the questions.
        measure: of the rankings.

    Attributes:
        digest: of the questions, candidates, judgements and measure.
    """

    def __init__(self, trainee: Trainee, mined: Sequence[Mined], measure: str) -> None:
        self._trainee, self._measure = trainee, measure
        self._queries = [each.query for each in mined]
        # By their texts, so that equal scores, as of a model that tells nothing apart, favour none.
        own = [sorted({*each.relevant, *each.negatives[:_POOL]}) for each in mined]
        pool = sorted(set(chain.from_iterable(own)))
        self._candidates = [pool] * len(own) if trainee.shares_passages else own
        self._numbers = {text: str(i) for i, text in enumerate(pool)}
        qrels = {
            str(i): {self._numbers[text]: grade for text, grade in each.relevant.items()}
            for i, each in enumerate(mined)
        }
        self._judge = Judge([measure], qrels)
        self._check(own, qrels)
        described = json.dumps([measure, self._queries, own, qrels]).encode()
        self.digest = hashlib.blake2b(described, digest_size=16).hexdigest()

    def _check(self, own: Sequence[Sequence[str]], qrels: Qrels) -> None:
        """Raise if the best order of the candidates is worth no more than the worst one."""
        worst = {}
        for query, texts in zip(qrels, self._candidates, strict=True):
            numbers = [self._numbers[text] for text in texts]
            worst[query] = sorted(numbers, key=lambda each: qrels[query].get(each, 0))
        best = {query: order[::-1] for query, order in worst.items()}
        of_best, of_worst = (
            fmean(self._judge(each)[self._measure].values()) for each in (best, worst)
        )
        if of_best <= of_worst:
            raise InvalidInputError(
                f"measure {self._measure!r} does not depend on the order of the validation "
                f"questions' candidates, {max(map(len, own))} a question at most: give one with a "
                "smaller cutoff, such as 'nDCG@10'"
            )

    def score(self, model: Any) -> float:
        """Return the mean of the measure."""
        found = self._trainee.scores(model, self._queries, self._candidates)
        ranked = {
            str(i): [self._numbers[texts[j]] for j in np.argsort(-np.array(scores), kind="stable")]
            for i, (texts, scores) in enumerate(zip(self._candidates, found, strict=True))
        }
        return fmean(self._judge(ranked)[self._measure].values())


def _best_share(
    trainee: Trainee, trained: Trained, share: float | None, validate: Validate
) -> tuple[float, dict[float, float]]:
    """Set the model's weights to the best average; return the share, and the score of each share.

    Of equal ones the smallest is taken. A model that was best before training has share 0.
    """
    known = {point.step: point.score for point in trained.curve}
    if trained.best == 0:
        return 0.0, {0.0: known[0]}
    parent, weights = trainee.load().state_dict(), trained.model.state_dict()
    weights = {name: each.clone() for name, each in weights.items()}
    scores = {0.0: known[0], 1.0: known[trained.best]}
    for each in _SHARES if share is None else (share,):
        if each not in scores:
            trained.model.load_state_dict(averaged(parent, weights, each))
            scores[each] = validate(trained.model)
    chosen = max(scores, key=lambda each: (scores[each], -each)) if share is None else share
    trained.model.load_state_dict(averaged(parent, weights, chosen))
    return chosen, scores
