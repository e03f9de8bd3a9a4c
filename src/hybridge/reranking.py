"""What rerankers share: candidates in, the same hits out in a new order, one more trace entry."""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Real

from .arguments import check_aligned, check_count, check_queries
from .errors import InvalidInputError
from .fusion import ConvexCombination
from .passages import Hit, StageScore
from .search_text import TEXT_ALONE, SearchText, SearchTextLike

__all__ = [
    "TextReranker",
    "blend_stage",
    "blended",
    "check_candidates",
    "reordered",
]

_BLENDING = ConvexCombination()


class TextReranker(ABC):
    """A reranker whose score depends on nothing but a query and a text.

    A subclass scores texts; this class does the rest, alike for all of them. What no model can
    score is defined here: every candidate of a blank query gets 0.0, and a blank passage gets the
    lowest score of its list.

    Args:
        name: the stage's name in traces.
        threshold: drop candidates that score below; None keeps all of them.
        search_text: what it reads of a passage, see `hybridge.search_text`; None for the text
            alone.

    Attributes:
        reads_texts: True: any ids will do for the passages, since it reads their texts alone.

    >>> class Longest(TextReranker):
    ...     def _score(self, queries, texts):
    ...         return [[float(len(text)) for text in some] for some in texts]
    >>> from hybridge import Passage
    >>> hits = [Hit(Passage("a", "short"), 2.0), Hit(Passage("b", "much longer"), 1.0)]
    >>> [[hit.passage.id for hit in list_] for list_ in Longest("length").rerank(["?"], [hits])]
    [['b', 'a']]
    """

    search_text: SearchText = TEXT_ALONE
    reads_texts = True

    def __init__(
        self, name: str, threshold: float | None = None, search_text: SearchTextLike = None
    ) -> None:
        if not isinstance(name, str) or not name:
            raise InvalidInputError(f"name must be a non-empty string, not {name!r}")
        if threshold is not None and (
            not isinstance(threshold, Real)
            or isinstance(threshold, bool)
            or not math.isfinite(threshold)
        ):
            raise InvalidInputError(f"threshold must be a finite number or None, not {threshold!r}")
        self.name = name
        self.threshold = threshold
        self.search_text = SearchText.of(search_text)

    @abstractmethod
    def _score(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]]
    ) -> Sequence[Sequence[float]]:
        """Return the finite score of each of `texts[i]` for `queries[i]`; none of them is blank."""

    def score_texts(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Return the score of each of `texts[i]` for `queries[i]`, in their order.

        Args:
            queries: questions.
            texts: one list of texts a question.

        Raises:
            InvalidInputError: not one list a query, or something that is no string.
        """
        listed = check_queries(queries)
        checked = [_check_texts(row) for row in texts]
        check_aligned(listed, checked, "texts")
        return self._with_blanks(listed, checked)

    def rerank(
        self,
        queries: Sequence[str],
        candidates: Sequence[Sequence[Hit]],
        k: int | None = None,
    ) -> list[list[Hit]]:
        """Return each query's candidates in the order of this reranker's scores, ties by id.

        Args:
            queries: questions.
            candidates: one list of hits a question, in any order.
            k: how many to return at most; None for all.

        Raises:
            InvalidInputError: not one list a query, or something in it that is no hit.
        """
        listed, hits = check_candidates(queries, candidates, k)
        read = self.search_text.read
        texts = [[read(hit.passage) for hit in row] for row in hits]
        scores = self._with_blanks(listed, texts)
        return [
            reordered(self.name, row, row_scores, k, self.threshold)
            for row, row_scores in zip(hits, scores, strict=True)
        ]

    async def arerank(
        self,
        queries: Sequence[str],
        candidates: Sequence[Sequence[Hit]],
        k: int | None = None,
    ) -> list[list[Hit]]:
        """`rerank` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.rerank, queries, candidates, k)

    def _with_blanks(self, queries: list[str], texts: list[list[str]]) -> list[list[float]]:
        """Return the scores of all the texts; the model sees those that are not blank."""
        readable = [
            [text for text in row if text.strip()] if query.strip() else []
            for query, row in zip(queries, texts, strict=True)
        ]
        rows = [i for i, row in enumerate(readable) if row]
        scores: list[Sequence[float]] = [()] * len(queries)
        if rows:
            answers = self._score([queries[i] for i in rows], [readable[i] for i in rows])
            for i, answer in zip(rows, answers, strict=True):
                scores[i] = answer
        filled = []
        for query, row, row_scores in zip(queries, texts, scores, strict=True):
            lowest = float(min(row_scores, default=0.0))
            left = iter(row_scores)
            filled.append(
                [float(next(left)) if query.strip() and text.strip() else lowest for text in row]
            )
        return filled


def check_candidates(
    queries: Sequence[str], candidates: Sequence[Sequence[Hit]], k: int | None
) -> tuple[list[str], list[list[Hit]]]:
    """Validate the arguments of `rerank` and return queries and candidates as lists.

    Raises:
        InvalidInputError: a bad `k`, not one list a query, or something in it that is no hit.

    >>> check_candidates(("why?",), ([],), k=10)
    (['why?'], [[]])
    """
    if k is not None:
        check_count(k, "k")
    listed = check_queries(queries)
    rows = [list(hits) for hits in candidates]
    check_aligned(listed, rows, "candidates")
    for row in rows:
        for hit in row:
            if not isinstance(hit, Hit):
                raise InvalidInputError(
                    f"candidates must be lists of hits, not of {type(hit).__name__}: "
                    "write Hit(passage, score=0.0) for a passage that no stage has scored"
                )
    return listed, rows


def reordered(
    stage: str,
    hits: Sequence[Hit],
    scores: Sequence[float],
    k: int | None = None,
    threshold: float | None = None,
    note: str | None = None,
) -> list[Hit]:
    """Return the hits by new scores, best first, ties by id, each with one more trace entry.

    Args:
        stage: the name of the stage that gave the scores.
        hits: in any order.
        scores: one a hit.
        k: how many to keep at most; None for all.
        threshold: drop what scores below; None drops nothing.
        note: of the stage, for the trace.

    >>> from hybridge import Passage
    >>> hits = [Hit(Passage("a", "x"), 9.0), Hit(Passage("b", "y"), 8.0)]
    >>> [(hit.passage.id, hit.trace) for hit in reordered("judge", hits, [0.1, 0.7], k=1)]
    [('b', (StageScore(stage='judge', rank=1, score=0.7),))]
    """
    ranked = sorted(
        zip(map(float, scores), hits, strict=True), key=lambda pair: (-pair[0], pair[1].passage.id)
    )
    return [
        Hit(hit.passage, score, (*hit.trace, StageScore(stage, rank, score, note=note)))
        for rank, (score, hit) in enumerate(ranked[:k], start=1)
        if threshold is None or score >= threshold
    ]


def blended(
    candidates: Sequence[Hit], reranked: Sequence[Hit], blend: float, k: int | None = None
) -> list[Hit]:
    r"""Return a reranker's hits, sorted by its scores and its candidates' scores together.

    .. math:: f(d) = b\, z(s_{\text{reranker}}(d)) + (1 - b)\, z(s_{\text{candidate}}(d))

    with each side in standard deviations from its mean over the candidates that the reranker
    kept. Interpolating a reranker's score with its first stage's is discussed in
    J. Lin, R. Nogueira and A. Yates, *Pretrained Transformers for Text Ranking: BERT and Beyond*,
    2021, arXiv 2010.06467.

    Args:
        candidates: the reranker's input.
        reranked: its output; the last trace entry names the reranker.
        blend: the reranker's share :math:`b`, from 0 to 1.
        k: how many to return at most; None for all.

    >>> from hybridge import Passage
    >>> a, b = Passage("a", "x"), Passage("b", "y")
    >>> candidates = [Hit(a, 9.0), Hit(b, 8.0)]
    >>> reranked = reordered("judge", candidates, [0.1, 0.7])
    >>> [(hit.passage.id, hit.score) for hit in blended(candidates, reranked, 0.25)]
    [('a', 0.5), ('b', -0.5)]
    """
    if not reranked:
        return []
    before = {hit.passage.id: hit.score for hit in candidates}
    after = {hit.passage.id: hit.score for hit in reranked}
    previous = {id_: before[id_] for id_ in after}
    scores = _BLENDING.fuse([after, previous], [blend, 1 - blend])
    name = reranked[0].trace[-1].stage if reranked[0].trace else "reranker"
    return reordered(blend_stage(name), reranked, [scores[h.passage.id] for h in reranked], k)


def blend_stage(stage: str) -> str:
    """Return the name of a blend with this stage in traces.

    >>> blend_stage("cross-encoder")
    'cross-encoder:blend'
    """
    return f"{stage}:blend"


def _check_texts(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise InvalidInputError("texts must be a list of strings a query, not one string")
    listed = list(texts)
    for text in listed:
        if not isinstance(text, str):
            raise InvalidInputError(f"texts must be strings, not {type(text).__name__}")
    return listed
