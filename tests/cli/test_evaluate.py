"""`hybridge evaluate`: collections and indexes, figures for people and machines, and files."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hybridge import HybridIndex, Passage, SentenceTransformerEncoder
from hybridge.cli.commands import hybridge
from hybridge.cli.evaluate import _names
from hybridge.encoders import CachedEncoder
from hybridge.evaluation import load_beir
from hybridge.stages import BM25, Dense

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


@pytest.mark.engine
@pytest.mark.model
def test_three_rows_of_three_measures(beir: Path) -> None:
    result = evaluate(beir, columns=60)
    assert result.exit_code == 0, result.output
    title, head, *table = result.stdout.splitlines()
    table, note = table[:3], " ".join(table[3:])
    assert title == "tiny (test): 2 queries, 4 passages"
    assert head.split() == ["nDCG@10", "recall@100", "MRR@10", "p50", "ms", "p95", "ms"]
    assert [line.split()[:4] for line in table] == [
        ["BM25", *["0.5000"] * 3],  # no word of the second question is in its answer
        ["dense", *["1.0000"] * 3],
        ["hybrid", *["1.0000"] * 3],
    ]
    assert all(0 < float(line.split()[4]) <= float(line.split()[5]) for line in table)
    assert note.startswith("no difference from hybrid is significant")


@pytest.mark.engine
@pytest.mark.model
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


@pytest.mark.engine
@pytest.mark.model
def test_the_rows_are_in_the_order_asked_for(beir: Path, models_path: Path) -> None:
    model = models_path / "scifact-cross-encoder"
    order = ["--rerank", "cross-encoder", "--rerank", "colbert", "--cross-encoder", model]
    facts = json.loads(evaluate(beir, *order, "--json").stdout)
    assert list(facts["results"])[3:] == ["+ cross-encoder", "+ late interaction"]


@pytest.mark.engine
@pytest.mark.model
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
    assert list(facts["milliseconds"]["hybrid"]) == ["p50", "p95"]
    assert list(facts["stages"]["hybrid"]) == ["encode", "bm25", "dense", "fusion"]


@pytest.mark.engine
@pytest.mark.model
def test_cached_vectors_are_used(beir: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = evaluate(beir, "--json", "--cache", cache)
    encoder = SentenceTransformerEncoder()
    texts = [passage.text for passage in load_beir(beir).passages]
    cached = CachedEncoder(encoder, cache)
    vectors = cached.encode_passages(texts)
    assert vectors.shape == (4, 384)
    assert cached.info()["hits"] == 4
    again = json.loads(evaluate(beir, "--json", "--cache", cache).stdout)
    assert again["results"] == json.loads(before.stdout)["results"]
    cached.clear()
    with pytest.MonkeyPatch.context() as patch:  # as if the passages had each other's vectors
        patch.setattr(encoder, "encode_passages", lambda texts: vectors[::-1])
        cached.encode_passages(texts)
    changed = json.loads(evaluate(beir, "--json", "--cache", cache).stdout)
    assert changed["results"]["dense"]["MRR@10"] < 1


@pytest.mark.engine
@pytest.mark.model
def test_measures_of_ones_own_against_a_baseline(beir: Path) -> None:
    chosen = ["--measure", "success@1", "--measure", "P@2", "--baseline", "BM25"]
    facts = json.loads(evaluate(beir, *chosen, "--json").stdout)
    assert facts["results"]["BM25"] == {"success@1": 0.5, "P@2": 0.25}


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--baseline", "fusion"], 2, "the baseline 'fusion' is none of BM25, dense, hybrid"),
        (["--measure", "nDGC@10"], 1, "there is no measure 'nDGC@10'"),
        (["--measure", "R@1000"], 1, "R@1000 needs k of at least 1000, not 100"),
    ],
)
def test_what_cannot_be_measured_is_refused_first(
    tmp_path: Path, options: list[str], code: int, says: str
) -> None:
    result = evaluate(tmp_path / "no-collection", *options)
    assert result.exit_code == code
    assert says in " ".join(result.stderr.split())


def test_every_stage_has_a_row_of_its_name() -> None:
    assert _names(["bm25", "dense"]) == ["BM25", "dense", "hybrid"]
    assert _names(["splade", "hybrid", "bm25", "BM25"]) == [
        "splade",
        "hybrid (2)",
        "BM25",
        "BM25 (2)",
        "hybrid",
    ]


@pytest.mark.parametrize("names", [["words", "meaning"], ["words"], ["meaning"]])
def test_an_index_has_a_row_for_each_of_its_stages(
    names: list[str], tmp_path: Path, encoder: SentenceTransformerEncoder
) -> None:
    kinds = {
        "words": BM25(name="words", lexical="qdrant"),
        "meaning": Dense(encoder, name="meaning"),
    }
    with HybridIndex.create(tmp_path / "own", stages=[kinds[name] for name in names]) as index:
        index.add(Passage(key, text) for key, text in CORPUS.items())
    queries, qrels = tmp_path / "queries.csv", tmp_path / "qrels.csv"
    queries.write_text("a,hospital doctor\nb,apples on trees\n")
    qrels.write_text("a,d4,2\nb,d1,1\n")
    own = [tmp_path / "own", "--queries", queries, "--qrels", qrels, "--json"]
    facts = json.loads(evaluate(*own).stdout)
    assert list(facts["results"]) == [*names, "hybrid"]
    assert facts["encoder"] == (encoder.identity if "meaning" in names else None)
    best = facts["results"]["hybrid"]["recall@100"]
    assert best == (1.0 if "meaning" in names else 0.5)


def test_an_unknown_baseline_of_an_index_is_refused_too(index: Path, tmp_path: Path) -> None:
    queries, qrels = tmp_path / "queries.csv", tmp_path / "qrels.csv"
    queries.write_text("a,hospital doctor\n")
    qrels.write_text("a,d4,2\n")
    own = [index, "--queries", queries, "--qrels", qrels]
    result = evaluate(*own, "--baseline", "fusion")
    assert result.exit_code == 2
    assert "is none of BM25, dense, hybrid" in " ".join(result.stderr.split())


def test_the_baseline_may_be_a_reranker(tmp_path: Path) -> None:
    options = ["--rerank", "colbert", "--baseline", "+ late interaction"]
    assert "is not a collection" in evaluate(tmp_path / "no-collection", *options).stderr


@pytest.mark.engine
@pytest.mark.model
def test_the_picture_and_the_values_of_every_query_are_written(beir: Path) -> None:
    picture, table = beir / "quality.svg", beir / "values.csv"
    result = evaluate(beir, "--plot", picture, "--per-query", table)
    assert result.exit_code == 0, result.output
    assert "nDCG@10 against median latency" in picture.read_text()
    assert table.read_text().splitlines() == [
        "query id,query,BM25,dense,hybrid",
        "q1,apples on trees,1.0,1.0,1.0",
        "q2,hospital doctor,0.0,1.0,1.0",
    ]


@pytest.mark.parametrize(
    ("option", "file", "says"),
    [
        ("--plot", "a.gif", "does not end in .png or .svg"),
        ("--per-query", "a.txt", "does not end in .csv"),
        ("--plot", "nowhere/a.png", "there is no folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_first(
    tmp_path: Path, option: str, file: str, says: str
) -> None:
    result = evaluate(tmp_path / "no-collection", option, tmp_path / file)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("option", "file", "package"),
    [("--plot", "a.SVG", "matplotlib"), ("--per-query", "a.csv", "pandas")],
)
def test_so_is_one_whose_writer_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, file: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    result = evaluate(tmp_path / "no-collection", option, tmp_path / file)
    assert result.exit_code == 1
    told = " ".join(result.stderr.split())
    assert f"'{package}' is not installed" in told
    assert "pip install 'hybridge[evaluation]'" in told


@pytest.fixture
def index(tmp_path: Path, encoder: SentenceTransformerEncoder) -> Path:
    with HybridIndex.create(tmp_path / "my-index", encoder=encoder) as index:
        index.add(Passage(key, text) for key, text in CORPUS.items())
    return tmp_path / "my-index"


def test_an_index_is_asked_ones_own_questions(index: Path, tmp_path: Path) -> None:
    queries, qrels = tmp_path / "queries.csv", tmp_path / "qrels.csv"
    queries.write_text("id,text\na,hospital doctor\nb,unjudged\n")
    qrels.write_text("query,passage,relevance\na,d4,2\n")
    own = [index, "--queries", queries, "--qrels", qrels]
    facts = json.loads(evaluate(*own, "--json").stdout)
    assert (facts["collection"], facts["split"]) == ("my-index", "qrels.csv")
    assert (facts["passages"], facts["queries"]) == (4, 1)
    assert facts["results"]["BM25"]["nDCG@10"] == 0.0
    assert facts["results"]["dense"]["nDCG@10"] == 1.0


def test_a_named_model_stands_for_the_token_vectors_of_an_index(
    tmp_path: Path, encoder: SentenceTransformerEncoder, minilm: Path
) -> None:
    with HybridIndex.create(tmp_path / "late", encoder=encoder, late_interaction=True) as index:
        index.add(Passage(key, text) for key, text in CORPUS.items())
    queries, qrels = tmp_path / "queries.csv", tmp_path / "qrels.csv"
    queries.write_text("a,hospital doctor\n")
    qrels.write_text("a,d4,2\n")
    own = [tmp_path / "late", "--queries", queries, "--qrels", qrels, "--json"]
    for options, stage in (
        (["--rerank", "colbert"], "late-interaction"),
        (["--colbert", minilm], "colbert"),
    ):
        facts = json.loads(evaluate(*own, *options).stdout)
        assert stage in facts["stages"]["+ late interaction"]


def test_judged_passages_that_the_index_lacks_are_told_of(
    index: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queries, qrels = tmp_path / "queries.csv", tmp_path / "qrels.csv"
    queries.write_text("a,hospital doctor\n")
    qrels.write_text("a,d4,2\na,D3,1\na,D1,0\n")
    result = evaluate(index, "--queries", queries, "--qrels", qrels, "--json")
    assert result.exit_code == 0, result.output
    [record] = caplog.records
    assert "3 passages, of which the index lacks 2 (the first: 'D1')" in record.getMessage()


def test_a_file_of_questions_and_answers_comes_alone(index: Path, tmp_path: Path) -> None:
    pairs, examples, clicks = (tmp_path / f"{name}" for name in ("p.json", "e.json", "c.csv"))
    question, context = "hospital doctor", "physician looks after the sick"
    by_id = {"queries": {"a": question}, "corpus": {"d4": ""}, "relevant_docs": {"a": ["d4"]}}
    pairs.write_text(json.dumps(by_id))
    quoted = {"query": question, "reference_contexts": [context]}
    examples.write_text(json.dumps({"examples": [quoted]}))
    clicks.write_text(f"query,passage,position,clicked\n{question},d4,2,1\n{question},d1,1,0\n")
    for file in (pairs, examples, clicks):
        result = evaluate(index, "--qrels", file, "--json")
        assert result.exit_code == 0, result.output
        facts = json.loads(result.stdout)
        assert (facts["split"], facts["queries"]) == (file.name, 1)
        assert facts["results"]["dense"]["MRR@10"] == 1.0
        assert facts["results"]["BM25"]["MRR@10"] == 0.0


def test_such_a_file_that_is_broken_is_named(index: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.json"
    pairs.write_text('{"queries": {},\n')
    result = evaluate(index, "--qrels", pairs)
    assert result.exit_code == 1
    assert "pairs.json, line 2: not valid JSON" in " ".join(result.stderr.split())
    qrels = tmp_path / "qrels.csv"
    qrels.write_text("a,d4,1\n")
    result = evaluate(index, "--qrels", qrels)
    assert result.exit_code == 2
    assert "--queries and --qrels go together" in " ".join(result.stderr.split())


def test_known_items_have_no_stop_words_of_the_index_s_language(
    tmp_path: Path, encoder: SentenceTransformerEncoder
) -> None:
    words = "Apfel Birne Pflaume Quitte Traube Kirsche"
    with HybridIndex.create(tmp_path / "german", encoder=encoder, analyzer="german") as index:
        index.add([Passage("a", f"und der nicht {words}"), Passage("b", f"die aber oder {words}s")])
        index.add([Passage("c", "Stein")])
    table = tmp_path / "values.csv"
    result = evaluate(tmp_path / "german", "--known-items", "2", "--per-query", table)
    assert result.exit_code == 0, result.output
    asked = table.read_text().lower()
    assert "apfel" in asked
    assert not {"und", "der", "nicht", "die", "oder"} & set(re.split(r"\W+", asked))


def test_an_index_is_asked_for_known_items_which_are_called_synthetic(index: Path) -> None:
    with HybridIndex.open(index) as opened:
        opened.add([Passage("d5", "Ripe plums, pears, quinces, cherries, almonds, olives, figs.")])
        opened.add([Passage("d6", "Oak, ash, beech, birch, maple, willow, alder and lime trees.")])
    result = evaluate(index, "--known-items", "2")
    assert result.stdout.splitlines()[0] == (
        "my-index (synthetic known-item queries): 2 queries, 6 passages"
    )
    assert result.stdout.splitlines()[2].split()[:2] == ["BM25", "1.0000"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--queries", "q.csv"], "--queries and --qrels go together"),
        (["--qrels", "q.csv"], "--queries and --qrels go together"),
        (["--queries", "q", "--qrels", "q", "--known-items", "9"], "not both"),
        (["--qrels", "q.json", "--known-items", "9"], "go together"),
        (["--known-items", "9", "--split", "dev"], "--split is for a collection"),
        (["--known-items", "9", "--cache", "c"], "--cache is for a collection"),
        ([], "is an index: say what to ask it"),
    ],
)
def test_options_that_exclude_each_other(index: Path, options: list[str], says: str) -> None:
    result = evaluate(index, *options)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())


def test_a_split_that_is_not_there(beir: Path) -> None:
    result = evaluate(beir, "--split", "dev")
    assert result.exit_code == 1
    assert "there is no qrels/dev.tsv; it has the splits test" in result.stderr
