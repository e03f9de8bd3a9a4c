"""The state of an index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..analyzer import Analyzer
from .findings import Finding

__all__ = ["examine_index"]


def examine_index(path: str | Path) -> Iterator[Finding]:
    """Open the index in a folder, and count the passages that each stage's encoder truncates.

    Args:
        path: the folder; it is opened for reading only.
    """
    from ..index import HybridIndex

    with HybridIndex._open_without_encoders(path, read_only=True) as index:
        facts: dict[str, Any] = index.info()
    yield Finding("index", "passages", "ok", f"{facts['passages']} in {facts['place']}")
    latest = Analyzer().version or 0
    for name, stage in facts["stages"].items():
        if stage.get("analyzer", {}).get("version") in range(1, latest):
            yield _earlier(name, stage["analyzer"]["version"], latest, path)
        if "truncated" in stage:
            yield _truncation(name, stage["truncated"])


def _earlier(stage: str, version: int, latest: int, path: str | Path) -> Finding:
    return Finding(
        "index",
        stage,
        "note",
        f"its analyzer is of version {version}: it lacks what version {latest} knows of codes, "
        "compounds, identifiers and accents",
        f"hybridge reanalyze {path}, which encodes nothing",
    )


def _truncation(stage: str, truncated: dict[str, int] | None) -> Finding:
    if truncated is None:
        return Finding(
            "index", stage, "ok", "no truncation known: its encoder names no limit, or is not here"
        )
    detail = (
        f"{truncated['passages']} of {truncated['of']} passages have more than the "
        f"{truncated['max_tokens']} tokens that its encoder reads"
    )
    if not truncated["passages"]:
        return Finding("index", stage, "ok", detail)
    return Finding(
        "index",
        stage,
        "note",
        f"{detail}: the rest of these is not in its vectors",
        'split them, or index again with as_encoder(..., long_passages="window")',
    )
