"""`--with`: several indexes searched and explained as one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hybridge import FusedRetriever, HybridIndex, Passage
from hybridge.cli.commands import hybridge

pytestmark = pytest.mark.model

NOTES = [Passage("fruit", "Apples grow on trees."), Passage("bread", "Bread needs yeast.")]
MAILS = [Passage("moon", "The moon circles the earth."), Passage("pie", "Apple pie needs apples.")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("fusing")
    made = []
    for name, passages in (("notes", NOTES), ("mails", MAILS), ("old/notes", MAILS[:1])):
        with HybridIndex.create(root / name) as index:
            index.add(passages)
        made.append(str(root / name))
    return made


def run(*arguments: str) -> Result:
    result = CliRunner(env={"COLUMNS": "120"}).invoke(hybridge, arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.slow
def test_several_indexes_are_searched_as_one(folders: list[str]) -> None:
    notes, mails, old = folders
    found: list[Any] = json.loads(
        run("search", notes, "apples", "--with", mails, "--with", old, "--json").stdout
    )
    with (
        HybridIndex.open(notes) as first,
        HybridIndex.open(mails) as second,
        HybridIndex.open(old) as third,
    ):
        fused = FusedRetriever({"notes": first, "mails": second, "notes (2)": third})
        [hits] = fused.search(["apples"], 5)
    assert [(each["id"], each["score"]) for each in found] == [
        (hit.passage.id, pytest.approx(hit.score)) for hit in hits
    ]
    stages = {entry["stage"] for each in found for entry in each["trace"]}
    assert {"notes", "notes/dense", "mails", "notes (2)", "fusion"} <= stages


def test_explain_says_what_each_index_adds(folders: list[str], tmp_path: Path) -> None:
    notes, mails, _ = folders
    page = tmp_path / "page.html"
    shown = run(
        "explain", notes, "apples", "--with", mails, "--passage", "pie", "--html", str(page)
    )
    assert "mails: BM25" in shown.stdout
    assert "notes: not found" in shown.stdout
    assert "mails: BM25" in page.read_text("utf-8")
    told = run("explain", notes, "apples", "--with", mails, "--passage", "pie", "--json").stdout
    assert list(json.loads(told)["members"]) == ["notes", "mails"]


def test_an_index_that_is_not_there_is_named(folders: list[str], tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere")
    result = CliRunner().invoke(hybridge, ["search", folders[0], "apples", "--with", missing])
    assert result.exit_code == 1
    assert "nowhere" in result.output.replace("\n", "")


@pytest.fixture
def questions(tmp_path: Path) -> list[str]:
    queries, qrels = tmp_path / "queries.csv", tmp_path / "qrels.csv"
    queries.write_text("a,What grows on trees?\nb,What circles the earth?\n")
    qrels.write_text("a,fruit,1\nb,moon,1\n")
    return ["--queries", str(queries), "--qrels", str(qrels)]


def test_evaluate_has_a_row_for_each_index_and_one_for_all(
    folders: list[str], questions: list[str]
) -> None:
    notes, mails, _ = folders
    facts = json.loads(run("evaluate", notes, "--with", mails, *questions, "--json").stdout)
    assert list(facts["results"]) == ["notes", "mails", "fused"]
    assert [facts["results"][row]["recall@100"] for row in facts["results"]] == [0.5, 0.5, 1.0]
    assert (facts["collection"], facts["passages"]) == ("notes + mails", 4)
    asked = ["evaluate", notes, "--with", mails, *questions, "--baseline", "mails"]
    assert "mails" in run(*asked).stdout
    refused = CliRunner().invoke(hybridge, [*asked[:-1], "hybrid"])
    assert refused.exit_code == 2
    assert "none of notes, mails, fused" in refused.output


def test_tune_finds_the_weights_of_the_indexes(folders: list[str], questions: list[str]) -> None:
    notes, mails, _ = folders
    told = run("tune", notes, "--with", mails, *questions, "--folds", "2", "--json").stdout
    assert list(json.loads(told)["chosen"]["weights"] or {}) in (["notes", "mails"], [])
    assert list(json.loads(told)["default"]["weights"]) == ["notes", "mails"]


def test_a_collection_is_not_fused_with_an_index(folders: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(hybridge, ["tune", str(tmp_path), "--with", folders[0]])
    assert result.exit_code == 2
    assert "--with is for an index" in result.output


@pytest.mark.parametrize("command", ["search", "explain"])
def test_conditions_hold_for_every_index(folders: list[str], command: str) -> None:
    notes, mails, _ = folders
    found = json.loads(run(command, notes, "+trees apples", "--with", mails, "--json").stdout)
    hits = found if command == "search" else found["hits"]
    assert len(hits) == 1
    plain = json.loads(
        run(command, notes, "+trees apples", "--with", mails, "--plain", "--json").stdout
    )
    assert len(plain if command == "search" else plain["hits"]) == 4
