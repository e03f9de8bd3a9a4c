"""Presets: stages and rerankers that go together, from models that packages bring.

| preset | first stages | rerankers |
|---|---|---|
| ``"small"`` | BM25, all-MiniLM-L6-v2 in int8 | none |
| ``"balanced"`` | BM25, bge-small-en-v1.5 in int8 | none |
| ``"best"`` | BM25, bge-small-en-v1.5 in int8, all-MiniLM-L6-v2 | ms-marco-MiniLM-L12-v2 in int8 |

All of them read English. The guide on models has their figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from .cross_encoder import CrossEncoderReranker
from .encoders import DEFAULT_MODEL, SentenceTransformerEncoder
from .errors import InvalidInputError
from .pipeline import Pipeline
from .protocols import Reranker, Retriever
from .stages import BM25, Dense, Stage

__all__ = ["Preset", "PresetName", "preset"]

PresetName: TypeAlias = Literal["small", "balanced", "best"]

_BGE_SMALL = "BAAI/bge-small-en-v1.5"
_CROSS_ENCODER = "cross-encoder/ms-marco-MiniLM-L12-v2"


@dataclass(frozen=True)
class Preset:
    """The parts of a search that go together.

    Args:
        name: the preset's name.
        stages: the stages of an index, for `HybridIndex.create`.
        rerankers: the rerankers behind it, in their order.
        depth: candidates a reranker gets.
        blend: a reranker's share in the score.
    """

    name: str
    stages: tuple[Stage, ...]
    rerankers: tuple[Reranker, ...] = ()
    depth: int = 20
    blend: float = 0.5

    def pipeline(self, index: Retriever) -> Pipeline:
        """Return a pipeline of an index and the rerankers behind it.

        Args:
            index: an index with the preset's stages, or any other retriever.
        """
        return Pipeline(index, *self.rerankers, depth=self.depth, blend=self.blend)


def preset(name: PresetName) -> Preset:
    """Return a preset by its name; its models are found now, and loaded at their first use.

    Args:
        name: ``"small"``, ``"balanced"`` or ``"best"``.

    Raises:
        InvalidInputError: an unknown name.
        ModelNotFoundError: a model is neither on this machine nor on a hub that answers; the
            message names the package that has it.

    >>> from hybridge import HybridIndex, Passage
    >>> small = preset("small")
    >>> with HybridIndex.create(stages=small.stages) as index:
    ...     _ = index.add([Passage("1", "Cats sleep."), Passage("2", "Bread needs yeast.")])
    ...     [[hit]] = small.pipeline(index).search(["how to bake"], k=1)
    >>> hit.passage.id
    '2'
    """
    if not isinstance(name, str) or name not in _PRESETS:
        raise InvalidInputError(
            f"name must be one of {', '.join(get_args(PresetName))}, not {name!r}"
        )
    return _PRESETS[name]()


def _small() -> Preset:
    return Preset("small", (BM25(), Dense(SentenceTransformerEncoder(DEFAULT_MODEL, dtype="int8"))))


def _balanced() -> Preset:
    # On SciFact's train queries it orders better than all-MiniLM with the cross-encoder behind it,
    # which takes a hundred times as long.
    return Preset("balanced", (BM25(), Dense(_bge_small())))


def _best() -> Preset:
    stages = (BM25(), Dense(_bge_small()), Dense(DEFAULT_MODEL, name="all-minilm"))
    return Preset("best", stages, (CrossEncoderReranker(_CROSS_ENCODER, dtype="int8"),), blend=0.3)


def _bge_small() -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(_BGE_SMALL, dtype="int8")


_PRESETS: Mapping[str, Callable[[], Preset]] = {
    "small": _small,
    "balanced": _balanced,
    "best": _best,
}
