"""Every Python example in the README runs, in the order it stands there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parents[1] / "README.md"
MOST_WORDS = 900
ASKED = "which drugs prevent clotting?"
TEXTS = {"Aspirin thins the blood.", "Warfarin is an anticoagulant."}


@pytest.mark.engine
@pytest.mark.model
def test_the_readme_runs(
    run_readme: Callable[..., Iterator[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    six_lines, langchain, llama_index = map(dict, run_readme(README))
    assert [hit.passage.id for hit in six_lines["hits"]] == ["p1", "p2"]
    assert {entry.stage for entry in six_lines["hits"][0].trace} == {"bm25", "dense", "fusion"}
    assert capsys.readouterr().out.startswith("Aspirin thins the blood. (StageScore(")
    assert {found.page_content for found in langchain["retriever"].invoke(ASKED)} == TEXTS
    assert {found.text for found in llama_index["answer"].source_nodes} == TEXTS
    # The small model answers from the passages: they alone name the drug.
    for answer in (langchain["answer"], str(llama_index["answer"])):
        assert re.search("warfarin|aspirin", answer, re.IGNORECASE)


def test_the_readme_is_read_in_ninety_seconds() -> None:
    assert len(README.read_text("utf-8").split()) <= MOST_WORDS
