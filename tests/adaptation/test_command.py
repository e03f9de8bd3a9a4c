"""`hybridge adapt`: what Python's `adapt` finds, and an index that changes for a gain alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hybridge import Analyzer, HybridIndex, Passage
from hybridge.adaptation import TrainingSettings, adapt
from hybridge.adaptation.bi_encoder import TrainableBiEncoder
from hybridge.cli.commands import hybridge

# Each passage has three words, and its questions have their counterparts.
RANDOM = np.random.default_rng(0)
TOPICS = [RANDOM.choice(30, 3, replace=False).tolist() for _ in range(60)]
QUERIES = {
    f"{i}-{j}": " ".join(f"q{word}" for word in RANDOM.permutation(words)[:2])
    for i, words in enumerate(TOPICS)
    for j in range(4)
}
SETTINGS = TrainingSettings(batch_size=16, learning_rate=5e-3, max_tokens=None, patience=4)


def run(*arguments: str | Path) -> Result:
    runner = CliRunner(env={"COLUMNS": "200"})
    return runner.invoke(hybridge, ["adapt", *map(str, arguments)])


def encoder_of(index: Path, stage: str = "dense") -> str:
    with HybridIndex.open(index, read_only=True) as opened:
        return str(opened.stages[stage].definition.encoder.identity)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of random weights learns by larger steps than a trained one."""
    monkeypatch.setattr(TrainableBiEncoder, "defaults", SETTINGS)


@pytest.fixture
def index(tiny: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "index"
    whole_words = Analyzer(version=1)  # BM25 knows nothing: it takes no number out of a word
    with HybridIndex.create(folder, encoder=str(tiny), analyzer=whole_words) as made:
        made.add(
            Passage(
                f"d{i}",
                " ".join(f"p{word}" for word in words),
                {"title": " ".join(f"q{word}" for word in words)},
            )
            for i, words in enumerate(TOPICS)
        )
    return folder


@pytest.fixture
def judged(tmp_path: Path) -> list[str | Path]:
    """The options for the questions, and for a short training."""
    rows = [f"{query},{text}" for query, text in QUERIES.items()]
    (tmp_path / "queries.csv").write_text("\n".join(["id,text", *rows]))
    answers = [f"{query},d{query.split('-')[0]},1" for query in QUERIES]
    (tmp_path / "qrels.csv").write_text("\n".join(["query,passage,relevance", *answers]))
    files = ["--queries", tmp_path / "queries.csv", "--qrels", tmp_path / "qrels.csv"]
    return [*files, "--steps", "80"]


def test_a_gain_is_found_as_in_python_and_applied_when_asked(
    index: Path, judged: list[str | Path], tmp_path: Path
) -> None:
    parent = encoder_of(index)
    picture = tmp_path / "curve.png"

    facts = json.loads(run(index, *judged, "--plot", picture, "--json").stdout)

    assert (facts["collection"], facts["split"]) == ("index", "qrels.csv")
    assert (facts["passages"], facts["queries"]) == (60, 240)
    assert facts["folder"] == str(tmp_path / "index-adapted")
    assert (facts["within_noise"], facts["applied"]) == (False, False)
    assert encoder_of(index) == parent
    assert picture.read_bytes().startswith(b"\x89PNG")
    qrels = {query: {f"d{query.split('-')[0]}": 1} for query in QUERIES}
    with HybridIndex.open(index, read_only=True) as opened:
        settings = replace(SETTINGS, steps=80)
        found = adapt(opened, QUERIES, qrels, tmp_path / "index-adapted", settings=settings)
    assert facts["held_out"] == found.to_config()["held_out"]

    result = run(index, *judged, "--apply")

    assert result.exit_code == 0, result.output
    title, head, *rows = result.stdout.splitlines()
    assert title == "index (qrels.csv): 240 queries, 60 passages"
    assert head.split()[:3] == ["nDCG@10,", "held", "out"]
    assert rows[0].startswith("dense ")
    assert any(row.startswith("hybrid ") for row in rows)
    assert result.stdout.endswith(f"{index} has it as the stage 'dense'.\n")
    assert encoder_of(index) == found.model.identity != parent


def test_a_further_stage_is_put_beside_the_old_one(index: Path, judged: list[str | Path]) -> None:
    parent = encoder_of(index)

    facts = json.loads(run(index, *judged, "--apply", "--as", "mine", "--json").stdout)

    assert facts["applied"]
    assert encoder_of(index) == parent
    assert encoder_of(index, "mine") != parent
    again = run(index, *judged, "--apply", "--as", "mine")
    assert again.exit_code == 2
    assert "has a stage 'mine'" in again.stderr


def test_within_noise_the_index_stays_as_it_is(index: Path, tmp_path: Path) -> None:
    parent = encoder_of(index)
    shuffled = np.random.default_rng(0).permutation(list(QUERIES)).tolist()
    file = tmp_path / "pairs.json"  # LlamaIndex's, with the questions in it
    answers = {
        query: [f"d{other.split('-')[0]}"] for query, other in zip(QUERIES, shuffled, strict=True)
    }
    file.write_text(json.dumps({"queries": QUERIES, "corpus": {}, "relevant_docs": answers}))

    result = run(index, "--qrels", file, "--steps", "20", "--apply")

    assert result.exit_code == 0, result.output
    assert "eep the model that you have" in result.stdout
    assert result.stdout.endswith(f"{index} stays as it is.\n")
    assert encoder_of(index) == parent


def test_titles_of_the_corpus_train_without_labels(
    index: Path, judged: list[str | Path], tmp_path: Path
) -> None:
    options = ["--from-corpus", "--folder", tmp_path / "titles", "--share", "1", "--json"]
    result = run(index, *judged, *options)

    facts = json.loads(result.stdout)
    assert facts["questions"]["training"] == 0
    assert facts["share"] == 1
    assert facts["held_out"][0]["difference"] > 0.2
    assert (tmp_path / "titles" / "model").is_dir()


def test_a_test_is_measured_once_at_the_end(
    index: Path, judged: list[str | Path], tmp_path: Path
) -> None:
    tests = ["--test-queries", judged[1], "--test-qrels", judged[3]]
    facts = json.loads(run(index, *judged[:4], *tests, "--steps", "1", "--json").stdout)
    assert [row["name"] for row in facts["test"]] == ["dense", "hybrid of both", "hybrid"]


def test_a_cross_encoder_is_adapted_where_it_stands(
    index: Path,
    judged: list[str | Path],
    tiny_cross_encoder: Path,
) -> None:
    result = run(index, *judged, "--steps", "2", "--cross-encoder", tiny_cross_encoder, "--json")

    facts = json.loads(result.stdout)
    assert (facts["kind"], facts["stage"], facts["applied"]) == ("cross-encoder", None, False)
    assert [row["name"] for row in facts["held_out"]] == ["first stages alone", "reranked"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--apply", "--cross-encoder", "any"], "a reranker is no part of an index"),
        (["--stage", "dense", "--colbert", "any"], "one model is adapted"),
        (["--colbert", "any", "--cross-encoder", "any"], "one model is adapted"),
        (["--as", "mine"], "add --apply"),
        (["--as", "dense", "--apply"], "has a stage 'dense'"),
        (["--test-queries", "q.csv"], "--test-queries and --test-qrels go together"),
        (["--known-items", "20"], "not both"),
        (["--share", "1.5"], "--share"),
    ],
)
def test_options_that_do_not_go_together(
    index: Path, judged: list[str | Path], options: list[str], says: str
) -> None:
    result = run(index, *judged, *options)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())
    assert not index.with_name("index-adapted").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--stage", "sparse"], "there is no stage 'sparse'"),
        (["--measure", "nDGC@10"], "nDGC@10"),
        (["--objective", "wishes"], "objective must be one of"),
        (["--objective", "margins"], "teacher"),
    ],
)
def test_bad_input_is_one_line_before_any_training(
    index: Path, judged: list[str | Path], options: list[str], says: str
) -> None:
    result = run(index, *judged, *options)
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert says in line
    assert not index.with_name("index-adapted").exists()


def test_questions_are_needed(index: Path) -> None:
    result = run(index)
    assert result.exit_code == 2
    assert "say what to ask it, by --queries and --qrels" in " ".join(result.stderr.split())
