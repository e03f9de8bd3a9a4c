"""Reranking by late interaction: MaxSim over the token vectors of query and candidates."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from ..encoders.backends import Backend
from ..encoders.caching import query_cache
from ..encoders.loading import Dtype
from ..errors import InvalidInputError
from ..iteration import chunked
from ..reranking import TextReranker
from ..search_text import SearchTextLike
from .engines import build_engine
from .max_sim import max_sim, per_token
from .multi_vector import MultiVectorTokenEncoder

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder, SentenceTransformer

    from ..encoders import SentenceTransformerEncoder
    from .tokens import TokenEncoder

__all__ = ["ColBERTReranker"]

# A passage's vectors take some 300 kB, and a call may bring thousands of passages.
_PASSAGES_AT_A_TIME = 256


class ColBERTReranker(TextReranker):
    """A reranker by late interaction between the query's tokens and the candidates'.

    Args:
        model: for the engine ``"sentence-transformers"``, a token encoder or a model of
            `MultiVectorTokenEncoder`: a ColBERT checkpoint, or any bi-encoder, which runs
            training-free; None for ``sentence-transformers/all-MiniLM-L6-v2``. For
            ``"ragatouille"``, a ColBERT checkpoint in Stanford's format, by name or folder.
        engine: one of `hybridge.colbert.ENGINES`. On one checkpoint with the same limits they agree
            to three decimals.
        name: the stage's name in traces.
        query_length: tokens of a query that are read; None for all that the model can read.
        passage_length: tokens of a passage that are read; None for the model's own limit.
        batch_size: texts that the model reads at a time; None for the engine's default.
        device: torch's name of a device; None takes the best there is.
        dtype: precision of the arithmetic, see `MultiVectorTokenEncoder`; None for the engine's
            default, ``"float32"``.
        backend: what runs the model of the engine ``"sentence-transformers"``, see
            `MultiVectorTokenEncoder`; None for the engine's default.
        threshold: drop candidates that score below; None keeps all of them.
        search_text: what it reads of a passage, see `hybridge.search_text`; None for the text
            alone.

    Attributes:
        encoder: the engine's token encoder.

    Raises:
        InvalidInputError: there is no such engine, an argument is not valid, or the engine or the
            object does not take it.
        MissingExtraError: the engine is not installed.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> from hybridge import Hit, Passage
    >>> hits = [Hit(Passage("1", "Bread needs yeast."), 2), Hit(Passage("2", "Blood clots."), 1)]
    >>> reranker = ColBERTReranker()
    >>> [hit.passage.id for hit in reranker.rerank(["why does blood clot?"], [hits])[0]]
    ['2', '1']
    """

    def __init__(
        self,
        model: TokenEncoder
        | MultiVectorEncoder
        | SentenceTransformer
        | SentenceTransformerEncoder
        | str
        | Path
        | None = None,
        *,
        engine: Literal["sentence-transformers", "ragatouille"] = "sentence-transformers",
        name: str = "colbert",
        query_length: int | None = None,
        passage_length: int | None = None,
        batch_size: int | None = None,
        device: str | None = None,
        dtype: Dtype | None = None,
        backend: Backend | None = None,
        threshold: float | None = None,
        search_text: SearchTextLike = None,
    ) -> None:
        super().__init__(name, threshold, search_text)
        settings: dict[str, object] = {
            "query_length": query_length,
            "passage_length": passage_length,
            "batch_size": batch_size,
            "device": device,
            "dtype": dtype,
            "backend": backend,
        }
        settings = {setting: value for setting, value in settings.items() if value is not None}
        self.encoder = build_engine(engine, model, **settings)

    def with_model(self, folder: str | Path) -> Self:
        """Return a reranker with these settings for another model, a fine-tune say.

        Args:
            folder: of the saved model.

        Raises:
            InvalidInputError: the engine is not ``"sentence-transformers"``.
            ModelNotFoundError: there is no model.
        """
        if not isinstance(self.encoder, MultiVectorTokenEncoder):
            raise InvalidInputError(
                f"{type(self.encoder).__name__} takes no other model: make a ColBERTReranker of it"
            )
        other = copy.copy(self)
        other.encoder = self.encoder.with_model(folder)
        return other

    def comparable_scores(
        self, queries: Sequence[str], scores: Sequence[Sequence[float]]
    ) -> list[list[float]]:
        """Return each query's scores per token of it, a scale that is the same for all queries."""
        return per_token(query_cache.encode(self.encoder, queries), scores)

    def _score(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]]
    ) -> Sequence[Sequence[float]]:
        rows: dict[str, set[int]] = defaultdict(set)
        for row, candidates in enumerate(texts):
            for text in candidates:
                rows[text].add(row)
        encoded = query_cache.encode(self.encoder, queries)
        scores: dict[tuple[int, str], float] = {}
        # Each text once, whatever the number of its queries, and neighbours in length together.
        for chunk in chunked(sorted(rows, key=len, reverse=True), _PASSAGES_AT_A_TIME):
            for text, passage in zip(chunk, self.encoder.encode_passages(chunk), strict=True):
                for row in rows[text]:
                    (scores[row, text],) = max_sim(encoded[row], [passage])
        return [[scores[row, text] for text in candidates] for row, candidates in enumerate(texts)]
