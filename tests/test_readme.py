"""Every Python example in the README runs, in the order it stands there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parents[1] / "README.md"
LEFT_BEHIND = ("hits", "answer", "hit", "evaluation", "explanation")


def test_the_readme_runs(
    run_readme: Callable[..., Iterator[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    left = [{name: names.get(name) for name in LEFT_BEHIND} for names in run_readme(README)]
    first, langchain, llama_index, measured, late, pipeline, plaid, bm25 = left
    assert [hit.passage.id for hit in first["hits"]] == ["p1", "p2"]
    assert {entry.stage for entry in first["hits"][0].trace} == {"bm25", "dense", "fusion"}
    answer = langchain["answer"].text
    assert "Aspirin thins the blood." in answer
    assert "Warfarin is an anticoagulant." in answer
    assert answer.endswith("which drugs prevent clotting?")
    assert {found.node_id for found in llama_index["answer"].source_nodes} == {"p1", "p2"}
    assert "Query: which drugs prevent clotting?" in str(llama_index["answer"])
    assert measured["evaluation"].mean("hybrid", "RR@10") == 1.0
    assert measured["explanation"].rank == 2
    assert [hit.passage.id for hit in late["hits"]] == ["p1", "p2"]
    assert late["hits"][0].trace[-1].stage == "late-interaction:blend"
    assert {hit.passage.id for hit in pipeline["hits"]} == {"p1", "p2"}
    assert pipeline["hits"][0].trace[-1].stage == "colbert:blend"
    assert plaid["hit"].passage.id == "p1"
    assert bm25["hit"].passage.id == "a"
    printed = capsys.readouterr().out
    assert "Aspirin" in printed
    assert "keep it." in printed  # two questions prove nothing
