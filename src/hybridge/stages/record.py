"""A stage as an index's manifest keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..passages import JSON

__all__ = ["StageRecord"]


@dataclass(frozen=True)
class StageRecord:
    """What the manifest keeps of a stage.

    Args:
        name: in traces and weights.
        kind: which class of stages makes it again.
        identity: what makes its rows; another identity is refused.
        config: how to make it again, as its `to_config` gave.
        vector: the name of its vectors in the store.
        state: what changes with the passages.
    """

    name: str
    kind: str
    identity: str
    config: Mapping[str, Any]
    vector: str
    state: Mapping[str, Any] = field(default_factory=dict)

    def to_config(self) -> dict[str, JSON]:
        """Return this record as JSON."""
        return asdict(self)
