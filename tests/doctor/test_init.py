"""The whole examination: every area, whatever the environment is like."""

from __future__ import annotations

import subprocess
import sys
from itertools import groupby

import pytest

import hybridge.doctor
from hybridge.doctor import Finding, examine

AREAS = ["platform", "core", "extras", "models", "compilers", "threads", "precision"]


def test_every_area_once_and_in_order() -> None:
    report = examine()
    assert [area for area, _ in groupby(report.findings, key=lambda each: each.area)] == AREAS
    assert all(finding.detail for finding in report.findings)
    assert all(finding.state != "ok" or not finding.remedy for finding in report.findings)


def test_a_check_that_fails_is_a_finding_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def examine_oddity() -> object:
        yield Finding("core", "first", "ok", "seen before the failure")
        raise RecursionError("too odd")

    monkeypatch.setitem(hybridge.doctor._CHECKS, "core", (examine_oddity,))
    report = examine()
    assert not report.works
    found = [finding for finding in report.findings if finding.area == "core"]
    assert [(finding.name, finding.state) for finding in found] == [
        ("first", "ok"),
        ("oddity", "missing"),
    ]
    assert found[1].detail == "failed with RecursionError: too odd"
    assert report.findings[-1].area == "precision"


@pytest.mark.parametrize(
    ("module", "area"),
    [("onnxruntime", "core"), ("packaging", "core"), ("huggingface_hub", "models")],
)
def test_without_a_module_it_still_reports(module: str, area: str) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from hybridge.doctor import examine\n"
        "print(*(f'{each.area}: {each.detail}' for each in examine().gaps), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith(f"{area}: failed with")]
    assert len(told) >= 1
    assert module in told[0]
