"""`hybridge fields`: what `HybridIndex.fields` says, readable and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hybridge import BM25, HybridIndex, Passage
from hybridge.cli.commands import hybridge


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fields") / "idx"
    with HybridIndex.create(path, stages=[BM25()]) as made:
        made.add(
            Passage(f"p{i}", "text", {"year": 2000 + i, "topic": "law" if i % 3 else "art"})
            for i in range(30)
        )
    return path


@pytest.mark.engine
def test_json(folder: Path) -> None:
    found = json.loads(CliRunner().invoke(hybridge, ["fields", str(folder), "--json"]).stdout)
    topic, year = found
    assert (topic["name"], topic["types"], topic["count"]) == ("topic", ["string"], 30)
    assert topic["values"] == [["law", 20], ["art", 10]]
    assert (year["minimum"], year["maximum"], year["values"]) == (2000, 2029, [])


@pytest.mark.engine
def test_a_table_of_the_passages_that_pass(folder: Path) -> None:
    command = ["fields", str(folder), "--where", '{"topic": "art"}']
    result = CliRunner(env={"COLUMNS": "80"}).invoke(hybridge, command)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["topic", "string", "10", "art", "10"] in rows
    year = next(row for row in rows if row[:1] == ["year"])
    assert year[:4] == ["year", "number", "10", "2000"]
