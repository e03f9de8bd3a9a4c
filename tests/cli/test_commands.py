"""The command line as a whole: fast help, errors as one line, and what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hybridge.cli.commands import hybridge
from hybridge.errors import IndexNotFoundError

HEAVY = [
    "bm25s",
    "numba",
    "numpy",
    "qdrant_client",
    "qdrant_edge",
    "rich",
    "scipy",
    "sentence_transformers",
    "torch",
]


def run(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    start = ["-c", code] if code else ["-m", "hybridge"]
    return subprocess.run([sys.executable, *start, *arguments], capture_output=True, text=True)


def test_help_lists_the_commands_in_the_order_of_use() -> None:
    result = run("--help")
    assert result.returncode == 0
    found = [result.stdout.index(f"  {name}  ") for name in ("index", "search", "evaluate", "demo")]
    assert found == sorted(found)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom hybridge.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    result = run("index", "--help", code=code)
    assert "Usage" in result.stdout
    imported = set(result.stderr.split())
    assert imported.isdisjoint(HEAVY)


def test_an_error_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    result = run("search", str(tmp_path / "nowhere"), "a question")
    assert (result.returncode, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert "nowhere" in line


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    arguments = ["--debug", "info", str(tmp_path / "nowhere")]
    result = CliRunner().invoke(hybridge, arguments)
    assert isinstance(result.exception, IndexNotFoundError)


def test_an_error_is_red_on_a_terminal(tmp_path: Path) -> None:
    result = CliRunner().invoke(hybridge, ["info", str(tmp_path / "nowhere")], color=True)
    assert result.exit_code == 1
    assert result.stderr.startswith("\x1b[31mError: ")


@pytest.mark.parametrize(
    ("missing", "arguments"), [("click", ["--help"]), ("rich", ["index", __file__, "--to", "x"])]
)
def test_a_missing_extra_is_named(
    missing: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = f"import sys; sys.modules[{missing!r}] = None\nfrom hybridge.cli import main; main()"
    result = run(*arguments, code=code)
    assert result.returncode == 1
    assert f"'{missing}' is not installed" in result.stderr
    assert "hybridge[cli]" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_version() -> None:
    from hybridge import __version__

    assert run("--version").stdout == f"hybridge, version {__version__}\n"
