"""Named rerankers, each with three faces: document compressor, cross-encoder and Runnable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from langchain_core.cross_encoders import BaseCrossEncoder

from hybridge.colbert import ColBERTReranker as CoreColBERTReranker
from hybridge.cross_encoder import CrossEncoderReranker as CoreCrossEncoderReranker
from hybridge.errors import InvalidInputError
from hybridge.reranking import TextReranker

from .reranker import HybridgeReranker

__all__ = ["ColBERTReranker", "CrossEncoderReranker"]


class _TextReranker(HybridgeReranker, BaseCrossEncoder):
    """A reranker that reads texts, and so can score pairs as well."""

    _core: ClassVar[Callable[..., TextReranker]]

    def __init__(
        self,
        model: Any = None,
        *,
        top_n: int | None = 3,
        include_scores: bool = True,
        include_trace: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(
            reranker=type(self)._core(model, **options),
            top_n=top_n,
            include_scores=include_scores,
            include_trace=include_trace,
        )

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        """The score of each pair of a query and a text, in their order; higher is better.

        Raises:
            HybridgeError: something that is no pair of strings.
        """
        places: dict[str, list[int]] = {}
        for at, pair in enumerate(text_pairs):
            if not _is_pair(pair):
                raise InvalidInputError(
                    f"text_pairs must be (query, text) pairs of strings, not {pair!r}"
                )
            places.setdefault(pair[0], []).append(at)
        texts = [[text_pairs[at][1] for at in some] for some in places.values()]
        scores = [0.0] * len(text_pairs)
        for some, row in zip(
            places.values(), self.reranker.score_texts(list(places), texts), strict=True
        ):
            for at, value in zip(some, row, strict=True):
                scores[at] = value
        return scores


class CrossEncoderReranker(_TextReranker):
    """A cross-encoder of sentence-transformers, which reads each document with the query.

    Args:
        model: a name, a folder, a `CrossEncoder`, or None for
            ``cross-encoder/ms-marco-MiniLM-L6-v2``; found now, loaded at the first use.
        top_n: documents to return at most; None for all.
        include_scores: put the score into the metadata, as ``relevance_score``.
        include_trace: put rank and score there too, under ``hybridge``.
        options: those of `hybridge.cross_encoder.CrossEncoderReranker`, like ``sigmoid``,
            ``threshold``, ``window``, ``max_length``, ``batch_size``, ``device``.

    Raises:
        TypeError: an option that there is not.
        InvalidInputError: a value that is not valid.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.
    """

    _core = CoreCrossEncoderReranker


class ColBERTReranker(_TextReranker):
    """Late interaction: each token of the query finds its best match in the document (MaxSim).

    Args:
        model: a ColBERT checkpoint, or any bi-encoder, which runs training-free; None for
            Hybridge's default bi-encoder, which needs no hub.
        top_n: documents to return at most; None for all.
        include_scores: put the score into the metadata, as ``relevance_score``.
        include_trace: put rank and score there too, under ``hybridge``.
        options: those of `hybridge.colbert.ColBERTReranker`, like ``engine``, ``query_length``,
            ``passage_length``, ``threshold``, ``device``.

    Raises:
        TypeError: an option that there is not.
        InvalidInputError: a value that is not valid.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> from langchain_core.documents import Document
    >>> reranker = ColBERTReranker(top_n=1)
    >>> documents = [Document("Bread needs yeast."), Document("Blood clots.")]
    >>> [best] = reranker.compress_documents(documents, "why does blood clot?")
    >>> best.page_content, best.metadata["relevance_score"] > 0.5
    ('Blood clots.', True)
    """

    _core = CoreColBERTReranker


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all(isinstance(text, str) for text in value)
    )
