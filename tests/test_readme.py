"""Every Python example in the README runs, in the order it stands there."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert len(examples) >= 7
    spaces = []
    for example in examples:
        space: dict[str, object] = {}
        exec(compile(example, str(README), "exec"), space)
        spaces.append({name: space.get(name) for name in ("hits", "documents", "nodes", "hit")})
        space.clear()
        gc.collect()  # an index that nobody closed is closed when it is collected
    first, langchain, llama_index, late, pipeline, plaid, bm25 = spaces
    assert [hit.passage.id for hit in first["hits"]] == ["p1", "p2"]  # type: ignore[attr-defined]
    assert {entry.stage for entry in first["hits"][0].trace} == {"bm25", "dense", "fusion"}  # type: ignore[index]
    assert {found.id for found in langchain["documents"][:2]} == {"p1", "p2"}  # type: ignore[index]
    assert {found.node_id for found in llama_index["nodes"][:2]} == {"p1", "p2"}  # type: ignore[index]
    assert [hit.passage.id for hit in late["hits"]] == ["p1", "p2"]  # type: ignore[attr-defined]
    assert late["hits"][0].trace[-1].stage == "late-interaction:blend"  # type: ignore[index]
    assert {hit.passage.id for hit in pipeline["hits"]} == {"p1", "p2"}  # type: ignore[attr-defined]
    assert pipeline["hits"][0].trace[-1].stage == "colbert:blend"  # type: ignore[index]
    assert plaid["hit"].passage.id == "p1"  # type: ignore[attr-defined]
    assert bm25["hit"].passage.id == "a"  # type: ignore[attr-defined]
    assert "Aspirin" in capsys.readouterr().out
