"""`hybridge demo`, on a few topics of the reference."""

from __future__ import annotations

from pathlib import Path
from pydoc_data import topics

import pytest
from click.testing import CliRunner

from hybridge.cli.commands import hybridge
from hybridge.cli.demo import _answer
from hybridge.passages import Hit, Passage, StageScore

pytestmark = [pytest.mark.engine, pytest.mark.model]

FEW = ("callable-types", "dict", "pass", "while")


@pytest.fixture(autouse=True)
def few_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "topics", {name: topics.topics[name] for name in FEW})


@pytest.mark.slow
def test_it_asks_its_questions_and_shows_what_every_stage_said() -> None:
    result = CliRunner(env={"COLUMNS": "70"}).invoke(hybridge, ["demo"])
    assert result.exit_code == 0, result.output
    assert "How do I make an object callable like a function?" in result.stdout
    assert "callable-types#0" in result.stdout
    header = next(line for line in result.stdout.splitlines() if "BM25" in line)
    assert header.split("BM25")[1].split()[:3] == ["dense", "hybrid", "late"]
    # The default cross-encoder is not on a machine that reaches no hub, and that is said.
    assert "No cross-encoder: cross-encoder/ms-marco-MiniLM-L6-v2" in result.stdout
    assert "#1 " in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 70
    assert "\x1b" not in result.stdout


@pytest.mark.slow
def test_an_own_question_to_an_index_that_is_kept(tmp_path: Path) -> None:
    arguments = ["demo", "--keep", str(tmp_path / "idx"), "--ask", "How does a loop end?"]
    for _ in range(2):
        result = CliRunner().invoke(hybridge, arguments)
        assert result.exit_code == 0, result.output
        assert "How does a loop end?" in result.stdout
        assert "class" not in result.stdout
    found = CliRunner().invoke(hybridge, ["search", str(tmp_path / "idx"), "loop", "--json"])
    assert found.exit_code == 0


def hit(name: str, **ranks: int) -> Hit:
    return Hit(Passage(name, name), 1.0, tuple(StageScore(s, r, 0.5) for s, r in ranks.items()))


def test_the_stages_are_those_of_the_traces() -> None:
    hits = [
        hit("a", splade=2, titles=3, fusion=1, mine=1, **{"mine:blend": 1}),
        hit("b", splade=3, titles=2, fusion=2, mine=2, **{"mine:blend": 2}),
        hit("c", splade=4, titles=4, fusion=3, mine=3, **{"mine:blend": 3}),
        hit("d", splade=1, titles=5, fusion=4, mine=4, **{"mine:blend": 4}),
        hit("e", splade=5, titles=1, fusion=5, mine=5, **{"mine:blend": 5}),
    ]
    lines = str(_answer("Why?", hits)).splitlines()
    assert lines[:3] == ["Why?", "  a", ""]
    assert lines[3].split() == ["passage", "splade", "titles", "hybrid", "mine"]
    # The best two, and the first of each stage before the fusion.
    assert [line.split()[0] for line in lines[4:8]] == ["a", "b", "d", "e"]
