"""`hybridge models`: what is here, what the hub has, and the recommendation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hybridge.catalogue import CATALOGUE
from hybridge.cli.commands import hybridge


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and one of ours."""
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HYBRIDGE_CACHE", str(tmp_path / "own"))
    return tmp_path


def run(*arguments: str, width: int = 100) -> str:
    result = CliRunner(env={"COLUMNS": str(width)}).invoke(hybridge, ["models", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def told(*arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run(*arguments, "--json"))
    return answer


def put_model(folder: Path, name: str, head: str) -> None:
    repository = folder / "hub" / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(snapshot.name)
    (snapshot / "config.json").write_text(json.dumps({"architectures": [head]}))
    (snapshot / "model.safetensors").write_bytes(bytes(2_000_000))


def test_json(caches: Path) -> None:
    put_model(caches, "me/judge", "BertForSequenceClassification")
    (caches / "own" / "graphs").mkdir(parents=True)
    (caches / "own" / "graphs" / "model.onnx").write_bytes(bytes(123))
    answer = told()
    here = {model["name"]: model for model in answer["here"]}
    assert here["me/judge"]["kind"] == "cross-encoder"
    assert here["me/judge"]["source"] == "cache"
    assert here["BAAI/bge-small-en-v1.5"]["dtype"] == "int8"
    assert {model["name"] for model in answer["known"]} == set(CATALOGUE)
    assert answer["caches"][str(caches / "own" / "graphs")] == 123
    assert answer["caches"][str(caches / "hub")] > 2_000_000
    recommended = {(model["kind"], model["source"]): model for model in answer["recommended"]}
    assert recommended["cross-encoder", "here"]["usage"] == (
        'Pipeline(index, CrossEncoderReranker("cross-encoder/ms-marco-MiniLM-L12-v2", '
        'dtype="int8"))'
    )


def put_graph(folder: Path, model: str, dtype: str, agreement: float | None) -> int:
    graph = folder / "own" / "graphs" / f"{model.replace('/', '-')}-{dtype}"
    graph.mkdir(parents=True)
    (graph / "model.onnx").write_bytes(bytes(3_000_000))
    record = {
        "model": model,
        "head": "tokens",
        "dtype": dtype,
        "against": agreement and "float32",
        "agreement": agreement,
    }
    (graph / "verified.json").write_text(json.dumps(record))
    return sum(file.stat().st_size for file in graph.iterdir())


def test_prepared_graphs_are_listed_and_removed(caches: Path) -> None:
    assert told()["graphs"] == []
    assert "Prepared for ONNX Runtime" not in run()
    small = put_graph(caches, "me/small", "int8", 0.98765432)
    other = put_graph(caches, "me/other", "float32", None)
    assert [(each["model"], each["dtype"], each["size"]) for each in told()["graphs"]] == [
        ("me/other", "float32", other),
        ("me/small", "int8", small),
    ]
    lines = [line.split() for line in run().splitlines()]
    assert ["me/small", "tokens", "int8", "3", "0.98765", "float32"] in lines
    assert ["me/other", "tokens", "float32", "3", "–", "–"] in lines
    refused = CliRunner().invoke(hybridge, ["models", "--remove-graphs", "me/absent"])
    assert refused.exit_code == 1
    assert "no graph in the cache is of 'me/absent': give one of me/other, me/small, all" in (
        " ".join(refused.output.split())
    )
    assert run("--remove-graphs", "me/small") == "Removed 3.0 MB of graphs.\n"
    assert [each["model"] for each in told()["graphs"]] == ["me/other"]
    assert told("--remove-graphs", "all") == {"removed_bytes": other}
    assert told()["graphs"] == []


def test_options_choose_among_all_models(caches: Path) -> None:
    put_model(caches, "me/judge", "BertForSequenceClassification")
    answer = told("--kind", "cross-encoder", "--max-size", "1")
    assert (answer["here"], answer["known"], answer["recommended"]) == ([], [], [])
    answer = told("--kind", "cross-encoder", "--max-size", "3")
    assert [model["name"] for model in answer["here"]] == ["me/judge"]
    answer = told("--language", "de", "--kind", "bi-encoder", "--need", "speed")
    assert answer["here"] == []
    assert answer["known"][0]["name"] == "intfloat/multilingual-e5-small"
    assert [model["source"] for model in answer["recommended"]] == ["on the hub"]


@pytest.mark.parametrize("width", [60, 100])
def test_tables_for_people(width: int) -> None:
    lines = run(width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert "On this machine" in lines
    assert "On the hub: bi-encoders" in lines
    assert any(line.startswith("  bi-encoder: BAAI/bge-small-en-v1.5 (here)") for line in lines)
    assert "No known model fits." in run("--max-size", "1")


def test_an_unknown_language_is_one_red_line() -> None:
    result = CliRunner().invoke(hybridge, ["models", "--language", "klingon"])
    assert result.exit_code == 1
    assert "no language 'klingon'" in result.output
