"""Late interaction over stored token vectors: it scores what the first stages found.

The tokens of a passage are encoded once, when it is added; a search encodes the query alone, and
the engine compares (MaxSim, see `hybridge.colbert`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from ..arguments import check_share
from ..colbert.engines import as_token_encoder
from ..colbert.tokens import TokenEncoder
from ..encoders import SentenceTransformerEncoder
from ..errors import InvalidInputError
from ..protocols import Encoder, Vectors
from ..reranking import blend_stage
from ..vectors.options import Datatype, TokenOptions
from ..vectors.store import VectorStore, check_tokens
from .stages import ProbeSearch

__all__ = ["LATE", "LATE_BLEND", "LateInteraction", "LateSearch", "LateStage", "check_has_late"]

LATE = "late-interaction"
LATE_BLEND = blend_stage(LATE)

_POOL_FACTOR = 2


@dataclass(frozen=True)
class LateInteraction:
    """How an index keeps and uses token vectors.

    Args:
        encoder: what `hybridge.colbert.as_token_encoder` takes: a ColBERT checkpoint's name or
            folder, a `MultiVectorEncoder`, a bi-encoder to be used training-free, or a
            `TokenEncoder`. None takes the index's own bi-encoder, or the default one where that is
            no model of sentence-transformers, and keeps half as many vectors as there are tokens
            (``pool_factor=2``).
        blend: late interaction's share in a hit's score, from 0 to 1; the rest is the fusion's.
            The default is what gave the most on the train queries of SciFact, nDCG@10 and
            recall@100 together.
        datatype: what a number takes in the store: ``"float32"``, ``"float16"``, or Qdrant's
            quantised ``"turbo8"`` and ``"turbo4"``.

    Raises:
        InvalidInputError: a blend outside 0 to 1, or a datatype we do not know.

    >>> LateInteraction(blend=0.3, datatype="turbo8").blend
    0.3
    """

    encoder: Any = None
    blend: float = 0.35
    datatype: Datatype = "float16"

    def __post_init__(self) -> None:
        check_share(self.blend, "blend")
        TokenOptions(1, self.datatype)

    @classmethod
    def of(cls, value: Any) -> LateInteraction | None:
        """What a caller said of late interaction: settings, an encoder, True, False or None."""
        if value is None or value is False:
            return None
        if isinstance(value, cls):
            return value
        return cls() if value is True else cls(value)

    def token_encoder(self, encoder: Encoder) -> TokenEncoder:
        """The encoder of tokens, in an index that has this bi-encoder.

        Raises:
            InvalidInputError: what was given is no model.
            ModelNotFoundError: the model is neither on this machine nor on a hub that answers.
        """
        if self.encoder is not None:
            return as_token_encoder(self.encoder)
        own = encoder if isinstance(encoder, SentenceTransformerEncoder) else None
        return as_token_encoder(own, pool_factor=_POOL_FACTOR)


class LateStage:
    """MaxSim over the token vectors in the store."""

    name = LATE

    def __init__(self, store: VectorStore, encoder: TokenEncoder, dimension: int) -> None:
        self._store = store
        self._encoder = encoder
        self._dimension = dimension

    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        return self.encoded(self._encoder.encode_queries(queries), len(queries))

    def encoded(self, tokens: Sequence[Vectors], count: int) -> Sequence[Any]:
        """The token vectors of `count` queries, whoever made them, as this stage compares them."""
        return [matrix.tolist() for matrix in check_tokens(tokens, count, self._dimension)]

    def begin(self, encoded: Sequence[Any]) -> LateSearch:
        return LateSearch(self._store, encoded)


class LateSearch(ProbeSearch):
    """A search by token vectors, which a blank passage has none of."""

    def judged(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        """Each query's scores of the given points; a blank passage gets the lowest of its list."""
        return [
            dict.fromkeys(some, min(scores.values(), default=0.0)) | scores
            for some, scores in zip(points, self.scored(points), strict=True)
        ]


def check_has_late(late: LateStage | None, blend: float) -> None:
    """Refuse to blend with what an index does not keep."""
    if late is None and blend > 0:
        raise InvalidInputError(
            f"blend={blend} needs token vectors, which this index does not keep: create it with "
            "late_interaction=True"
        )
