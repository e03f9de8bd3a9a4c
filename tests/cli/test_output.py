"""What is printed: cut at words, harmless, and as wide as there is room."""

from __future__ import annotations

import json

import pytest

from hybridge.cli.output import excerpt, hit_to_json, name_of, print_json, progress, stage_text
from hybridge.passages import Hit, Passage, StageScore


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short", "short"),
        ("two\n\n  lines\tof it", "two lines of it"),
        ("one two three, fourteen", "one two three …"),
        ("evil \x1b[31mred\x07 text", "evil [31mred text"),
        ("[bold]kept[/bold]", "[bold]kept[/bold]"),
        ("", ""),
    ],
)
def test_an_excerpt_is_one_harmless_line(text: str, shown: str) -> None:
    assert excerpt(text, 17).plain == shown


def test_a_passage_is_called_by_its_title_and_id() -> None:
    assert name_of(Passage("p1", "text", {"title": "A title"})).plain == "A title · p1"
    assert name_of(Passage("p1", "text")).plain == "p1"
    assert name_of(Passage("p1", "text", {"title": 5})).plain == "p1"


def test_what_a_stage_said() -> None:
    assert stage_text(StageScore("bm25", 3, 12.3456)) == "#3 12.3"
    assert stage_text(None) == "–"


def test_a_hit_as_json_keeps_everything(capsys: pytest.CaptureFixture[str]) -> None:
    hit = Hit(Passage("p", "Straße", {"year": 2019}), 0.5, (StageScore("bm25", 1, 2.5),))
    print_json([hit_to_json(hit)])
    written = capsys.readouterr().out
    assert "Straße" in written
    assert json.loads(written) == [
        {
            "id": "p",
            "score": 0.5,
            "text": "Straße",
            "metadata": {"year": 2019},
            "trace": [{"stage": "bm25", "rank": 1, "score": 2.5}],
        }
    ]


def test_progress_is_silent_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as bar:
        task = bar.add_task("Working", total=2)
        bar.advance(task)
    assert capsys.readouterr() == ("", "")
