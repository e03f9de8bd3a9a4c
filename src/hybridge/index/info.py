"""What an index says of itself to people: its settings, and what it holds."""

from __future__ import annotations

from ..passages import JSON
from .home import Home

__all__ = ["describe"]

_SAMPLE = 100


def describe(home: Home, count: int, truncated: JSON) -> dict[str, JSON]:
    """An index's settings and contents, as JSON.

    Args:
        home: where it lives.
        count: how many passages it holds.
        truncated: how many of some of them are too long for the encoder, see `truncated_among`.
    """
    manifest = home.manifest
    return {
        "place": home.place,
        "read_only": home.is_read_only,
        "passages": count,
        "encoder": manifest.encoder,
        "truncated": truncated,
        "vectors": manifest.store.to_config(),
        "lexical": manifest.lexical,
        "bm25": dict(manifest.bm25),
        "analyzer": dict(manifest.analyzer),
        "fusion": dict(manifest.fusion),
        "weights": dict(manifest.weights),
        "depth": manifest.depth,
        "late_interaction": _late_interaction(home),
        "format": manifest.format,
    }


def _late_interaction(home: Home) -> dict[str, JSON] | None:
    """What late interaction keeps; its size is that of a sample of the passages."""
    manifest, tokens = home.manifest, home.manifest.store.tokens
    if tokens is None:
        return None
    # Points come in the order of their hashes, so the first are as good a sample as any.
    counts = home.store.token_counts(_SAMPLE)
    each = sum(counts) / len(counts) if counts else 0.0
    return {
        "encoder": manifest.token_encoder,
        "blend": manifest.blend,
        "vectors_per_passage": round(each, 1),
        "bytes_per_passage": round(each * tokens.vector_bytes),
    }
