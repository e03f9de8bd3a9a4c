"""A learned sparse stage: SPLADE and the like, compared by the store term by term."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..encoders.sparse import SparseEncoder, as_sparse_encoder, sparse_encoder_from_config
from ..passages import JSON
from ..search_text import SearchTextLike, chosen_search_text
from ..vectors.options import SparseVectors
from .record import StageRecord
from .stage import Stage, StageStorage, check_stage_name
from .vector import EncoderStage, OpenVectorStage, VectorSearch, described, nameless

if TYPE_CHECKING:
    from sentence_transformers import SparseEncoder as SentenceTransformerModel

__all__ = ["LearnedSparse", "LearnedSparseSearch"]


class LearnedSparse(EncoderStage[SparseEncoder]):
    """A learned sparse stage of an index: a score is the dot product of two sparse vectors.

    Args:
        encoder: a model's name or folder, a `SparseEncoder` of sentence-transformers, or one of
            `hybridge.encoders.sparse`, such as a `CallableSparseEncoder`.
        name: in traces and weights.
        search_text: what it searches of a passage, see `hybridge.search_text`; None for what its
            index searches.

    Raises:
        InvalidInputError: an argument is not valid.
        ModelNotFoundError: the model is neither on disk nor reachable.

    >>> from hybridge.encoders.sparse import CallableSparseEncoder
    >>> vowels = CallableSparseEncoder(
    ...     lambda texts: [{"aeiou".index(c): 1.0 for c in t if c in "aeiou"} for t in texts],
    ...     identity="vowels",
    ... )
    >>> LearnedSparse(vowels, name="vowels").encode_queries(["a cue"])[0].indices
    [0, 1, 4]

    Source: T. Formal, B. Piwowarski and S. Clinchant, *SPLADE: Sparse Lexical and Expansion Model
    for First Stage Ranking*, SIGIR 2021, arXiv 2107.05720.
    """

    kind = "learned-sparse"
    query_dependent = True

    def __init__(
        self,
        encoder: SparseEncoder | SentenceTransformerModel | str | Path,
        *,
        name: str = "learned-sparse",
        search_text: SearchTextLike = None,
    ) -> None:
        self.name = check_stage_name(name)
        self._encoder = as_sparse_encoder(encoder)
        self.own_search_text = chosen_search_text(search_text)

    @property
    def vectors(self) -> SparseVectors:
        return SparseVectors()

    def to_config(self) -> Mapping[str, JSON]:
        return {"encoder": described(self._encoder)}

    @classmethod
    def restored(
        cls, record: StageRecord, override: Any = None, stages: Sequence[Stage] = ()
    ) -> Self:
        encoder = override.encoder if isinstance(override, LearnedSparse) else override
        if encoder is None:
            if record.config["encoder"] is None:
                raise nameless(record, cls)
            encoder = sparse_encoder_from_config(record.config["encoder"])
        return cls(encoder, name=record.name)

    def open(self, storage: StageStorage) -> OpenVectorStage:
        return _OpenLearnedSparse(storage, self)


class _OpenLearnedSparse(OpenVectorStage):
    stage: LearnedSparse

    def begin(self, encoded: Sequence[Any]) -> LearnedSparseSearch:
        storage = self._storage
        return LearnedSparseSearch(storage.store, storage.vector, encoded, self.stage.encoder)


class LearnedSparseSearch(VectorSearch):
    """A search by learned sparse vectors, whose scores come apart.

    Args:
        store: where the vectors are.
        name: of the vectors.
        encoded: the queries' vectors.
        encoder: gives the names of dimensions, if it has a method ``tokens``.
    """

    def __init__(
        self, store: Any, name: str, encoded: Sequence[Any], encoder: SparseEncoder
    ) -> None:
        super().__init__(store, name, encoded)
        self._encoder = encoder

    def contributions(self, points: Sequence[int]) -> list[dict[str, float]]:
        """Return what each term adds to each point's score for the first query, most first."""
        query = dict(zip(*self._encoded[0], strict=True))
        names = self._names(list(query))
        found = []
        for point in points:
            passage = dict(zip(*self._store.vectors(self._name, [point])[point], strict=True))
            shared = {names[i]: query[i] * passage[i] for i in query.keys() & passage.keys()}
            found.append(dict(sorted(shared.items(), key=lambda term: (-term[1], term[0]))))
        return found

    def _names(self, dimensions: list[int]) -> dict[int, str]:
        tokens = getattr(self._encoder, "tokens", None)
        names = map(str, dimensions) if tokens is None else tokens(dimensions)
        return dict(zip(dimensions, names, strict=True))
