"""The state of an index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..analyzer import Analyzer
from .findings import Finding
from .server import examine_collection

__all__ = ["examine_index"]


def examine_index(path: str | Path | None = None, **server: Any) -> Iterator[Finding]:
    """Open an index, and count the passages that each stage's encoder truncates.

    Args:
        path: its folder; it is opened for reading only.
        server: or the arguments of `HybridIndex.open` that name a collection on a server.
    """
    from ..index import HybridIndex

    with HybridIndex._open_without_encoders(path, read_only=True, **server) as index:
        facts: dict[str, Any] = index.info()
    yield Finding("index", "passages", "ok", f"{facts['passages']} in {facts['place']}")
    if "server" in facts:
        yield from examine_collection(facts["server"])
    latest = Analyzer().version or 0
    for name, stage in facts["stages"].items():
        if stage.get("analyzer", {}).get("version") in range(1, latest):
            url = facts.get("server", {}).get("url", ":memory:").replace(", ", ",")
            target = path or f"--url {url} --collection {server['collection']}"
            yield _earlier(name, stage["analyzer"]["version"], latest, str(target))
        if "truncated" in stage:
            yield _truncation(name, stage["truncated"])


def _earlier(stage: str, version: int, latest: int, target: str) -> Finding:
    return Finding(
        "index",
        stage,
        "note",
        f"its analyzer is of version {version}: it lacks what version {latest} knows of codes, "
        "compounds, identifiers and accents",
        f"hybridge reanalyze {target}, which encodes nothing",
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
