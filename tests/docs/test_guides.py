"""Every Python example of the site's pages runs, and prints what the page says that it prints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest
from unittest.mock import patch

import mcp.client.stdio  # noqa: F401 - keeps the standard error that it is imported under
import pytest

from hybridge.fusion import FUSIONS

DOCS = Path(__file__).parents[2] / "docs"
# An example, and what it prints where a block of text follows at once.
EXAMPLE = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
PAGES = sorted(page for page in DOCS.rglob("*.md") if EXAMPLE.search(page.read_text("utf-8")))


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[Path], dict[str, Any]]]:
    """Runs a page's examples in an empty folder, and returns the names that they leave."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHAINLP_READ_ONLY", "1")  # or it makes a folder in the user's home

    def run(page: Path) -> dict[str, Any]:
        names: dict[str, Any] = {"__name__": page.stem}
        for example in EXAMPLE.finditer(page.read_text("utf-8")):
            exec(compile(example["code"], str(page), "exec", dont_inherit=True), names)
            printed = capsys.readouterr().out
            if example["printed"] is not None:
                assert printed == example["printed"]
        return names

    with patch.dict(FUSIONS):  # a page registers one of its own
        yield run


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.model
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_every_example_prints_what_the_page_says(
    page: Path, run: Callable[[Path], dict[str, Any]]
) -> None:
    run(page)


@pytest.mark.engine
def test_the_retriever_of_ones_own_keeps_every_rule(
    run: Callable[[Path], dict[str, Any]],
) -> None:
    suite = run(DOCS / "guides" / "own-stages.md")["TestLongest"]()
    rules = [name for name in dir(suite) if name.startswith("test_")]
    assert len(rules) > 20
    skipped = set()
    for rule in rules:
        try:
            getattr(suite, rule)()
        except SkipTest:
            skipped.add(rule)
    # It has no method score.
    assert len(skipped) == 4
    assert all(rule.startswith("test_score_") for rule in skipped)
