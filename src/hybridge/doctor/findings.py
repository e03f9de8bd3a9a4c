"""Findings, one for each thing that was looked at, and the report of them all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Literal, TypeAlias

from ..passages import JSON
from ..report import Line, Renderable, Section, Style, Styled, Table

__all__ = ["CORE", "Finding", "Report", "State"]

State: TypeAlias = Literal["ok", "missing", "note"]

# The one area without which nothing works.
CORE = "core"

_MARKS = {"ok": "✓", "missing": "✗", "note": "!"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        area: its area, such as ``"models"``.
        name: its name, such as ``"torch"``.
        state: ``"ok"``, ``"missing"`` (not there, or not as required) or ``"note"`` (there is
            something to know about it).
        detail: the facts, and what a gap means.
        remedy: how to close a gap; empty where there is none.
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
class Report(Renderable):
    """All findings, in the order to read them in; printed, a table for each area.

    Args:
        findings: those of an area in one piece.

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
        """The findings that are not ``"ok"``."""
        return [finding for finding in self.findings if finding.state != "ok"]

    def to_json(self) -> dict[str, JSON]:
        """Return the whole report as JSON.

        >>> Report(()).to_json()
        {'works': True, 'findings': []}
        """
        return {"works": self.works, "findings": [asdict(finding) for finding in self.findings]}

    def _report(self) -> Section:
        areas = [
            Section(area, [Table((), [row for finding in findings for row in _rows(finding)])])
            for area, findings in groupby(self.findings, key=lambda finding: finding.area)
        ]
        summary = f"The core has what it needs. Gaps elsewhere: {len(self.gaps)}."
        broken = Styled("The core lacks what it needs: see the crosses under core.", "bad")
        return Section(body=[*areas, "", summary if self.works else broken])


def _rows(finding: Finding) -> list[list[Line]]:
    """Build a finding's rows: its detail, and its remedy below."""
    worse: Style = "bad" if finding.breaks_core else "warn"
    mark = Styled(_MARKS[finding.state], "good" if finding.state == "ok" else worse)
    rows: list[list[Line]] = [[mark, finding.name, finding.detail]]
    return [*rows, ["", "", Styled(f"→ {finding.remedy}", "hint")]] if finding.remedy else rows
