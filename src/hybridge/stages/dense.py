"""A dense stage: nearest vectors of a bi-encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from ..encoders import as_encoder
from ..encoders import from_config as encoder_from_config
from ..errors import EncoderMismatchError
from ..passages import JSON
from ..protocols import Encoder, Vectors
from ..search_text import SearchTextLike, chosen_search_text
from ..vectors.options import DenseVectors, Distance
from .record import StageRecord
from .stage import Stage, check_stage_name
from .vector import VectorStage

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["DENSE", "Dense", "EncoderLike", "described", "nameless"]

EncoderLike: TypeAlias = "Encoder | SentenceTransformer | str | Path | None"

DENSE = "dense"
"""The default name of a dense stage."""


class Dense(VectorStage):
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
    def encoder(self) -> Encoder:
        """The encoder of queries and passages."""
        return self._encoder

    @property
    def identity(self) -> str:
        return self._encoder.identity

    @property
    def vectors(self) -> DenseVectors:
        return DenseVectors(self._encoder.dimension, self._distance)  # which may load the model

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        return self._encoder.encode_queries(queries)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        return self._encoder.encode_passages(texts)

    def to_config(self) -> Mapping[str, JSON]:
        return {"encoder": described(self._encoder), "distance": self._distance}

    @classmethod
    def restored(
        cls, record: StageRecord, override: Any = None, stages: Sequence[Stage] = ()
    ) -> Self:
        encoder = override.encoder if isinstance(override, Dense) else override
        if encoder is None:
            if record.config["encoder"] is None:
                raise nameless(record, cls)
            encoder = encoder_from_config(record.config["encoder"])
        return cls(encoder, name=record.name, distance=record.config["distance"])

    @property
    def nameless_part(self) -> object:
        return self.encoder if described(self.encoder) is None else None

    @property
    def settings(self) -> dict[str, JSON]:
        return {"encoder": self.identity}


def described(encoder: object) -> dict[str, JSON] | None:
    """Return an encoder as JSON; None where it cannot be made again from such."""
    describe = getattr(encoder, "to_config", None)
    config = None if describe is None else describe()
    return None if config is None else dict(config)


def nameless(record: StageRecord, stage: type[Stage]) -> EncoderMismatchError:
    """Return the error of opening a stage whose encoder cannot be loaded by its name."""
    short = {"dense": "encoder=", "late-interaction": "late_interaction="}.get(record.name)
    argument = short or f"stages=[{stage.__name__}(..., name={record.name!r})]"
    return EncoderMismatchError(
        f"the stage {record.name!r} was made with the encoder {record.identity!r}, which cannot be "
        f"loaded by name: pass it as {argument}"
    )
