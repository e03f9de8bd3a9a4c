"""What an examination finds: one finding a thing looked at, and all of them together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from ..passages import JSON

__all__ = ["CORE", "Finding", "Report", "State"]

State: TypeAlias = Literal["ok", "missing", "note"]

# The one area without which nothing works: elsewhere, what is missing is only not to be had.
CORE = "core"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        area: what it belongs to, such as ``"models"``.
        name: what was looked at, such as ``"torch"``.
        state: ``"ok"``, ``"missing"`` (not there, or not as required) or ``"note"`` (there is
            something to know about it).
        detail: what was found, and what a gap means.
        remedy: what to do about a gap; empty where there is none.
    """

    area: str
    name: str
    state: State
    detail: str
    remedy: str = ""

    @property
    def breaks_core(self) -> bool:
        """Whether nothing works before this gap is closed."""
        return self.area == CORE and self.state == "missing"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was looked at, in the order to read it in.

    Args:
        findings: areas in one piece each.

    >>> gap = Finding("core", "numpy", "missing", "not installed", "pip install numpy")
    >>> Report((gap,)).works
    False
    """

    findings: tuple[Finding, ...]

    @property
    def works(self) -> bool:
        """Whether the core has all that it needs."""
        return not any(finding.breaks_core for finding in self.findings)

    @property
    def gaps(self) -> list[Finding]:
        """What is not as it could be."""
        return [finding for finding in self.findings if finding.state != "ok"]

    def to_json(self) -> dict[str, JSON]:
        """The whole report as JSON.

        >>> Report(()).to_json()
        {'works': True, 'findings': []}
        """
        return {"works": self.works, "findings": [asdict(finding) for finding in self.findings]}
