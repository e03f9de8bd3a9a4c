"""`hybridge doctor`: the report for people and for machines, and the exit code."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hybridge.cli.commands import hybridge
from hybridge.doctor import Finding, Report

GOOD = Finding("core", "numpy", "ok", "2.4 (hybridge wants >=1.26)")
GAP = Finding("models", "a [bold]name", "missing", "not on this machine", "hf download it")
BROKEN = Finding("core", "torch", "missing", "not installed", "pip install torch")


def report(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    monkeypatch.setattr("hybridge.doctor.examine", lambda: Report(findings))


def test_what_works_is_exit_code_0_whatever_else_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report(monkeypatch, GOOD, GAP)
    result = CliRunner(env={"COLUMNS": "60"}).invoke(hybridge, ["doctor"])
    assert result.exit_code == 0
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert "  ✓  numpy  2.4 (hybridge wants >=1.26)" in lines
    assert "  ✗  a [bold]name  not on this machine" in lines
    assert any(line.strip() == "→ hf download it" for line in lines)
    assert lines[-1] == "The core has what it needs. Gaps elsewhere: 1."
    assert max(map(len, lines)) <= 60


def test_a_broken_core_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    report(monkeypatch, GOOD, BROKEN)
    result = CliRunner().invoke(hybridge, ["doctor"])
    assert result.exit_code == 1
    assert "→ pip install torch" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("The core lacks what it needs")


@pytest.mark.parametrize(("findings", "code"), [((GOOD, GAP), 0), ((GOOD, BROKEN), 1)])
def test_json(monkeypatch: pytest.MonkeyPatch, findings: tuple[Finding, ...], code: int) -> None:
    report(monkeypatch, *findings)
    result = CliRunner().invoke(hybridge, ["doctor", "--json"])
    assert result.exit_code == code
    assert json.loads(result.stdout) == Report(findings).to_json()


@pytest.mark.slow
def test_this_environment() -> None:
    result = CliRunner().invoke(hybridge, ["doctor", "--json"])
    told = json.loads(result.stdout)
    assert result.exit_code == (0 if told["works"] else 1)
    names = {finding["name"] for finding in told["findings"]}
    assert {"python", "torch", "offline", "hub", "ninja", "bfloat16"} <= names
