"""The function `calibrate_floor`: a stage's minimum, from questions with and without an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..arguments import check_k, check_queries, check_share
from ..errors import InvalidInputError, needs_extra
from ..evaluation.collection import Qrels, check_judged, check_qrels
from ..evaluation.significance import SIGNIFICANT
from ..iteration import chunked
from ..passages import Hit
from ..query_syntax import plain_texts
from ..report import Renderable, Section, Table
from ..results import FlooredRetriever

__all__ = ["FloorCalibration", "FloorPoint", "calibrate_floor"]

_BATCH = 64  # queries a search


@dataclass(frozen=True, slots=True)
class FloorPoint:
    """What a minimum does.

    Args:
        minimum: of the stage's score.
        nothing: the share of the questions without an answer that find nothing.
        lost: the share of the answered questions that lose their answers.
    """

    minimum: float
    nothing: float
    lost: float


@dataclass(frozen=True, slots=True, repr=False)
class FloorCalibration(Renderable):
    """The result of `calibrate_floor`; printed, a summary with a verdict.

    Args:
        retriever: without the floor.
        stage: the stage that has the minimum.
        of: what is held to it, each ``"hit"`` or the ``"list"``.
        chosen: the minimum and what it does; None where none is worth its price.
        points: of every minimum, upwards: from the first, that drops nothing, the ROC curve.
        answered: how many questions are answered without a floor.
        unanswerable: how many questions have no answer.
        auc: how often a question's best answer scores higher than the best hit of a question
            without one: 1 if a minimum parts them all, 0.5 if none parts any.
        p: how often an area as large comes about by chance (Mann–Whitney test).
    """

    retriever: Any = field(compare=False)
    stage: str
    of: Literal["hit", "list"]
    chosen: FloorPoint | None
    points: Sequence[FloorPoint]
    answered: int
    unanswerable: int
    auc: float
    p: float

    @property
    def floor(self) -> dict[str, float]:
        """The floor for `FlooredRetriever`.

        Raises:
            InvalidInputError: no minimum is worth its price.
        """
        if self.chosen is None:
            raise InvalidInputError(self.verdict)
        return {self.stage: self.chosen.minimum}

    @property
    def verdict(self) -> str:
        """What the minimum does, or why there is none, in a sentence."""
        if self.chosen is None:
            return (
                f"by the scores of {self.stage!r}, questions with and without an answer cannot be "
                f"told apart (area under the curve {self.auc:.3f}, p = {self.p:.2g}): set no floor "
                "on it, and try another stage, like a cross-encoder"
            )
        return (
            f"with a minimum of {self.chosen.minimum:.4g} on {self.stage!r}, "
            f"{100 * self.chosen.nothing:.1f} % of {self.unanswerable} questions without an answer "
            f"find nothing, and {100 * self.chosen.lost:.1f} % of {self.answered} answered ones "
            "lose their answers"
        )

    def apply(self) -> FlooredRetriever:
        """Return the retriever with the floor.

        Raises:
            InvalidInputError: no minimum is worth its price.
        """
        return FlooredRetriever(self.retriever, self.floor, of=self.of)

    def __repr__(self) -> str:
        return f"FloorCalibration({self.stage!r}, {self.chosen})"

    def _report(self) -> Section:
        shown = [
            next(point for point in self.points[::-1] if point.lost <= most) for most in _SHOWN
        ]
        rows = [
            [f"{point.minimum:.4g}", f"{100 * point.nothing:.1f} %", f"{100 * point.lost:.1f} %"]
            for point in dict.fromkeys(shown)
        ]
        sentence = self.verdict[0].upper() + self.verdict[1:] + "."
        table = Table(["minimum", "nothing found", "answers lost"], rows)
        return Section(body=[sentence, table, f"Area under the curve {self.auc:.3f}"])


_SHOWN = (0.0, 0.01, 0.02, 0.03, 0.05, 0.1)  # of a report, the most answers lost


def calibrate_floor(
    retriever: Any,
    stage: str,
    queries: Mapping[str, str],
    qrels: Qrels,
    unanswerable: Sequence[str],
    *,
    of: Literal["hit", "list"] = "hit",
    k: int = 10,
    max_loss: float = 0.03,
) -> FloorCalibration:
    """Find the minimum of a stage's score below which a hit is no answer.

    A question is answered if one of its first `k` hits is relevant, and loses its answers if these
    all score below the minimum; or all of its hits, with ``of="list"``. A question without an
    answer finds nothing if all of its hits do. Of the minima that lose at most `max_loss`, chosen
    is the one with the greatest difference of the share that finds nothing and the share that is
    lost: W. J. Youden, *Index for Rating Diagnostic Tests*, Cancer 3, 1950. It lies half-way
    between two scores.

    Measure it on other questions, by `hybridge.evaluation.no_answer`: on those it was chosen by, it
    looks better than it is.

    Args:
        retriever: what is searched, as for `FlooredRetriever`.
        stage: the stage to set a minimum on, such as ``"dense"`` or ``"cross-encoder"``.
        queries: query id → question; better 100 than 20. Those without judgements are left out.
        qrels: query id → passage id → relevance, a whole number from 0.
        unanswerable: questions that no passage answers, as many; of another field, or about what
            the passages lack, which is the harder test.
        of: what is held to the minimum, each ``"hit"`` or the ``"list"``, as for
            `FlooredRetriever`.
        k: passages a search returns.
        max_loss: the share of answered questions that may lose their answers at most.

    Raises:
        InvalidInputError: an argument is not valid, no floor can be set on the stage, or none of
            the questions is answered.
        MissingExtraError: the extra `evaluation` is not installed.

    >>> from hybridge import CallableEncoder, HybridIndex, Passage
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count(letter) for letter in "abcd"] for text in texts],
    ...     dimension=4, identity="letters",
    ... )
    >>> with HybridIndex.create(encoder=letters) as index:
    ...     index.add([Passage("p1", "aa ba"), Passage("p2", "bb ab")])
    ...     queries = {str(n): text for n, text in enumerate(["aa", "bb", "aab", "abb"] * 2)}
    ...     qrels = {query: {"p1": 1, "p2": 1} for query in queries}
    ...     calibration = calibrate_floor(index, "dense", queries, qrels, ["cc", "cb", "ad"])
    2
    >>> print(calibration.verdict)
    with a minimum of 0.8098 on 'dense', 100.0 % of 3 questions without an answer find nothing, ...
    """
    scale = FlooredRetriever(retriever, {stage: 0.0}, of=of)
    judgements = check_qrels(qrels)
    judged = check_judged(queries, judgements)
    off_topic = check_queries(unanswerable)
    check_k(k)
    check_share(max_loss, "max_loss")
    if not off_topic:
        raise InvalidInputError("there is no question without an answer: give some off the topic")
    answers = []
    for query, hits in zip(judged, _scored(scale, stage, list(judged.values()), k), strict=True):
        relevant = [score for id_, score in hits if judgements[query].get(id_, 0) > 0]
        if relevant:
            answers.append(max(relevant if of == "hit" else (score for _, score in hits)))
    if not answers:
        raise InvalidInputError(
            f"none of {len(judged)} questions is answered by its first {k} hits: there is no score "
            "of an answer to set a minimum by"
        )
    best = [
        max((score for _, score in hits), default=-np.inf)
        for hits in _scored(scale, stage, off_topic, k)
    ]
    points = _points(np.array(answers), np.array(best))
    auc, p = _separation(answers, best)
    worth = [point for point in points if point.lost <= max_loss and point.nothing > point.lost]
    chosen = None
    if worth and p <= SIGNIFICANT:
        chosen = max(worth, key=lambda point: (point.nothing - point.lost, -point.minimum))
    return FloorCalibration(
        retriever, stage, of, chosen, points, len(answers), len(off_topic), auc, p
    )


def _scored(
    scale: FlooredRetriever, stage: str, queries: Sequence[str], k: int
) -> list[list[tuple[str, float]]]:
    """Return the ids of each query's hits with the stage's scores, where it can score them."""
    found: list[list[tuple[str, float]]] = []
    for batch in chunked(queries, _BATCH):
        lists: list[list[Hit]] = [hits[:k] for hits in scale.retriever.search(batch, k)]
        plain = plain_texts(batch) if scale.query_syntax else batch
        for hits, scores in zip(lists, scale.scores(plain, lists), strict=True):
            found.append(
                [
                    (hit.passage.id, some[stage])
                    for hit, some in zip(hits, scores, strict=True)
                    if stage in some
                ]
            )
    return found


def _points(answers: Any, best: Any) -> list[FloorPoint]:
    """Return what each minimum between two neighbouring scores does, upwards."""
    values = np.unique(np.concatenate([answers, best]))
    values = values[np.isfinite(values)]
    # Below the first by as little as can be: a minimum that drops nothing.
    minima = [float(values[0]), *((values[:-1] + values[1:]) / 2).tolist()]
    return [
        FloorPoint(minimum, float((best < minimum).mean()), float((answers < minimum).mean()))
        for minimum in minima
    ]


def _separation(answers: Sequence[float], best: Sequence[float]) -> tuple[float, float]:
    """Return the area under the ROC curve, and the one-sided p-value of one above a half."""
    with needs_extra("evaluation"):
        from scipy.stats import mannwhitneyu  # type: ignore[import-untyped]
    # Nothing found is below all scores, whatever they are.
    test = mannwhitneyu(answers, best, alternative="greater")
    return float(test.statistic) / (len(answers) * len(best)), float(test.pvalue)
