"""From what a user asks for to a manifest, and from a manifest back to live objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ..analyzer import Analyzer
from ..arguments import check_count
from ..colbert.engines import as_token_encoder, token_encoder_from_config
from ..colbert.tokens import TokenEncoder
from ..encoders import as_encoder
from ..encoders import from_config as encoder_from_config
from ..errors import EncoderMismatchError, InvalidInputError
from ..fusion import Fusion, check_weights, get_fusion
from ..fusion import from_config as fusion_from_config
from ..lexical.parameters import BM25Parameters, check_bm25
from ..passages import JSON
from ..protocols import Encoder
from ..vectors.options import (
    HNSW,
    Distance,
    FieldKind,
    Quantization,
    StoreOptions,
    TokenOptions,
)
from ..vectors.store import DENSE, SPARSE
from .late import LateInteraction
from .manifest import Lexical, Manifest
from .terms import terms_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from ..encoders import SentenceTransformerEncoder

__all__ = [
    "EncoderLike",
    "check_stage_weights",
    "make_manifest",
    "reopened_encoder",
    "reopened_token_encoder",
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
    late: LateInteraction | None,
    token_encoder: TokenEncoder | None,
    filter_fields: Mapping[str, FieldKind] | None = None,
) -> Manifest:
    """The manifest of a new index; arguments as for `HybridIndex.create`.

    Raises:
        InvalidInputError: a setting that is not valid, or two that exclude each other.
    """
    parameters = BM25Parameters() if bm25 is None else check_bm25(bm25)
    if lexical == "qdrant" and {parameters.method, parameters.idf_method} - {"lucene", None}:
        raise InvalidInputError(
            f"lexical='qdrant' weighs terms as lucene does, not as {parameters}: "
            "choose lexical='bm25s' for the other variants"
        )
    shares = check_stage_weights(weights if weights is not None else dict.fromkeys(_STAGES, 0.5))
    chosen = get_fusion(fusion)
    # Tried before anything is written: that it can be read back, and takes these weights.
    fusion_from_config(chosen.to_config()).fuse([{0: 1.0}, {0: 1.0}], list(shares.values()))
    tokens = None
    if late is not None and token_encoder is not None:
        tokens = TokenOptions(token_encoder.dimension, late.datatype)
    sparse = lexical == "qdrant"
    return Manifest(
        encoder=encoder.identity,
        encoder_config=_described(encoder),
        store=StoreOptions(
            encoder.dimension,
            distance,
            sparse,
            hnsw,
            quantization,
            tokens,
            {} if filter_fields is None else filter_fields,
        ),
        lexical=lexical,
        analyzer=analyzer.to_config(),
        terms=terms_of(analyzer) if sparse else None,
        bm25=parameters.to_config(),
        fusion=chosen.to_config(),
        weights=shares,
        depth=check_count(depth, "depth"),
        token_encoder=token_encoder.identity if token_encoder is not None else None,
        token_encoder_config=_described(token_encoder) if token_encoder is not None else None,
        blend=late.blend if late is not None else 0.0,
    )


def _described(encoder: object) -> Mapping[str, JSON] | None:
    describe = getattr(encoder, "to_config", None)
    config: Mapping[str, JSON] | None = describe() if describe is not None else None
    return config


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
        raise _unnamed(place, manifest.encoder, "encoder=")
    _check_identity(place, manifest.encoder, opened.identity)
    return opened


def reopened_token_encoder(
    manifest: Manifest, encoder: Any, bi_encoder: Encoder, place: str
) -> TokenEncoder | None:
    """The encoder of tokens an index is opened with; None where it keeps no token vectors.

    Made of the index's own bi-encoder, it shares that one's model again. Of a `LateInteraction`
    its encoder counts alone: the rest was settled when the index was made.

    Raises:
        EncoderMismatchError: as for `reopened_encoder`.
        InvalidInputError: one was given for an index that keeps no token vectors.
    """
    if manifest.token_encoder is None:
        if encoder is not None:
            raise InvalidInputError(
                f"{place} keeps no token vectors: late_interaction= is for HybridIndex.create"
            )
        return None
    if (late := LateInteraction.of(encoder)) is not None:
        opened = late.token_encoder(bi_encoder)
    elif manifest.token_encoder_config is not None:
        config = dict(manifest.token_encoder_config)
        if config.get("model") == manifest.encoder_config:
            del config["model"]
            opened = as_token_encoder(cast("SentenceTransformerEncoder", bi_encoder), **config)
        else:
            opened = token_encoder_from_config(config)
    else:
        shared = _shared(bi_encoder)
        if shared is None or shared.identity != manifest.token_encoder:
            raise _unnamed(place, manifest.token_encoder, "late_interaction=")
        opened = shared
    _check_identity(place, manifest.token_encoder, opened.identity)
    return opened


def _shared(bi_encoder: Encoder) -> TokenEncoder | None:
    """What ``late_interaction=True`` makes of a bi-encoder that is a model."""
    from ..encoders import SentenceTransformerEncoder

    is_model = isinstance(bi_encoder, SentenceTransformerEncoder)
    return LateInteraction().token_encoder(bi_encoder) if is_model else None


def _unnamed(place: str, identity: str, argument: str) -> EncoderMismatchError:
    return EncoderMismatchError(
        f"{place} was made with the encoder {identity!r}, which cannot be loaded by name: pass it "
        f"as {argument}"
    )


def _check_identity(place: str, expected: str, found: str) -> None:
    if found != expected:
        raise EncoderMismatchError(
            f"{place} was made with the encoder {expected!r}, not {found!r}: open it with that "
            "one, or make a new index with this one"
        )
