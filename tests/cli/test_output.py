"""What is printed: cut at words, harmless, and as wide as there is room."""

from __future__ import annotations

import json

import pytest

from hybridge.cli.output import (
    body_of,
    hit_to_json,
    is_blend,
    label_of,
    name_of,
    print_json,
    progress,
    stage_text,
)
from hybridge.passages import Hit, Passage, StageScore
from hybridge.report import Styled, plain


def test_a_passage_s_text_is_shown_without_its_title() -> None:
    titled = Passage("p1", "A title\n\nThe first words, and more.", {"title": "A title"})
    assert body_of(titled, 100) == "The first words, and more."
    assert body_of(titled, 18) == "The first words …"
    assert body_of(Passage("p1", "evil \x1b[31mred", {"title": 5}), 100) == "evil [31mred"


def test_a_passage_is_called_by_its_title_and_id() -> None:
    assert plain(name_of(Passage("p1", "text", {"title": "A title"}))) == "A title · p1"
    assert plain(name_of(Passage("p1", "text"))) == "p1"
    assert plain(name_of(Passage("p1", "text", {"title": 5}))) == "p1"


def test_what_a_stage_said() -> None:
    assert stage_text(StageScore("bm25", 3, 12.3456)) == Styled("#3 12.3")
    assert stage_text(StageScore("bm25", 1, 12.3456)) == Styled("#1 12.3", "good")
    assert stage_text(None) == "–"


@pytest.mark.parametrize(
    ("stage", "label", "blend"),
    [
        ("bm25", "BM25", False),
        ("fusion", "hybrid", False),
        ("splade", "splade", False),
        ("notes/dense", "notes/dense", False),
        ("colbert:blend", "blend", True),
        ("mine:blend", "blend", True),
    ],
)
def test_stages_of_any_name_have_a_title(stage: str, label: str, blend: bool) -> None:
    assert (label_of(stage), is_blend(stage)) == (label, blend)


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
