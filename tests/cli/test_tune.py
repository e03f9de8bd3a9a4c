"""`hybridge tune`: what Python's `tune` finds, for people and machines, and nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hybridge import HybridIndex, SentenceTransformerEncoder
from hybridge.cli.commands import hybridge
from hybridge.demo import labelled_questions
from hybridge.evaluation import Collection
from hybridge.tuning import tune


def run(*arguments: str | Path) -> Result:
    runner = CliRunner(env={"COLUMNS": "120"})
    return runner.invoke(hybridge, ["tune", *map(str, arguments)])


@pytest.fixture(scope="module")
def questions() -> Collection:
    """The first twenty questions over the reference, and the passages that answer them."""
    every = labelled_questions()
    queries = dict(list(every.queries.items())[:20])
    qrels = {query: every.qrels[query] for query in queries}
    answers = {passage for judged in qrels.values() for passage in judged}
    return Collection([p for p in every.passages if p.id in answers], queries, qrels)


@pytest.fixture(scope="module")
def own(
    questions: Collection,
    encoder: SentenceTransformerEncoder,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[str | Path]:
    """The arguments for an index of the passages, and the questions."""
    folder = tmp_path_factory.mktemp("tune")
    with HybridIndex.create(folder / "index", encoder=encoder) as index:
        index.add(questions.passages)
    lines = [json.dumps({"id": key, "text": text}) for key, text in questions.queries.items()]
    (folder / "queries.jsonl").write_text("\n".join(lines))
    rows = [f"{q},{p},{r}" for q, judged in questions.qrels.items() for p, r in judged.items()]
    (folder / "qrels.csv").write_text("\n".join(rows))
    files = ["--queries", folder / "queries.jsonl", "--qrels", folder / "qrels.csv"]
    return [folder / "index", *files]


@pytest.mark.slow
def test_it_finds_what_python_finds(questions: Collection, own: list[str | Path]) -> None:
    facts = json.loads(run(*own, "--measure", "MRR@5", "--folds", "4", "--json").stdout)
    with HybridIndex.open(own[0]) as index:
        found = tune(index, questions.queries, questions.qrels, "MRR@5", folds=4, progress=False)
    assert facts["measure"] == "MRR@5"
    assert facts["default"]["held_out"] == found.default_score
    assert facts["chosen"]["held_out"] == found.held_out_score
    assert facts["chosen"]["fusion"] == found.chosen.fusion.to_config()
    assert (facts["chosen"]["depth"], facts["chosen"]["k1"]) == (
        found.chosen.depth,
        found.chosen.k1,
    )
    assert (facts["p"], facts["within_noise"]) == (found.p, found.within_noise)
    assert facts["test"] is None
    assert (facts["passages"], facts["queries"]) == (len(questions.passages), 20)


@pytest.mark.slow
def test_people_read_the_verdict_and_see_the_curve(own: list[str | Path], tmp_path: Path) -> None:
    picture = tmp_path / "curve.png"
    result = run(*own, "--plot", picture)
    assert result.exit_code == 0, result.output
    title, head, default, chosen, *_ = result.stdout.splitlines()
    assert title.startswith("index (qrels.csv): 20 queries")
    assert "nDCG@10 held out" in head
    assert (default.split()[0], chosen.split()[0]) == ("default", "chosen")
    assert "settings tried" in " ".join(result.stdout.split())
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.model
def test_a_collection_is_tested_on_another_split(questions: Collection, tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    rows = {
        "corpus": [{"_id": p.id, "text": p.text} for p in questions.passages],
        "queries": [{"_id": key, "text": text} for key, text in questions.queries.items()],
    }
    for name, some in rows.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, some)))
    for at, split in enumerate(("train", "test")):
        judged = list(questions.qrels.items())[at::2]
        lines = [f"{query}\t{p}\t{r}" for query, some in judged for p, r in some.items()]
        (tmp_path / "qrels" / f"{split}.tsv").write_text("\n".join(lines))
    result = run(tmp_path, "--split", "train", "--test-split", "test", "--folds", "2", "--json")
    facts = json.loads(result.stdout)
    assert (facts["split"], facts["queries"]) == ("train", 10)
    assert 0 < facts["test"]["default"] <= 1
    assert 0 < facts["test"]["chosen"] <= 1


def test_an_unknown_measure_is_refused_first(tmp_path: Path) -> None:
    result = run(tmp_path / "no-collection", "--measure", "nDGC@10")
    assert result.exit_code == 1
    assert "there is no measure 'nDGC@10'" in result.stderr


def test_an_index_has_no_test_split(own: list[str | Path]) -> None:
    result = run(*own, "--test-split", "test")
    assert result.exit_code == 2
    assert "--test-split is for a collection" in result.stderr
