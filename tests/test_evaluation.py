"""Evaluation: hand-computed values, trec_eval's rules, and what a broken collection says."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from hybridge.errors import InvalidInputError
from hybridge.evaluation import Collection, Evaluation, evaluate, load_beir
from hybridge.passages import Hit, Passage
from hybridge.protocols import Where


class Lists:
    """A retriever that returns given ids, all with one score."""

    def __init__(self, lists: dict[str, list[str]]) -> None:
        self.lists = lists
        self.calls: list[tuple[list[str], int]] = []

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        self.calls.append((list(queries), k))
        return [[Hit(Passage(i, "text"), 1.0) for i in self.lists[q]][:k] for q in queries]

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return self.search(queries, k, where=where)


def collection(qrels: dict[str, dict[str, int]]) -> Collection:
    return Collection([], {query: query.upper() for query in qrels}, qrels)


def test_hand_computed_values() -> None:
    judged = collection({"q": {"a": 1, "b": 2, "c": 0, "z": 1}})
    values = evaluate({"r": Lists({"Q": ["x", "a", "b", "c"]})}, judged).values["r"]
    dcg = 1 / math.log2(3) + 2 / math.log2(4)
    ideal = 2 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert values["nDCG@10"]["q"] == pytest.approx(dcg / ideal)
    assert values["R@100"]["q"] == pytest.approx(2 / 3)
    assert values["RR@10"]["q"] == pytest.approx(1 / 2)


def test_what_stands_below_the_cutoff_does_not_count() -> None:
    padding = [f"x{n}" for n in range(10)]
    judged = collection({"q": {"a": 1}})
    values = evaluate({"r": Lists({"Q": [*padding, "a"]})}, judged).values["r"]
    assert values == {"nDCG@10": {"q": 0.0}, "R@100": {"q": 1.0}, "RR@10": {"q": 0.0}}


def test_the_order_returned_counts_whatever_the_scores_and_ids() -> None:
    judged = collection({"q": {"a": 1}, "p": {"z": 1}})
    lists = Lists({"Q": ["a", "b", "z"], "P": ["z", "b", "a"]})
    values = evaluate({"r": lists}, judged, ["RR@10"]).values["r"]["RR@10"]
    assert values == {"q": 1.0, "p": 1.0}


def test_queries_without_judgements_are_not_asked_and_empty_lists_count_as_zero() -> None:
    judged = Collection([], {"q": "Q", "p": "P", "unjudged": "U"}, {"q": {"a": 1}, "p": {"b": 1}})
    lists = Lists({"Q": ["a"], "P": []})
    result = evaluate({"r": lists}, judged, ["RR@10"])
    assert lists.calls == [(["Q", "P"], 100)]
    assert result.values["r"]["RR@10"] == {"q": 1.0, "p": 0.0}
    assert result.mean("r", "RR@10") == 0.5


def test_several_retrievers_in_the_order_given() -> None:
    judged = collection({"q": {"a": 1}})
    result = evaluate({"b": Lists({"Q": ["a"]}), "a": Lists({"Q": []})}, judged, ["AP@5", "P@2"])
    assert list(result.values) == ["b", "a"]
    assert result.measures == ["AP@5", "P@2"]
    assert [result.mean("b", "P@2"), result.mean("a", "P@2")] == [0.5, 0.0]


def test_one_retriever_is_called_by_its_class() -> None:
    result = evaluate(Lists({"Q": ["a"]}), collection({"q": {"a": 1}}))
    assert list(result.values) == ["Lists"]
    assert str(result).split() == ["nDCG@10", "R@100", "RR@10", "Lists", *["1.0000"] * 3]


def test_many_queries_are_asked_in_batches() -> None:
    names = [f"q{n}" for n in range(300)]
    lists = Lists({name.upper(): ["a"] for name in names})
    result = evaluate({"r": lists}, collection({name: {"a": 1} for name in names}), ["RR@10"], k=10)
    assert sum(len(queries) for queries, _ in lists.calls) == 300
    assert len(lists.calls) > 1
    assert result.mean("r", "RR@10") == 1.0


@pytest.mark.parametrize(
    ("measures", "says"),
    [
        (["nonsense@3"], "nonsense@3"),
        (["nDCG@"], "nDCG@"),
        (["alpha_nDCG@10"], "alpha_nDCG"),
        (["R@1000"], "R@1000 needs k of at least 1000, not 100"),
        ("nDCG@10", "list"),
        ([], "list"),
    ],
)
def test_bad_measures_fail_before_any_search(measures: list[str], says: str) -> None:
    lists = Lists({})
    with pytest.raises(InvalidInputError, match=says):
        evaluate({"r": lists}, collection({"q": {"a": 1}}), measures)
    assert lists.calls == []


def test_a_collection_without_judgements_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="no query with judgements"):
        evaluate({"r": Lists({})}, Collection([], {"q": "Q"}, {}))


def test_the_table_lines_up() -> None:
    evaluation = Evaluation(
        {
            "bm25": {"nDCG@10": {"q": 0.5}, "R@5": {"q": 1.0}},
            "x": {"nDCG@10": {"q": 0.25}, "R@5": {"q": 0.0}},
        }
    )
    assert str(evaluation).splitlines() == [
        "      nDCG@10  R@5",
        "bm25  0.5000   1.0000",
        "x     0.2500   0.0000",
    ]


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    corpus = [
        {"_id": "d1", "title": "First", "text": "about apples"},
        {"_id": "d2", "title": "", "text": "about pears"},
    ]
    queries = [{"_id": "q1", "text": "apples?"}, {"_id": "q2", "text": "in train only"}]
    (tmp_path / "qrels").mkdir()
    for name, entries in (("corpus", corpus), ("queries", queries)):
        lines = "".join(json.dumps(entry) + "\n" for entry in entries)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    header = "query-id\tcorpus-id\tscore\n"
    (tmp_path / "qrels/test.tsv").write_text(f"{header}q1\td1\t2\nq1\td2\t0\n")
    (tmp_path / "qrels/train.tsv").write_text(f"{header}q2\td2\t1\n")
    return tmp_path


def test_a_collection_in_beirs_layout(beir: Path) -> None:
    loaded = load_beir(beir)
    assert [(p.id, p.text) for p in loaded.passages] == [
        ("d1", "First about apples"),
        ("d2", "about pears"),
    ]
    assert loaded.queries == {"q1": "apples?"}
    assert loaded.qrels == {"q1": {"d1": 2, "d2": 0}}
    assert load_beir(beir, split="train").queries == {"q2": "in train only"}


def test_judgements_without_a_header_lose_no_line(beir: Path) -> None:
    (beir / "qrels/test.tsv").write_bytes(b"q1\td1\t1\r\nq1\td2\t1\r\n\r\n")
    assert load_beir(beir).qrels == {"q1": {"d1": 1, "d2": 1}}


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_missing_file_is_named(beir: Path, name: str) -> None:
    (beir / name).unlink()
    with pytest.raises(InvalidInputError, match=rf"there is no {name}; it has the splits .*train"):
        load_beir(beir)


def test_a_folder_that_is_no_collection(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"BEIR's layout .* no corpus\.jsonl$"):
        load_beir(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("corpus.jsonl", b'{"_id": "d1", "text": "cut', r"corpus\.jsonl, line 1: not valid JSON"),
        ("corpus.jsonl", b'{"_id": "d", "text": ""}\n' * 2, "more than once"),
        ("queries.jsonl", b'{"_id": "q1"}', r"queries\.jsonl, line 1: 'text'"),
        ("queries.jsonl", b'{"_id": "q9", "text": "t"}', r"lacks .*'q1'.*truncated"),
        ("qrels/test.tsv", b"query-id\tcorpus-id\tscore\nq1\td", r"test\.tsv, line 2: .*truncated"),
        ("qrels/test.tsv", b"q1\td1\t1\nq1\td2\tmuch\n", r"test\.tsv, line 2: .*whole number"),
        ("qrels/test.tsv", b"q1\td1\t1\nq1\t\xff\t1\n", r"test\.tsv, line 2: "),
        ("qrels/test.tsv", b"query-id\tcorpus-id\tscore\n", "no judgement"),
    ],
)
def test_a_broken_file_is_named_with_the_line(
    beir: Path, name: str, content: bytes, says: str
) -> None:
    (beir / name).write_bytes(content)
    with pytest.raises(InvalidInputError, match=says):
        load_beir(beir)


def test_judged_passages_that_the_corpus_lacks_are_told(
    beir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (beir / "qrels/test.tsv").write_text("q1\td1\t1\nq1\tgone\t1\n")
    with caplog.at_level(logging.WARNING, logger="hybridge.evaluation"):
        assert load_beir(beir).qrels == {"q1": {"d1": 1, "gone": 1}}
    assert "'gone'" in caplog.text


def test_bm25_on_scifact_has_the_published_quality(datasets_path: Path) -> None:
    from hybridge import BM25Retriever

    scifact = load_beir(datasets_path / "scifact")
    assert (len(scifact.passages), len(scifact.queries)) == (5183, 300)
    result = evaluate({"bm25": BM25Retriever(scifact.passages)}, scifact)
    assert result.mean("bm25", "nDCG@10") == pytest.approx(0.680, abs=0.005)
    assert result.mean("bm25", "R@100") == pytest.approx(0.913, abs=0.005)
