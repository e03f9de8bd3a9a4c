"""`--floor` of search and explain, and of tune, which finds the minimum."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hybridge import HybridIndex, Passage, SentenceTransformerEncoder
from hybridge.cli.commands import hybridge

PASSAGES = [
    Passage("fruit", "Apples grow on trees."),
    Passage("bread", "Bread needs flour and yeast."),
    Passage("stars", "The sun is a star."),
]
pytestmark = [pytest.mark.engine, pytest.mark.model]


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(hybridge, list(map(str, arguments)))


@pytest.fixture(scope="module")
def index(encoder: SentenceTransformerEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("floors") / "idx"
    with HybridIndex.create(path, encoder=encoder) as made:
        made.add(PASSAGES)
    return path


def test_what_is_off_the_topic_finds_nothing(index: Path) -> None:
    found = run("search", index, "apples on trees", "--floor", "dense=0.5", "--json")
    assert [hit["id"] for hit in json.loads(found.stdout)] == ["fruit"]
    whole = ["--floor", "dense=0.5", "--floor-of", "list"]
    found = run("search", index, "apples on trees", *whole, "--json")
    assert len(json.loads(found.stdout)) > 1
    nothing = run("search", index, "interest rates of banks", *whole)
    assert "Nothing was found." in nothing.stdout
    told = run("explain", index, "apples on trees", "--floor", "dense=0.5", "--passage", "bread")
    assert "is below the floor, 0.5" in told.stdout


def test_a_mistake_is_one_line(index: Path) -> None:
    result = run("search", index, "apples", "--floor", "dense")
    assert result.exit_code == 2
    assert "'dense' is not a stage and a number: write dense=0.3" in result.stderr
    result = run("search", index, "apples", "--floor", "bm25=3")
    assert result.exit_code == 1
    assert "grow with the words of the query" in result.stderr


def test_tune_finds_the_minimum(index: Path, tmp_path: Path) -> None:
    queries = {"q1": "apples on trees", "q2": "flour for bread", "q3": "is the sun a star?"}
    rows = [{"id": id_, "text": text} for id_, text in queries.items()]
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, rows)))
    answers = zip(queries, ("fruit", "bread", "stars"), strict=True)
    (tmp_path / "qrels.csv").write_text("\n".join(f"{q},{p},1" for q, p in answers))
    (tmp_path / "off.txt").write_text("interest rates\n\nhow to swim\na red car\n")
    own = [index, "--queries", tmp_path / "queries.jsonl", "--qrels", tmp_path / "qrels.csv"]
    off_topic = ["--off-topic", tmp_path / "off.txt"]
    result = run("tune", *own, "--floor", "dense", *off_topic, "--json")
    facts = json.loads(result.stdout)
    assert (facts["chosen"]["nothing"], facts["chosen"]["lost"]) == (1.0, 0.0)
    assert 0 < facts["floor"]["dense"] < 1
    assert (facts["answered"], facts["unanswerable"], facts["auc"]) == (3, 3, 1.0)
    shown = run("tune", *own, "--floor", "dense", *off_topic)
    assert "of 3 questions without an answer find nothing" in shown.stdout
    alone = run("tune", *own, "--floor", "dense")
    assert "--floor and --off-topic go together" in alone.stderr
