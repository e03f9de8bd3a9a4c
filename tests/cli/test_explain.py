"""`hybridge explain`: answers and passages explained, drawn, as a page and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hybridge import HybridIndex, Passage
from hybridge.cli.commands import hybridge

pytestmark = pytest.mark.model

PASSAGES = [
    Passage("fruit", "Apples grow on trees.", {"title": "Fruit", "kind": "food"}),
    Passage("bread", "Bread needs flour and yeast.", {"kind": "food"}),
    Passage("stars", "The sun is a star.", {"kind": "sky"}),
    Passage("<moon>", "The moon goes around the earth. " * 30, {"kind": "sky"}),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("explain") / "idx"
    with HybridIndex.create(path, late_interaction=True) as made:
        made.add(PASSAGES)
    return str(path)


def explain(*arguments: str, columns: int = 100) -> Result:
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(hybridge, ["explain", *arguments])


def test_answers_as_a_table_and_the_first_in_full(index: str) -> None:
    result = explain(index, "Which fruit grows on trees?", "-k", "2")
    assert result.exit_code == 0, result.output
    assert "BM25" in result.stdout
    assert "Fruit · fruit" in result.stdout
    assert "fruit: rank 1" in result.stdout
    assert "convex fusion" in result.stdout
    assert "late-interaction blended" in result.stdout
    assert "\x1b" not in result.stdout


def test_one_passage_and_why_it_was_missed(index: str) -> None:
    result = explain(index, "Which fruit grows on trees?", "--passage", "<moon>", "-k", "1")
    assert result.exit_code == 0, result.output
    assert "<moon>: not found:" in result.stdout
    assert "k is 1" in " ".join(result.stdout.split())


def test_filters_and_rerankers(index: str) -> None:
    sky = '{"kind": "sky"}'
    result = explain(index, "trees", "--passage", "fruit", "--where", sky)
    assert "the filter excludes it" in result.stdout
    result = explain(index, "trees", "--passage", "fruit", "--rerank", "colbert", "--json")
    told = json.loads(result.stdout)
    assert told["rank"] == 1
    assert told["late"]["late-interaction"]["stage"] == "late-interaction"
    assert told["blends"][0]["blend"] == 0.35


def test_json_is_the_whole_of_stdout(index: str) -> None:
    told = json.loads(explain(index, "apples on trees", "--json").stdout)
    assert told["hits"][0]["passage"]["id"] == "fruit"
    assert told["explanations"][0]["stages"]["bm25"]["terms"][0]["term"] == "appl"
    assert len(told["candidates"]) == 4


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ([], "a.svg"),
        (["--picture", "scores"], "a.png"),
        (["--picture", "terms"], "a.svg"),
        (["--passage", "fruit"], "a.svg"),
        (["--passage", "bread", "--picture", "flow"], "a.svg"),
    ],
)
def test_pictures(index: str, tmp_path: Path, options: list[str], name: str) -> None:
    path = tmp_path / name
    result = explain(index, "apples on trees", "--plot", str(path), *options)
    assert result.exit_code == 0, result.output
    assert path.read_bytes()[:5] in (b"<?xml", b"\x89PNG\r")


def test_a_page(index: str, tmp_path: Path) -> None:
    for options in ([], ["--passage", "<moon>"]):
        path = tmp_path / "page.html"
        result = explain(index, "the <b>moon</b>", "--html", str(path), *options)
        assert result.exit_code == 0, result.output
        page = path.read_text("utf-8")
        assert page.startswith("<!DOCTYPE html>")
        assert "&lt;moon&gt;" in page
        assert "<b>moon" not in page


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["why"], "Missing argument 'QUERY'"),
        (["IDX", "why", "--picture", "flow"], "--plot"),
        (["IDX", "why", "--plot", "a.gif"], "does not end in .png or .svg"),
        (["IDX", "why", "--html", "a.txt"], "does not end in .html"),
        (["IDX", " "], "blank"),
        (["IDX", "why", "--passage", "nowhere"], "no passage has the id 'nowhere'"),
        (["IDX", "why", "--where", "{"], "is not JSON"),
    ],
)
def test_bad_input_is_one_line(index: str, arguments: list[Any], says: str) -> None:
    result = explain(*[index if one == "IDX" else one for one in arguments])
    assert result.exit_code in (1, 2)
    assert says in result.stderr
    assert "Traceback" not in result.output
