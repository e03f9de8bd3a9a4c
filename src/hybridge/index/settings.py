"""From what a user asks for to a manifest, and from a manifest back to live objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..analyzer import Analyzer
from ..arguments import check_count
from ..encoders import as_encoder
from ..encoders import from_config as encoder_from_config
from ..errors import EncoderMismatchError, InvalidInputError
from ..fusion import Fusion, check_weights, get_fusion
from ..fusion import from_config as fusion_from_config
from ..lexical.parameters import BM25Parameters
from ..protocols import Encoder
from ..vectors.options import HNSW, Distance, Quantization, StoreOptions
from ..vectors.store import DENSE, SPARSE
from .manifest import Lexical, Manifest

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = [
    "EncoderLike",
    "check_stage_weights",
    "make_manifest",
    "reopened_encoder",
]

EncoderLike: TypeAlias = "Encoder | SentenceTransformer | str | Path | None"

_STAGES = (SPARSE, DENSE)


def make_manifest(
    encoder: Encoder,
    analyzer: Analyzer,
    *,
    lexical: Lexical,
    bm25: BM25Parameters | None,
    fusion: str | Fusion,
    weights: Mapping[str, float] | None,
    depth: int,
    distance: Distance,
    hnsw: HNSW | None,
    quantization: Quantization | None,
) -> Manifest:
    """The manifest of a new index; arguments as for `HybridIndex.create`.

    Raises:
        InvalidInputError: a setting that is not valid, or two that exclude each other.
    """
    parameters = bm25 if bm25 is not None else BM25Parameters()
    if not isinstance(parameters, BM25Parameters):
        raise InvalidInputError(f"bm25 must be BM25Parameters(k1=...), not {bm25!r}")
    if lexical == "qdrant" and {parameters.method, parameters.idf_method} - {"lucene", None}:
        raise InvalidInputError(
            f"lexical='qdrant' weighs terms as lucene does, not as {parameters}: "
            "choose lexical='bm25s' for the other variants"
        )
    shares = check_stage_weights(weights if weights is not None else dict.fromkeys(_STAGES, 0.5))
    chosen = get_fusion(fusion)
    # Tried before anything is written: that it can be read back, and takes these weights.
    fusion_from_config(chosen.to_config()).fuse([{0: 1.0}, {0: 1.0}], list(shares.values()))
    describe = getattr(encoder, "to_config", None)
    return Manifest(
        encoder=encoder.identity,
        encoder_config=describe() if describe is not None else None,
        store=StoreOptions(encoder.dimension, distance, lexical == "qdrant", hnsw, quantization),
        lexical=lexical,
        analyzer=analyzer.to_config(),
        bm25=parameters.to_config(),
        fusion=chosen.to_config(),
        weights=shares,
        depth=check_count(depth, "depth"),
    )


def check_stage_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights, once it is sure that there is one for each stage and one of them counts.

    Raises:
        InvalidInputError: a stage is missing or unknown, a weight is negative or not finite, or
            all are 0.

    >>> check_stage_weights({"bm25": 0.3, "dense": 0.7})
    {'bm25': 0.3, 'dense': 0.7}
    """
    if not isinstance(weights, Mapping) or set(weights) != set(_STAGES):
        raise InvalidInputError(
            f"weights must name each stage, as in {dict.fromkeys(_STAGES, 0.5)}, not {weights!r}"
        )
    check_weights([weights[name] for name in _STAGES], len(_STAGES))
    return {name: float(weights[name]) for name in _STAGES}


def reopened_encoder(manifest: Manifest, encoder: EncoderLike, place: str) -> Encoder:
    """The encoder an index is opened with: the one given, or the one it was made with.

    Raises:
        EncoderMismatchError: it is another than the index was made with, or none was given and
            the index does not know how to load its own.
    """
    if encoder is not None:
        opened = as_encoder(encoder)
    elif manifest.encoder_config is not None:
        opened = encoder_from_config(manifest.encoder_config)
    else:
        raise EncoderMismatchError(
            f"{place} was made with the encoder {manifest.encoder!r}, which cannot be loaded by "
            "name: pass it as encoder="
        )
    if opened.identity != manifest.encoder:
        raise EncoderMismatchError(
            f"{place} was made with the encoder {manifest.encoder!r}, not {opened.identity!r}: "
            "open it with that one, or make a new index with this one"
        )
    return opened
