"""What `pytest --unmarked`, and with it `make check`, runs and refuses."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Check = Callable[..., str]

MARKED = {
    "a name": "def test_it(): HybridIndex",
    "a name in a helper": "def helper(): return CrossEncoderReranker\ndef test_it(): helper()",
    "a name in a helper of a comprehension": (
        "def helper(): return CrossEncoderReranker\ndef test_it(): [helper() for _ in 'a']"
    ),
    "a name in a fixture": "@pytest.fixture\ndef made(): HybridIndex\ndef test_it(made): ...",
    "a name in a parameter": (
        "@pytest.mark.parametrize('make', [lambda: HybridIndex])\ndef test_it(make): ..."
    ),
    "a name in a nested function": "def test_it():\n def inner(): HybridIndex\n inner",
    "a name in a suite": "class TestIt:\n def build(self): HybridIndex\n def test_it(self): ...",
    "a name under hypothesis": "@given(st.none())\ndef test_it(_): HybridIndex",
    "a module": "def test_it():\n import subprocess",
    "a module at the top": "import torch\ndef test_it(): ...",
    "a mark": "@pytest.mark.slow\ndef test_it(): ...",
}
REFUSED = {
    "This test imports torch: mark it 'model'.": "def test_it(): importlib.import_module('torch')",
    "This test imports qdrant_edge: mark it 'engine'.": (
        "def test_it(): importlib.import_module('qdrant_edge')"
    ),
    "This test starts a process: mark it 'slow'.": "def test_it(): os.popen('true').close()",
}


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Runs a file of tests, and says how the run ended."""
    shutil.copy(Path(__file__).parents[1] / "conftest.py", tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (tmp_path / "tests").mkdir()

    def run(tests: dict[str, str], *options: str) -> str:
        names = "import importlib, os, pytest\nfrom hypothesis import given, strategies as st\n"
        for index, source in enumerate(tests.values()):
            (tmp_path / "tests" / f"test_{index}.py").write_text(names + source)
        command = [sys.executable, "-m", "pytest", "-q", *options, "--tb=short", "tests"]
        command += ["--import-mode=importlib", "-p", "no:cacheprovider"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout

    return run


def test_what_has_a_mark_is_left_out(check: Check) -> None:
    told = check({**MARKED, "none": "def test_it(): ..."}, "--unmarked")
    assert f"1 passed, {len(MARKED) - 1} deselected" in told, told  # one is not even imported


def test_what_lacks_its_mark_fails_and_says_which(check: Check) -> None:
    told = check(REFUSED, "--unmarked")
    assert f"{len(REFUSED)} failed" in told, told
    for message in REFUSED:
        assert message in told


def test_whether_a_module_is_installed_may_be_asked(check: Check) -> None:
    asks = "def test_it(): assert importlib.util.find_spec('torch')"
    assert "1 passed" in check({"asks": f"import importlib.util\n{asks}"}, "--unmarked")


def test_a_run_of_everything_refuses_them_too_and_nothing_else(check: Check) -> None:
    starts = REFUSED["This test starts a process: mark it 'slow'."]
    told = check({"unmarked": starts, "marked": f"@pytest.mark.slow\n{starts}"})
    assert "1 failed, 1 passed" in told, told
