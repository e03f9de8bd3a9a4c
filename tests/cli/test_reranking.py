"""The options that rerank: which stages then speak, by which models, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hybridge import HybridIndex, Passage
from hybridge.cli.commands import hybridge

pytestmark = pytest.mark.model

PASSAGES = [
    Passage("fruit", "Apples grow on trees."),
    Passage("bread", "Bread needs flour and yeast."),
    Passage("stars", "The sun is a star."),
]


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "with tokens"])
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("rerank") / "idx"
    with HybridIndex.create(path, late_interaction=request.param) as made:
        made.add(PASSAGES)
    return str(path)


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "100"}).invoke(hybridge, list(map(str, arguments)))


def stages(*arguments: str | Path) -> list[str]:
    result = run("search", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return [entry["stage"] for entry in json.loads(result.stdout)[0]["trace"]]


def test_colbert_uses_stored_tokens_where_there_are_any(index: str) -> None:
    with HybridIndex.open(index) as opened:
        stored = opened.late_interaction is not None
    name = "late-interaction" if stored else "colbert"
    found = stages(index, "apples on trees", "--rerank", "colbert")
    assert found == ["bm25", "dense", "fusion", name, f"{name}:blend"]


def test_a_cross_encoder_comes_behind_what_is_named_before_it(
    index: str, models_path: Path
) -> None:
    model = models_path / "scifact-cross-encoder"
    found = stages(
        index,
        "apples",
        "--rerank",
        "colbert",
        "--rerank",
        "cross-encoder",
        "--cross-encoder",
        model,
    )
    assert found[-2:] == ["cross-encoder", "cross-encoder:blend"]
    assert len(found) == 7


def test_naming_a_model_asks_for_its_reranker(index: str, models_path: Path) -> None:
    model = models_path / "scifact-cross-encoder"
    alone = stages(index, "apples", "--cross-encoder", model, "--blend", "1")
    assert alone[-1] == "cross-encoder"
    result = run("search", index, "apples", "--explain", "--cross-encoder", model)
    assert "cross" in result.stdout
    assert "blend" in result.stdout


def test_the_order_is_the_one_asked_for(index: str, models_path: Path) -> None:
    model = models_path / "scifact-cross-encoder"
    order = ["--rerank", "cross-encoder", "--rerank", "colbert", "--cross-encoder", model]
    found = stages(index, "apples", *order)
    assert found[:5] == ["bm25", "dense", "fusion", "cross-encoder", "cross-encoder:blend"]
    assert found[5] in ("late-interaction", "colbert")
    assert len(found) == 7


def test_a_model_of_one_s_own_stands_for_stored_tokens(index: str, minilm: Path) -> None:
    found = stages(index, "apples", "--colbert", minilm)
    assert found == ["bm25", "dense", "fusion", "colbert", "colbert:blend"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--blend", "0.5"], "ask for one with --rerank"),
        (["--rerank", "colbertt"], "'colbertt' is not one of"),
        (["--rerank", "colbert", "--blend", "2"], "2.0 is not in the range"),
        (["--cross-encoder", "no/such/folder"], "there is no folder 'no/such/folder'"),
    ],
)
def test_what_is_wrong_is_named(index: str, arguments: list[str], message: str) -> None:
    result = run("search", index, "apples", *arguments)
    assert result.exit_code != 0
    assert message in result.output


@pytest.mark.engine
@pytest.mark.model
def test_index_keeps_token_vectors_when_asked(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("Apples grow on trees.")
    made = run("index", tmp_path / "note.txt", "--to", tmp_path / "late", "--late-interaction")
    assert made.exit_code == 0, made.output
    facts = json.loads(run("info", tmp_path / "late", "--json").stdout)
    assert facts["stages"]["late-interaction"]["bytes_per_passage"] > 0
    assert "stages.late-interaction.bytes_per_passage" in run("info", tmp_path / "late").stdout
    run("index", tmp_path / "note.txt", "--to", tmp_path / "plain")
    refused = run("index", tmp_path / "note.txt", "--to", tmp_path / "plain", "--late-interaction")
    assert refused.exit_code == 1
    assert "was made without --late-interaction" in refused.output
