"""`--with`: several indexes searched and explained as one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hybridge import FusedRetriever, HybridIndex, Passage
from hybridge.cli.commands import hybridge

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
