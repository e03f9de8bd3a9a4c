"""Late interaction over stored token vectors: it scores the candidates of the first stages.

The tokens of a passage are encoded once, when it is added; a search encodes the query alone, and
the engine compares (MaxSim, see `hybridge.colbert`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np

from ..arguments import check_share
from ..colbert import per_token
from ..colbert.engines import as_token_encoder, token_encoder_from_config
from ..colbert.tokens import TokenEncoder
from ..encoders import SentenceTransformerEncoder
from ..encoders.caching import query_cache
from ..encoders.mapped import passage_encoder
from ..encoders.wrapping import unwrapped
from ..forking import cached_property
from ..passages import JSON
from ..protocols import Encoder, Vectors
from ..search_text import SearchTextLike, chosen_search_text
from ..vectors.options import Datatype, TokenVectors
from ..vectors.store import VectorQuery
from .dense import Dense
from .record import StageRecord
from .stage import Stage, StageStorage, check_stage_name
from .vector import EncoderStage, OpenVectorStage, VectorSearch, described, nameless

__all__ = ["LATE", "LateInteraction", "LateSearch", "OpenLateInteraction", "with_blanks"]

LATE = "late-interaction"
"""The default name of a late-interaction stage."""

_POOL_FACTOR = 2


class LateInteraction(EncoderStage[TokenEncoder]):
    """A late-interaction stage of an index: it scores the candidates of the other stages.

    Args:
        encoder: an argument of `hybridge.colbert.as_token_encoder`: a ColBERT checkpoint's name or
            folder, a `MultiVectorEncoder`, a bi-encoder to be used training-free, or a
            `TokenEncoder`. None takes the bi-encoder of the index's first dense stage, or the
            default one where that is no model of sentence-transformers, and stores half as many
            vectors as there are tokens (``pool_factor=2``).
        blend: late interaction's share in a hit's score, from 0 to 1; the rest is the fusion's.
            The default was the best on the train queries of SciFact, by nDCG@10 and recall@100
            together.
        datatype: of a number in the store: ``"float32"``, ``"float16"``, or Qdrant's
            quantised ``"turbo8"`` and ``"turbo4"``.
        name: in traces.
        search_text: what it searches of a passage, see `hybridge.search_text`; None for what its
            index searches.

    Raises:
        InvalidInputError: a blend outside 0 to 1, or an unknown datatype.

    >>> LateInteraction(blend=0.3, datatype="turbo8").blend
    0.3
    """

    kind = "late-interaction"
    finds = False
    loss = "not seen by late interaction"
    remedy = "raise its passage_length where the model can read more"

    def __init__(
        self,
        encoder: Any = None,
        blend: float = 0.35,
        datatype: Datatype = "float16",
        *,
        name: str = LATE,
        search_text: SearchTextLike = None,
    ) -> None:
        TokenVectors(1, datatype)
        self.name = check_stage_name(name)
        self.blend = check_share(blend, "blend")
        self.datatype = datatype
        self._source = encoder
        self.own_search_text = chosen_search_text(search_text)

    @classmethod
    def of(cls, value: Any) -> LateInteraction | None:
        """Return the definition for an argument: a definition, an encoder, True or False."""
        if value is None or value is False:
            return None
        if isinstance(value, cls):
            return value
        return cls() if value is True else cls(value)

    def within(self, stages: Sequence[Stage], *, served: bool) -> LateInteraction:
        return self._with(self.token_encoder(_first_encoder(stages)))

    def token_encoder(self, encoder: Encoder | None) -> TokenEncoder:
        """Return the encoder of tokens, in an index that has this bi-encoder.

        Raises:
            InvalidInputError: the encoder is no model.
            ModelNotFoundError: the model is neither on this machine nor reachable.
        """
        if self._source is not None:
            return as_token_encoder(self._source)
        plain = unwrapped(encoder)
        own = plain if isinstance(plain, SentenceTransformerEncoder) else None
        return as_token_encoder(own, pool_factor=_POOL_FACTOR)

    def with_encoder(self, encoder: TokenEncoder, *, name: str | None = None) -> Self:
        other = super().with_encoder(encoder, name=name)
        other._source = encoder
        return other

    def _with(self, encoder: TokenEncoder) -> Self:
        stage = type(self)(
            self._source,
            self.blend,
            self.datatype,
            name=self.name,
            search_text=self.own_search_text,
        )
        stage._encoder = encoder
        return stage

    @cached_property
    def _encoder(self) -> TokenEncoder:  # type: ignore[override]  # it is writeable too
        return self.token_encoder(None)

    @property
    def vectors(self) -> TokenVectors:
        return TokenVectors(self.encoder.dimension, self.datatype)

    def comparable_scores(
        self, queries: Sequence[str], scores: Sequence[Sequence[float]]
    ) -> list[list[float]]:
        return per_token(query_cache.encode(self.encoder, queries), scores)

    def to_config(self) -> Mapping[str, JSON]:
        return {
            "encoder": described(self.encoder),
            "blend": self.blend,
            "datatype": self.datatype,
        }

    @classmethod
    def restored(
        cls, record: StageRecord, override: Any = None, stages: Sequence[Stage] = ()
    ) -> Self:
        config = record.config
        stage = cls(None, config["blend"], config["datatype"], name=record.name)
        dense = unwrapped(_first_encoder(stages))
        if (late := LateInteraction.of(override)) is not None:
            encoder = late.token_encoder(dense)
            source = late._source
            if source is not None and encoder is not source and encoder.identity != record.identity:
                # A model, of which a stage by default may have been made.
                pooled = as_token_encoder(source, pool_factor=_POOL_FACTOR)
                if pooled.identity == record.identity:
                    encoder = pooled
            return stage._with(encoder)
        if config["encoder"] is not None:
            settings = dict(config["encoder"])
            # Made of the index's own bi-encoder, it shares that one's model again.
            if isinstance(dense, SentenceTransformerEncoder) and settings.get("model") == described(
                dense
            ):
                del settings["model"]
                return stage._with(as_token_encoder(dense, **settings))
            return stage._with(token_encoder_from_config(settings))
        if isinstance(dense, SentenceTransformerEncoder):
            shared = LateInteraction().token_encoder(dense)
            if shared.identity == record.identity:
                return stage._with(shared)
        raise nameless(record, cls)

    @property
    def settings(self) -> dict[str, JSON]:
        return {**super().settings, "blend": self.blend}

    def open(self, storage: StageStorage) -> OpenLateInteraction:
        return OpenLateInteraction(storage, self)


def _first_encoder(stages: Sequence[Stage]) -> Encoder | None:
    encoders = (stage.encoder for stage in stages if isinstance(stage, Dense))
    return next(map(passage_encoder, encoders), None)


class OpenLateInteraction(OpenVectorStage):
    """MaxSim over the token vectors in the store."""

    stage: LateInteraction

    def begin(self, encoded: Sequence[Any]) -> LateSearch:
        return LateSearch(self._storage.store, self._storage.vector, encoded)


class LateSearch(VectorSearch):
    """A search by token vectors; a blank passage has none."""

    def rescored(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        """Return each query's scores of points; a blank passage gets the lowest of its list."""
        return with_blanks(points, self.scored(points))

    def with_blanks(
        self, points: Sequence[Collection[int]], scored: Sequence[dict[int, float]]
    ) -> list[dict[int, float]]:
        """Return what `rescored` does, of the store's scores of the points."""
        return with_blanks(points, scored)

    def similarities(self, points: Sequence[int]) -> list[Vectors]:
        """Compare each point's tokens with those of the first query.

        The greatest of each row is the engine's score for that token alone, so they sum to its
        score; the others come from the vectors that the store returns, which differ slightly from
        those that it compares where it quantises.

        Returns:
            one matrix a point, shape (query's tokens, passage's tokens).
        """
        query = self._encoded[0]
        stored = self._store.vectors(self._name, points)
        there = [point for point in points if point in stored]
        answers = self._query(
            [VectorQuery(self._name, [token], len(there), ids=there) for token in query]
        )
        rows = np.array(query, dtype=np.float32)
        found = []
        for point in points:
            if point not in stored or not len(rows):
                found.append(np.zeros((len(rows), 0), dtype=np.float32))
                continue
            matrix = rows @ np.array(stored[point], dtype=np.float32).T
            best = np.array([[scores[point]] for scores in answers], dtype=np.float32)
            positions = matrix.argmax(axis=1, keepdims=True)
            matrix = np.minimum(matrix, best)
            np.put_along_axis(matrix, positions, best, axis=1)
            found.append(matrix)
        return found


def with_blanks(
    points: Sequence[Collection[int]], scored: Sequence[dict[int, float]]
) -> list[dict[int, float]]:
    """Return scores of all points: where one has none, the lowest of its list."""
    return [
        dict.fromkeys(batch, min(scores.values(), default=0.0)) | scores
        for batch, scores in zip(points, scored, strict=True)
    ]
