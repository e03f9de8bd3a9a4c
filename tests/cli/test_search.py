"""`hybridge search`: tables for people, JSON for machines, and what every stage said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hybridge import BM25, HybridIndex, Passage
from hybridge.cli.commands import hybridge

PASSAGES = [
    Passage("fruit", "Apples grow on trees.", {"title": "Fruit", "kind": "food"}),
    Passage("bread", "Bread needs flour and yeast.", {"kind": "food"}),
    Passage("stars", "The sun is a star.", {"kind": "sky"}),
    Passage("moon", "The moon goes around the earth. " * 30, {"kind": "sky"}),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("search") / "idx"
    with HybridIndex.create(path) as made:
        made.add(PASSAGES)
    return str(path)


def search(*arguments: str, columns: int = 80) -> Result:
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(hybridge, ["search", *arguments])


@pytest.mark.model
def test_the_best_passages_come_first(index: str) -> None:
    result = search(index, "Which fruit grows on trees?", "-k", "2")
    assert result.exit_code == 0, result.output
    first, *_ = result.stdout.splitlines()
    assert first.startswith("1 ")
    assert "Fruit · fruit" in first
    assert "Apples grow on trees." in result.stdout
    assert "\x1b" not in result.stdout
    assert "\n2 " in result.stdout
    assert "\n3 " not in result.stdout


@pytest.mark.model
def test_explain_shows_what_every_stage_said(index: str) -> None:
    result = search(index, "apples on trees", "--explain", "--k", "1")
    for stage in ("BM25", "dense", "hybrid"):
        assert any(stage in line and "#1" in line for line in result.stdout.splitlines())


@pytest.mark.model
def test_json_is_the_whole_of_stdout(index: str) -> None:
    result = search(index, "apples on trees", "--json")
    best, *_ = json.loads(result.stdout)
    assert {key: best[key] for key in ("id", "text", "metadata")} == {
        "id": "fruit",
        "text": "Apples grow on trees.",
        "metadata": {"title": "Fruit", "kind": "food"},
    }
    assert [entry["stage"] for entry in best["trace"]] == ["bm25", "dense", "fusion"]
    assert all(entry["rank"] == 1 for entry in best["trace"])
    assert best["score"] == best["trace"][-1]["score"]


@pytest.mark.model
def test_where_filters(index: str) -> None:
    result = search(index, "apples on trees", "--json", "--where", '{"kind": "sky"}')
    assert {hit["id"] for hit in json.loads(result.stdout)} == {"stars", "moon"}


@pytest.mark.model
def test_a_long_passage_is_cut(index: str) -> None:
    result = search(index, "the moon", "-k", "1")
    assert "…" in result.stdout
    assert len(result.stdout) < 600


@pytest.mark.model
@pytest.mark.parametrize("explain", [[], ["--explain"]])
def test_a_narrow_terminal_is_not_overrun(index: str, explain: list[str]) -> None:
    result = search(index, "the moon", *explain, columns=40)
    assert max(map(len, result.stdout.splitlines())) <= 40


@pytest.mark.model
def test_nothing_found(index: str) -> None:
    assert search(index, "  ").stdout == "Nothing was found.\n"
    assert json.loads(search(index, "  ", "--json").stdout) == []


@pytest.mark.engine
def test_a_url_takes_the_place_of_the_folder() -> None:
    result = search("--url", ":memory:", "a question")
    assert result.exit_code == 1  # an index in memory is gone with its process
    assert "hybridge" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["idx"], "Missing argument 'QUERY'"),
        (["idx", "question", "--where", "{kind: sky}"], "not JSON"),
        (["idx", "question", "--k", "0"], "--k"),
        (["idx", "question", "--url", ":memory:"], "one of the two"),
    ],
)
def test_wrong_usage(arguments: list[str], says: str) -> None:
    result = search(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr


@pytest.mark.model
def test_an_unknown_filter_is_an_error(index: str) -> None:
    result = search(index, "moon", "--where", '{"kind": {"no-such-operator": 1}}')
    assert result.exit_code == 1
    assert "no-such-operator" in result.stderr


def test_no_index_is_an_error_and_makes_none(tmp_path: Path) -> None:
    assert search(str(tmp_path / "idx"), "question").exit_code == 1
    assert not (tmp_path / "idx").exists()


@pytest.mark.model
def test_operators_are_read_unless_text_is_plain(index: str) -> None:
    query = '"flour and yeast" grow -sun'
    assert [hit["id"] for hit in json.loads(search(index, query, "--json").stdout)] == ["bread"]
    plain = json.loads(search(index, query, "--plain", "--json").stdout)
    assert {hit["id"] for hit in plain} == {passage.id for passage in PASSAGES}
    result = search(index, "+apples")
    assert "Apples grow on trees." in result.stdout
    assert "Bread" not in result.stdout


@pytest.mark.model
def test_a_query_may_begin_with_a_sign_after_two_dashes(index: str) -> None:
    result = search(index, "--", "-apples bread")
    assert result.exit_code == 0, result.output
    assert "Apples" not in result.stdout
    refused = search(index, "--", "-apples")
    assert refused.exit_code == 1
    assert "only excludes" in refused.output


@pytest.fixture
def words(tmp_path: Path) -> str:
    with HybridIndex.create(tmp_path / "words", stages=[BM25()]) as made:
        made.add(PASSAGES)
    return str(tmp_path / "words")


def test_a_corrected_query_is_shown(words: str) -> None:
    result = search(words, "appels on trees", "-k", "1")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Showing results for apples on trees\n")
    assert "Fruit · fruit" in result.stdout
    signed = search(words, "appels +trees -bread", "-k", "1")
    assert signed.stdout.startswith("Showing results for apples +trees -bread\n")
    plain = search(words, "appels +trees", "--plain", "-k", "1")
    assert plain.stdout.startswith("Showing results for apples +trees\n")
    assert "Showing" not in search(words, "apples on trees").stdout
    [best] = json.loads(search(words, "appels", "--json").stdout)
    assert [entry.get("query") for entry in best["trace"]] == ["apples", None]


def test_spelling_can_be_turned_off(words: str) -> None:
    assert "Nothing was found." in search(words, "appels", "--no-spelling").stdout
    assert "Nothing was found." in search(words, "appels", "--no-spelling", "--with", words).stdout
    assert "fruit" in search(words, "appels", "--with", words).stdout
    explained = CliRunner().invoke(hybridge, ["explain", words, "appels"])
    assert "read as: apples" in explained.stdout
    explained = CliRunner().invoke(hybridge, ["explain", words, "appels", "--no-spelling"])
    assert "read as" not in explained.stdout


@pytest.mark.model
def test_k_counts_groups(index: str) -> None:
    def found(*options: str) -> list[str]:
        result = search(index, "bread, apples, sun and moon", "-k", "2", "--json", *options)
        assert result.exit_code == 0, result.output
        return [hit["metadata"]["kind"] for hit in json.loads(result.stdout)]

    assert sorted(found("--group-by", "kind")) == ["food", "sky"]
    assert sorted(found("--group-by", "kind", "--per-group", "2")) == ["food", "food", "sky", "sky"]


def test_groups_need_a_field(index: str) -> None:
    result = search(index, "moon", "--per-group", "2")
    assert result.exit_code == 2
    assert "--per-group needs --group-by" in result.output
