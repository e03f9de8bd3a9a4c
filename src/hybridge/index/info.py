"""What an index says of itself to people: its settings, and what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..passages import JSON
from ..stages.stage import Stage
from ..stages.vector import VectorStage
from ..vectors.options import TokenVectors
from .access import Access
from .home import Home
from .truncation import truncated_among

__all__ = ["describe"]

# Texts by which it is said how many are truncated, and passages by which their tokens are counted.
_TEXTS, _TOKENS = 1_000, 100


def describe(home: Home, access: Access, stages: Sequence[Stage]) -> dict[str, JSON]:
    """Return an index's settings and contents, as JSON.

    Args:
        home: where it lives.
        access: its locks.
        stages: what it is made of.
    """
    manifest = home.manifest
    with access.reading():
        count = home.store.count()
        texts = [passage.text for passage in home.store.some(_TEXTS)]
        sizes = {stage.name: _size(home, stage) for stage in stages}
    store = manifest.store.to_config()
    del store["vectors"]
    described: dict[str, Any] = {
        stage.name: {
            "kind": stage.kind,
            **stage.settings,
            **_kept(home, stage),
            **_truncated(stage, texts),
            **sizes[stage.name],
        }
        for stage in stages
    }
    return {
        "place": home.place,
        "read_only": home.is_read_only,
        "passages": count,
        "stages": described,
        "fusion": dict(manifest.fusion),
        "weights": dict(manifest.weights),
        "depth": manifest.depth,
        **store,
        "pending": None if manifest.pending is None else manifest.pending.name,
        "format": manifest.format,
    }


def _truncated(stage: Stage, texts: Sequence[str]) -> dict[str, JSON]:
    if not isinstance(stage, VectorStage):
        return {}
    return {"truncated": truncated_among(stage.encoder, texts)}


def _kept(home: Home, stage: Stage) -> dict[str, JSON]:
    """What the store keeps for an encoder; the manifest knows it without loading the model."""
    if not isinstance(stage, VectorStage):
        return {}
    return asdict(home.manifest.store.vectors[home.manifest.stage(stage.name).vector])


def _size(home: Home, stage: Stage) -> dict[str, JSON]:
    """What the tokens of a passage take, by a sample of the passages."""
    kind = home.manifest.store.vectors.get(home.manifest.stage(stage.name).vector)
    if not isinstance(kind, TokenVectors):
        return {}
    # Points come in the order of their hashes, so the first are as good a sample as any.
    counts = home.store.token_counts(home.manifest.stage(stage.name).vector, _TOKENS)
    each = sum(counts) / len(counts) if counts else 0.0
    return {
        "vectors_per_passage": round(each, 1),
        "bytes_per_passage": round(each * kind.vector_bytes),
    }
