"""The record of a stage in an index's manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..passages import JSON

__all__ = ["StageRecord"]


@dataclass(frozen=True)
class StageRecord:
    """The record of a stage in a manifest.

    Args:
        name: in traces and weights.
        kind: the key of its class.
        identity: of its encoder; opening with another one is an error.
        config: its `to_config`, to restore it.
        vector: the name of its vectors in the store.
        state: data that change with the passages.
        search_text: what it searches of a passage, as JSON; None for the text alone.
    """

    name: str
    kind: str
    identity: str
    config: Mapping[str, Any]
    vector: str
    state: Mapping[str, Any] = field(default_factory=dict)
    search_text: Mapping[str, Any] | None = None

    def to_config(self) -> dict[str, JSON]:
        """Return this record as JSON."""
        return asdict(self)
