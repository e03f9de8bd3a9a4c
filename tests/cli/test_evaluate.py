"""`hybridge evaluate`: three rows, the same figures for machines, and the cache of vectors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hybridge.cli.commands import hybridge

CORPUS = {
    "d1": "Apples grow on trees.",
    "d2": "Bread needs flour and yeast.",
    "d3": "The sun is a star.",
    "d4": "A physician looks after the sick.",
}


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    (folder / "qrels").mkdir(parents=True)
    queries = {"q1": "apples on trees", "q2": "hospital doctor"}
    for name, texts in (("corpus", CORPUS), ("queries", queries)):
        lines = (json.dumps({"_id": key, "text": text}) + "\n" for key, text in texts.items())
        (folder / f"{name}.jsonl").write_text("".join(lines))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td4\t1\n")
    return folder


def evaluate(*arguments: str | Path, columns: int = 80) -> Result:
    runner = CliRunner(env={"COLUMNS": str(columns)})
    return runner.invoke(hybridge, ["evaluate", *map(str, arguments)])


def test_three_rows_of_three_measures(beir: Path) -> None:
    result = evaluate(beir, columns=44)
    assert result.exit_code == 0, result.output
    title, *table = result.stdout.splitlines()
    assert title == "tiny (test): 2 queries, 4 passages"
    assert [line.split() for line in table] == [
        ["nDCG@10", "recall@100", "MRR@10"],
        ["BM25", *["0.500"] * 3],  # no word of the second question is in its answer
        ["dense", *["1.000"] * 3],
        ["hybrid", *["1.000"] * 3],
    ]


def test_a_row_for_each_reranker_on_top_of_the_others(beir: Path, models_path: Path) -> None:
    model = models_path / "scifact-cross-encoder"
    facts = json.loads(
        evaluate(beir, "--rerank", "colbert", "--cross-encoder", model, "--json").stdout
    )
    rows = ["BM25", "dense", "hybrid", "+ late interaction", "+ cross-encoder"]
    assert list(facts["results"]) == rows
    # Both questions are answered by one passage each, and the halves disagree on the second only.
    assert facts["results"]["hybrid"]["recall@100"] == 1.0
    assert facts["results"]["+ late interaction"]["nDCG@10"] == 1.0
    assert facts["results"]["+ cross-encoder"]["recall@100"] == 1.0


def test_the_rows_are_in_the_order_asked_for(beir: Path, models_path: Path) -> None:
    model = models_path / "scifact-cross-encoder"
    order = ["--rerank", "cross-encoder", "--rerank", "colbert", "--cross-encoder", model]
    facts = json.loads(evaluate(beir, *order, "--json").stdout)
    assert list(facts["results"])[3:] == ["+ cross-encoder", "+ late interaction"]


def test_json_is_the_whole_of_stdout(beir: Path) -> None:
    facts = json.loads(evaluate(beir, "--json", "--lexical", "qdrant").stdout)
    assert facts["results"]["BM25"] == {"nDCG@10": 0.5, "recall@100": 0.5, "MRR@10": 0.5}
    assert list(facts["results"]) == ["BM25", "dense", "hybrid"]
    assert {key: facts[key] for key in ("collection", "split", "passages", "queries")} == {
        "collection": "tiny",
        "split": "test",
        "passages": 4,
        "queries": 2,
    }
    assert "MiniLM" in facts["encoder"]


def test_cached_vectors_are_used(beir: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = evaluate(beir, "--json", "--cache", cache)
    [file] = cache.iterdir()
    vectors = np.load(file)
    assert vectors.shape == (4, 384)
    assert evaluate(beir, "--json", "--cache", cache).stdout == before.stdout
    np.save(file, vectors[::-1])  # as if the passages had each other's vectors
    changed = json.loads(evaluate(beir, "--json", "--cache", cache).stdout)
    assert changed["results"]["dense"]["MRR@10"] < 1


def test_a_split_that_is_not_there(beir: Path) -> None:
    result = evaluate(beir, "--split", "dev")
    assert result.exit_code == 1
    assert "there is no qrels/dev.tsv; it has the splits test" in result.stderr
