"""Training examples of judged questions, with hard negatives from the index's own search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..arguments import check_count, check_seed
from ..errors import InvalidInputError
from ..evaluation.collection import Qrels, check_judged, check_qrels
from ..iteration import chunked, progress_over
from ..passages import Hit, Passage
from ..protocols import Reranker, Retriever
from .examples import Example
from .settings import Objective

__all__ = ["Mined", "mine", "teacher_examples"]

_TextOf: TypeAlias = Callable[[Passage], str]

_BATCH = 32  # queries a search


@dataclass(frozen=True, slots=True)
class Mined:
    """The passages of one judged question that a model can learn from.

    Args:
        query: the question.
        relevant: text → grade, from 1.
        negatives: texts, the hardest first.
        scores: text → a teacher's score, if there is one.
    """

    query: str
    relevant: Mapping[str, int]
    negatives: Sequence[str]
    scores: Mapping[str, float]

    def examples(
        self, objective: Objective, negatives: int, random: np.random.Generator
    ) -> list[Example]:
        """Draw examples for an objective.

        Args:
            objective: the objective.
            negatives: how many an example has at most; the draw is uniform among the mined.
            random: of the draws.
        """
        if objective in ("contrastive", "triplet"):
            highest = max(self.relevant.values())
            return [
                Example(self.query, (text, *self._drawn(negatives, random)))
                for text, grade in self.relevant.items()
                # The best are read in each epoch, and others as often as their grade is as high.
                if grade == highest or random.random() < grade / highest
            ]
        if objective in ("margins", "distillation"):
            return [
                Example(self.query, texts, tuple(self.scores[each] for each in texts))
                for text in self.relevant
                if len(texts := (text, *self._drawn(negatives, random))) > 1
            ]
        drawn = self._drawn(negatives, random)
        texts = (*self.relevant, *drawn)
        labels = [float(grade) for grade in self.relevant.values()] + [0.0] * len(drawn)
        if objective in ("regression", "classification"):
            greatest = max(labels) if objective == "regression" else 1.0
            labels = [min(1.0, label / greatest) for label in labels]
        return [Example(self.query, texts, tuple(labels))]

    def _drawn(self, count: int, random: np.random.Generator) -> list[str]:
        return [self.negatives[i] for i in random.permutation(len(self.negatives))[:count]]


def mine(
    index: Retriever,
    queries: Mapping[str, str],
    qrels: Qrels,
    passages: Mapping[str, Passage],
    *,
    depth: int = 30,
    teacher: Reranker | None = None,
    margin: float | None = None,
    text_of: _TextOf = lambda passage: passage.text,
    progress: bool | None = None,
) -> list[Mined]:
    """Find the relevant passages and the hard negatives of judged questions.

    A hard negative is among the best `depth` of a search and not judged relevant. Passages judged
    with 0 come first: someone looked at them. A passage whose text is that of a relevant one is
    none. Unjudged passages may be relevant all the same; a teacher finds the most likely ones
    (G. de Souza P. Moreira et al., *NV-Retriever*, arXiv 2407.15831).

    Args:
        index: searched for negatives.
        queries: query id → question.
        qrels: query id → passage id → grade; a question without a relevant passage is left out.
        passages: passage id → passage, of all that are judged; others are left out.
        depth: hits a question.
        teacher: scores all of them, for the margin, and for objectives that learn its scores.
        margin: keep negatives alone that the teacher scores so much below the relevant passage it
            scores lowest; None keeps all.
        text_of: the text that the model reads of a passage.
        progress: show a bar; None shows it on a terminal.

    Raises:
        InvalidInputError: an argument is not valid, or a margin comes without a teacher.
    """
    check_count(depth, "depth")
    if margin is not None and teacher is None:
        raise InvalidInputError("a margin is between a teacher's scores: give teacher= as well")
    judgements = check_qrels(qrels)
    judged = check_judged(queries, judgements)
    mined: list[Mined] = []
    for batch in progress_over(list(chunked(judged.items(), _BATCH)), "Mining", "batch", progress):
        found = index.search([query for _, query in batch], k=depth)
        for (query_id, query), hits in zip(batch, found, strict=True):
            grades = judgements[query_id]
            known = {id_: passages[id_] for id_ in grades if id_ in passages}
            relevant = {text_of(known[id_]): grades[id_] for id_ in known if grades[id_] > 0}
            relevant = {text: grade for text, grade in relevant.items() if text.strip()}
            if not relevant:
                continue
            refused = [known[id_] for id_ in known if grades[id_] == 0]
            others = [*refused, *(hit.passage for hit in hits)]
            negatives = {text_of(each): each for each in others}
            negatives = {
                text: each
                for text, each in negatives.items()
                if text.strip() and text not in relevant
            }
            scores: dict[str, float] = {}
            if teacher is not None:
                answers = [known[id_] for id_ in known if grades[id_] > 0]
                scores = _scores(teacher, query, [*answers, *negatives.values()], text_of)
            hard = list(negatives)
            if margin is not None:
                lowest = min(scores[text] for text in relevant)
                hard = [text for text in hard if scores[text] <= lowest - margin]
            mined.append(Mined(query, relevant, hard, scores))
    return mined


def teacher_examples(
    index: Retriever,
    queries: Sequence[str],
    *,
    teacher: Reranker | None = None,
    passages: int = 8,
    depth: int = 30,
    seed: int = 0,
    text_of: _TextOf = lambda passage: passage.text,
    progress: bool | None = None,
) -> list[Example]:
    """Label the passages that a search finds with a teacher's scores, for "distillation".

    The questions need no judgements: the teacher is a reranker, or the search itself. The best hit
    is in each example, and the others are drawn over all ranks alike, so that easy and hard
    passages come as often as in a search of this depth: N. Thakur et al., *Augmented SBERT*, NAACL
    2021, arXiv 2010.08240, on why the sample matters.

    Args:
        index: searched; its scores are the labels where there is no teacher.
        queries: any questions.
        teacher: a reranker whose scores are the labels.
        passages: how many an example has.
        depth: hits a question.
        seed: of the draws.
        text_of: the text that the model reads of a passage.
        progress: show a bar; None shows it on a terminal.

    Returns:
        one example a question with enough hits.

    Raises:
        InvalidInputError: an argument is not valid.

    >>> from hybridge import BM25Retriever
    >>> bm25 = BM25Retriever([Passage("1", "green tea"), Passage("2", "green apples")])
    >>> [example] = teacher_examples(bm25, ["green tea"], passages=2)
    >>> example.passages, example.labels[0] > example.labels[1]
    (('green tea', 'green apples'), True)
    """
    check_seed(seed)
    if check_count(passages, "passages") < 2 or passages > check_count(depth, "depth"):
        raise InvalidInputError(f"passages must be from 2 to depth, {depth}, not {passages}")
    random = np.random.default_rng(seed)
    examples: list[Example] = []
    for batch in progress_over(list(chunked(queries, _BATCH)), "Labelling", "batch", progress):
        for query, hits in zip(batch, index.search(batch, k=depth), strict=True):
            worded = [hit for hit in hits if text_of(hit.passage).strip()]
            drawn = _sample(worded, passages, random)
            scores = {text_of(hit.passage): hit.score for hit in drawn}
            if teacher is not None:
                scores = _scores(teacher, query, [hit.passage for hit in drawn], text_of)
            if len(scores) == passages:
                examples.append(Example(query, tuple(scores), tuple(scores.values())))
    return examples


def _sample(hits: Sequence[Hit], count: int, random: np.random.Generator) -> list[Hit]:
    """Return the first hit and others at random, in their order."""
    if len(hits) <= count:
        return list(hits)
    others = random.choice(len(hits) - 1, count - 1, replace=False) + 1
    return [hits[i] for i in (0, *sorted(others.tolist()))]


def _scores(
    teacher: Reranker, query: str, passages: Sequence[Passage], text_of: _TextOf
) -> dict[str, float]:
    candidates = {passage.id: Hit(passage, 0.0) for passage in passages}
    [scored] = teacher.rerank([query], [list(candidates.values())])
    if len(scored) < len(candidates):
        raise InvalidInputError(
            f"the teacher drops {len(candidates) - len(scored)} of {len(candidates)} passages of "
            f"{query!r:.80}, and all need scores: give one without a threshold"
        )
    return {text_of(hit.passage): hit.score for hit in scored}
