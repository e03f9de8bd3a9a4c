"""A dense stage: nearest vectors of a bi-encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from ..encoders import as_encoder
from ..encoders import from_config as encoder_from_config
from ..encoders.mapped import MappedEncoder, QueryMap, passage_encoder
from ..encoders.wrapping import unwrapped
from ..passages import JSON
from ..protocols import Encoder
from ..search_text import SearchTextLike, chosen_search_text
from ..vectors.options import DenseVectors, Distance
from .record import StageRecord
from .stage import Stage, check_stage_name
from .vector import EncoderStage, described, nameless

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["DENSE", "Dense", "EncoderLike"]

EncoderLike: TypeAlias = "Encoder | SentenceTransformer | str | Path | None"

DENSE = "dense"
"""The default name of a dense stage."""


class Dense(EncoderStage[Encoder]):
    """A dense stage of an index.

    Args:
        encoder: a model's name or path, an `Encoder`, a SentenceTransformer, or None for the
            default model.
        name: in traces and weights.
        distance: ``"cosine"``, or ``"dot"`` for models trained with it.
        search_text: what it searches of a passage, see `hybridge.search_text`; None for what its
            index searches.

    Raises:
        InvalidInputError: an argument is not valid.
        ModelNotFoundError: the model is neither on disk nor reachable.

    >>> from hybridge import CallableEncoder
    >>> lengths = CallableEncoder(lambda texts: [[len(text)] for text in texts], identity="len")
    >>> Dense(lengths, name="by length").vectors
    DenseVectors(dimension=1, distance='cosine')
    """

    kind = "dense"
    loss = "found by BM25 alone"
    remedy = 'encode them in windows with as_encoder(..., long_passages="window")'

    def __init__(
        self,
        encoder: EncoderLike = None,
        *,
        name: str = DENSE,
        distance: Distance = "cosine",
        search_text: SearchTextLike = None,
    ) -> None:
        self.name = check_stage_name(name)
        self._encoder = as_encoder(encoder)
        self._distance = DenseVectors(1, distance).distance
        self.own_search_text = chosen_search_text(search_text)

    @property
    def vectors(self) -> DenseVectors:
        return DenseVectors(self._encoder.dimension, self._distance)  # which may load the model

    def to_config(self) -> Mapping[str, JSON]:
        config = {
            "encoder": described(passage_encoder(self._encoder)),
            "distance": self._distance,
        }
        plain = unwrapped(self._encoder)
        if isinstance(plain, MappedEncoder):
            config["query_map"] = plain.query_map.to_config()
        return config

    @classmethod
    def restored(
        cls, record: StageRecord, override: Any = None, stages: Sequence[Stage] = ()
    ) -> Self:
        encoder = override.encoder if isinstance(override, Dense) else override
        if encoder is None:
            if record.config["encoder"] is None:
                raise nameless(_for_passages(record), cls)
            encoder = encoder_from_config(record.config["encoder"])
        if "query_map" in record.config:
            encoder = _mapped(as_encoder(encoder), record)
        return cls(encoder, name=record.name, distance=record.config["distance"])


def _mapped(encoder: Encoder, record: StageRecord) -> Encoder:
    """Return the encoder with the map of a record; the stage's own encoder as it is."""
    if encoder.identity == record.identity:
        return encoder
    if isinstance(unwrapped(encoder), MappedEncoder):  # by another map
        return encoder
    return MappedEncoder(encoder, QueryMap.from_config(record.config["query_map"]))


def _for_passages(record: StageRecord) -> StageRecord:
    """Return the record with the identity of its encoder without a map of queries."""
    if "query_map" not in record.config:
        return record
    digest = QueryMap.from_config(record.config["query_map"]).digest
    return replace(record, identity=record.identity.removesuffix(f" mapped {digest}"))
