"""The state of an index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .findings import Finding

__all__ = ["examine_index"]


def examine_index(path: str | Path) -> Iterator[Finding]:
    """Open the index in a folder, and count the passages that its encoder truncates.

    Args:
        path: the folder; it is opened for reading only.
    """
    from ..index import HybridIndex

    with HybridIndex.open(path, read_only=True) as index:
        facts: dict[str, Any] = index.info()
    yield Finding("index", "passages", "ok", f"{facts['passages']} in {facts['place']}")
    truncated = facts["truncated"]
    if truncated is None:
        yield Finding("index", "truncated", "ok", "none known: the encoder names no limit")
        return
    detail = (
        f"{truncated['passages']} of {truncated['of']} passages have more than the "
        f"{truncated['max_tokens']} tokens that the encoder reads"
    )
    if truncated["passages"]:
        yield Finding(
            "index",
            "truncated",
            "note",
            f"{detail}: what comes after is found by BM25 alone",
            'split them, or index again with as_encoder(..., long_passages="window")',
        )
    else:
        yield Finding("index", "truncated", "ok", detail)
