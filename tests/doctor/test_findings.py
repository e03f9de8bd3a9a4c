"""Findings and reports: what breaks the core, and JSON that says everything."""

from __future__ import annotations

import json

import pytest

from hybridge.doctor.findings import Finding, Report


@pytest.mark.parametrize(
    ("area", "state", "breaks"),
    [
        ("core", "missing", True),
        ("core", "note", False),
        ("core", "ok", False),
        ("models", "missing", False),
    ],
)
def test_only_what_the_core_misses_breaks_it(area: str, state: str, breaks: bool) -> None:
    finding = Finding(area, "it", state, "…")  # type: ignore[arg-type]
    assert finding.breaks_core is breaks
    assert Report((Finding("core", "other", "ok", "1.0"), finding)).works is not breaks


def test_gaps_are_what_is_not_ok_in_order() -> None:
    findings = [Finding("a", state, state, "") for state in ("note", "ok", "missing")]
    assert [gap.state for gap in Report(tuple(findings)).gaps] == ["note", "missing"]


def test_the_json_says_everything() -> None:
    report = Report((Finding("core", "numpy", "missing", "not installed", "pip install numpy"),))
    assert json.loads(json.dumps(report.to_json())) == {
        "works": False,
        "findings": [
            {
                "area": "core",
                "name": "numpy",
                "state": "missing",
                "detail": "not installed",
                "remedy": "pip install numpy",
            }
        ],
    }


def test_it_prints_a_table_for_each_area() -> None:
    findings = (
        Finding("core", "numpy", "missing", "not installed", "pip install numpy"),
        Finding("core", "torch", "ok", "2.2"),
        Finding("models", "hub", "note", "offline"),
    )
    assert str(Report(findings)).splitlines() == [
        "core",
        "  ✗  numpy  not installed",
        "            → pip install numpy",
        "  ✓  torch  2.2",
        "models",
        "  !  hub  offline",
        "",
        "The core lacks what it needs: see the crosses under core.",
    ]
    assert str(Report(findings[1:])).endswith("\nThe core has what it needs. Gaps elsewhere: 1.")
