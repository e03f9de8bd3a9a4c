"""The settings and the contents of an index, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..encoders import CachedEncoder
from ..passages import JSON, Passage
from ..stages.bm25 import OpenBM25
from ..stages.bm25_sparse import OpenBM25Vectors
from ..stages.stage import OpenStage, Stage
from ..stages.vector import VectorStage
from ..vectors.options import TokenVectors
from .lock import IndexLock
from .open_stages import OpenStages
from .storage import Storage
from .truncation import truncated_among

__all__ = ["describe"]

# Sample sizes: texts to count truncated ones, and passages to count tokens.
_TEXTS, _TOKENS = 1_000, 100


def describe(storage: Storage, lock: IndexLock, stages: OpenStages) -> dict[str, JSON]:
    """Return an index's settings and contents, as JSON.

    Args:
        storage: of the index.
        lock: of the index.
        stages: of the index.
    """
    with lock.reading():
        manifest = storage.manifest
        definitions = {name: stages.current(name) for name in stages.definitions}
        count = storage.store.count()
        passages = storage.store.some(_TEXTS)
        stored = {
            name: _vector_options(storage, stage) | _size(storage, stage)
            for name, stage in definitions.items()
        }
        opened = {name: _opened(stage) for name, stage in stages.opened.items()}
    server = None if storage.server is None else storage.server.status()
    store = manifest.store.to_config()
    del store["vectors"]
    described: dict[str, Any] = {
        name: {
            "kind": stage.kind,
            **stage.settings,
            **_search_text(stage),
            **stored[name],
            **opened[name],
            **_truncated(stage, passages),
            **_passage_cache(stage),
        }
        for name, stage in definitions.items()
    }
    return {
        "place": storage.location,
        "read_only": storage.is_read_only,
        "passages": count,
        "stages": described,
        "fusion": dict(manifest.fusion),
        "weights": dict(manifest.weights),
        "depth": manifest.depth,
        **store,
        "pending": None if manifest.pending is None else manifest.pending.name,
        "format": manifest.format,
        **({} if server is None else {"server": server}),
    }


def _search_text(stage: Stage) -> dict[str, JSON]:
    config = stage.search_text.to_config()
    return {} if config is None else {"search_text": next(iter(config.values()))}


def _opened(stage: OpenStage) -> dict[str, JSON]:
    """Return whether words of a BM25 stage correct queries, and what it lacks."""
    if not isinstance(stage, OpenBM25):
        return {}
    lacks: dict[str, JSON] = {}
    if stage.missing is not None:
        lacks["missing_synonyms"] = stage.missing
    if isinstance(stage, OpenBM25Vectors) and stage.fixed_average is not None:
        lacks["fixed_average_length"] = stage.fixed_average
    return {"spelling": stage.speller is not None, **lacks}


def _truncated(stage: Stage, passages: Sequence[Passage]) -> dict[str, JSON]:
    if not isinstance(stage, VectorStage):
        return {}
    return {"truncated": truncated_among(stage.encoder, stage.search_text.texts(passages))}


def _passage_cache(stage: Stage) -> dict[str, JSON]:
    encoder = stage.encoder if isinstance(stage, VectorStage) else None
    return {"passage_cache": encoder.info()} if isinstance(encoder, CachedEncoder) else {}


def _vector_options(storage: Storage, stage: Stage) -> dict[str, JSON]:
    """Return the options of a stage's vectors from the manifest, without loading the model."""
    if not isinstance(stage, VectorStage):
        return {}
    return asdict(storage.manifest.store.vectors[storage.manifest.stage(stage.name).vector])


def _size(storage: Storage, stage: Stage) -> dict[str, JSON]:
    """Return the average size of a passage's tokens, from a sample."""
    kind = storage.manifest.store.vectors.get(storage.manifest.stage(stage.name).vector)
    if not isinstance(kind, TokenVectors):
        return {}
    # Points come in the order of their hashes, so the first ones are a random sample.
    counts = storage.store.token_counts(storage.manifest.stage(stage.name).vector, _TOKENS)
    each = sum(counts) / len(counts) if counts else 0.0
    return {
        "vectors_per_passage": round(each, 1),
        "bytes_per_passage": round(each * kind.vector_bytes),
    }
