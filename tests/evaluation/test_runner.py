"""Who is asked what, in which order and how often; and runs, sorted as trec_eval sorts them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from hybridge import Analyzer, BM25Retriever, Passage
from hybridge.errors import InvalidInputError
from hybridge.evaluation import Collection, evaluate, evaluate_runs, load_beir
from hybridge.passages import Hit
from hybridge.protocols import Where


class Lists:
    """A retriever that returns given ids, all with one score, and remembers what it was asked."""

    def __init__(
        self, lists: dict[str, list[str]], name: str = "", log: list[str] | None = None
    ) -> None:
        self.lists = lists
        self.calls: list[tuple[list[str], int]] = []
        self.name, self.log = name, log

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        self.calls.append((list(queries), k))
        if self.log is not None:
            self.log.append(self.name)
        return [[Hit(Passage(i, "text"), 1.0) for i in self.lists[q]] for q in queries]

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return self.search(queries, k, where=where)


def texts(*queries: str) -> dict[str, str]:
    return {query: query.upper() for query in queries}


def test_hand_computed_values() -> None:
    qrels = {"q": {"a": 1, "b": 2, "c": 0, "z": 1}}
    values = evaluate({"r": Lists({"Q": ["x", "a", "b", "c"]})}, texts("q"), qrels).values["r"]
    dcg = 1 / math.log2(3) + 2 / math.log2(4)
    ideal = 2 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert values["nDCG@10"]["q"] == pytest.approx(dcg / ideal)
    assert values["R@100"]["q"] == pytest.approx(2 / 3)
    assert values["RR@10"]["q"] == pytest.approx(1 / 2)


def test_what_stands_below_the_cutoff_does_not_count() -> None:
    padding = [f"x{n}" for n in range(10)]
    result = evaluate({"r": Lists({"Q": [*padding, "a"]})}, texts("q"), {"q": {"a": 1}})
    assert result.values["r"] == {
        "nDCG@10": {"q": 0.0},
        "R@100": {"q": 1.0},
        "RR@10": {"q": 0.0},
    }


def test_the_order_returned_counts_whatever_the_scores_and_ids() -> None:
    lists = Lists({"Q": ["a", "b", "z"], "P": ["z", "b", "a"]})
    qrels = {"q": {"a": 1}, "p": {"z": 1}}
    result = evaluate({"r": lists}, texts("q", "p"), qrels, ["RR@10", "RR"])
    assert result.values["r"] == {"RR@10": {"q": 1.0, "p": 1.0}, "RR": {"q": 1.0, "p": 1.0}}


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_passage_that_comes_twice_counts_once_and_what_is_beyond_k_not_at_all(
    batch_size: int,
) -> None:
    lists = Lists({"Q": ["x", "x", "a", "x", "a", "b", "c"]})
    qrels = {"q": {"a": 1, "c": 1}}
    result = evaluate(
        {"r": lists}, texts("q"), qrels, ["RR", "AP", "P@3"], k=3, batch_size=batch_size
    )
    assert result.lists == {"r": {"q": ["x", "a", "b"]}}
    values = {measure: value["q"] for measure, value in result.values["r"].items()}
    assert values == pytest.approx({"RR": 1 / 2, "AP": (1 / 2) / 2, "P@3": 1 / 3})


def test_queries_without_judgements_are_not_asked_and_empty_lists_count_as_zero() -> None:
    lists = Lists({"Q": ["a"], "P": []})
    queries = {"q": "Q", "p": "P", "unjudged": "U"}
    result = evaluate({"r": lists}, queries, {"p": {"b": 1}, "q": {"a": 1}}, ["RR@10"])
    assert lists.calls[1:] == [(["Q"], 100), (["P"], 100)]  # after the one that is not timed
    assert result.values["r"]["RR@10"] == {"q": 1.0, "p": 0.0}
    assert result.mean("r", "RR@10") == 0.5
    assert result.queries == {"q": "Q", "p": "P"}
    assert result.qrels == {"q": {"a": 1}, "p": {"b": 1}}


def test_a_query_with_nothing_relevant_counts_as_zero() -> None:
    qrels = {"q": {"a": 1}, "p": {"b": 0}}
    lists = Lists({"Q": ["a"], "P": ["b"]})
    result = evaluate({"r": lists}, texts("q", "p"), qrels)
    assert {result.mean("r", measure) for measure in result.measures} == {0.5}


def test_retrievers_are_asked_in_turns_each_first_as_often() -> None:
    log: list[str] = []
    answers: dict[str, list[str]] = {query.upper(): [] for query in "abcd"}
    named = {name: Lists(answers, name, log) for name in ("x", "y", "z")}
    qrels = {query: {"p": 1} for query in "abcd"}
    result = evaluate(named, texts(*"abcd"), qrels)
    assert log == list("xyz" + "xyz" + "yzx" + "zxy" + "xyz")  # the first three are not timed
    for retriever in named.values():
        assert retriever.calls == [(["A"], 100), *(([q], 100) for q in "ABCD")]
    assert result.retrievers == ["x", "y", "z"]
    assert all(result.latencies[name].keys() == set("abcd") for name in named)


def test_in_batches_nothing_is_timed() -> None:
    names = [f"q{n}" for n in range(5)]
    lists = Lists({name.upper(): ["a"] for name in names})
    qrels = {name: {"a": 1} for name in names}
    result = evaluate({"r": lists}, texts(*names), qrels, ["RR@10"], k=10, batch_size=2)
    assert lists.calls == [(["Q0", "Q1"], 10), (["Q2", "Q3"], 10), (["Q4"], 10)]
    assert result.mean("r", "RR@10") == 1.0
    assert result.latencies == {}
    assert result.stages == {}


def test_asked_alone_or_in_batches_the_values_are_the_same() -> None:
    passages = [Passage(f"p{n}", f"cats number{n} sleep{n % 3}") for n in range(9)]
    queries = {f"q{n}": f"number{n} sleep{n % 2}" for n in range(9)}
    qrels = {f"q{n}": {f"p{n}": 1} for n in range(9)}
    one, many = (
        evaluate(BM25Retriever(passages), queries, qrels, batch_size=size) for size in (1, 4)
    )
    assert one.values == many.values
    assert one.lists == many.lists


def test_one_retriever_is_called_by_its_class() -> None:
    result = evaluate(Lists({"Q": ["a"]}), texts("q"), {"q": {"a": 1}}, batch_size=8)
    assert str(result).split() == ["nDCG@10", "R@100", "RR@10", "Lists", *["1.0000"] * 3]


def test_without_measures_none_is_deeper_than_the_lists() -> None:
    lists = Lists({"Q": ["b", "c", "d", "e", "a"]})
    result = evaluate(lists, texts("q"), {"q": {"a": 1, "b": 1}}, k=4, batch_size=8)
    assert result.measures == ["nDCG@4", "R@4", "RR@4"]
    assert result.mean("Lists", "R@4") == 0.5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"measures": ["nonsense@3"]}, "nonsense@3"),
        ({"measures": ["R@1000"]}, "R@1000 needs k of at least 1000, not 100"),
        ({"measures": []}, "list"),
        ({"qrels": {}}, "no judgement"),
        ({"qrels": {"q": {"a": -1}}}, r"qrels\['q'\]\['a'\] .* not -1"),
        ({"qrels": {"q": {"a": 1}, "gone": {"a": 1}}}, "1 queries that queries lacks .*'gone'"),
        ({"queries": Collection([], {}, {})}, r"collection\.queries and collection\.qrels"),
        ({"queries": ["q"]}, "queries must be a mapping"),
        ({"queries": {"q": 3}}, r"queries\['q'\] must be a string, not int"),
        ({"k": 0}, "k must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"baseline": "other"}, "the baseline 'other' is none of r"),
        ({"retrievers": {}}, "no retriever"),
        ({"retrievers": {1: Lists({})}}, "name must be a string, not 1"),
        ({"retrievers": {"r": object()}}, "object is not one"),
    ],
)
def test_mistakes_are_told_before_any_search(change: dict[str, Any], says: str) -> None:
    lists = Lists({})
    right: dict[str, Any] = {
        "retrievers": {"r": lists},
        "queries": texts("q"),
        "qrels": {"q": {"a": 1}},
    }
    with pytest.raises(InvalidInputError, match=says):
        evaluate(**(right | change))
    assert lists.calls == []


@pytest.mark.parametrize("answer", [None, [["a"]], [None]])
def test_a_retriever_that_gives_no_hits_is_named(answer: Any) -> None:
    class Strange(Lists):
        def search(
            self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
        ) -> list[list[Hit]]:
            return answer  # type: ignore[no-any-return]

    with pytest.raises(InvalidInputError, match=r"'r' answered with .* must give a list of Hit"):
        evaluate({"r": Strange({})}, texts("q"), {"q": {"a": 1}})


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_retriever_that_loses_queries_is_named(batch_size: int) -> None:
    class Forgetful(Lists):
        def search(
            self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
        ) -> list[list[Hit]]:
            return []

    with pytest.raises(InvalidInputError, match=r"'r' answered \d queries with 0 lists"):
        evaluate(
            {"r": Forgetful({})},
            texts("q", "p"),
            {"q": {"a": 1}, "p": {"a": 1}},
            batch_size=batch_size,
        )


def test_runs_are_sorted_by_score_and_then_by_id_from_the_end() -> None:
    run = {"q": {"a": 1, "c": 2.0, "b": 2.0, "é": 2.0, "z": np.float32(2.0)}, "unjudged": {"a": 1}}
    result = evaluate_runs({"r": run}, {"q": {"b": 1}, "p": {"a": 1}}, ["RR"])
    assert result.lists == {"r": {"q": ["é", "z", "c", "b", "a"]}}
    assert result.values == {"r": {"RR": {"q": 1 / 4, "p": 0.0}}}


def test_scores_that_single_precision_cannot_tell_apart_are_equal() -> None:
    run = {"q": {"a": 1.0 + 1e-9, "b": 1.0, "huge": 1e300, "vast": 1e200}}
    result = evaluate_runs({"r": run}, {"q": {"b": 1}}, ["RR"])
    assert result.lists["r"]["q"] == ["vast", "huge", "b", "a"]


def test_runs_carry_texts_and_a_baseline() -> None:
    runs = {"x": {"q": {"a": 1.0}}, "y": {"q": {}}}
    result = evaluate_runs(runs, {"q": {"a": 1}}, queries={"q": "why?", "r": "who?"}, baseline="x")
    assert (result.queries, result.baseline) == ({"q": "why?"}, "x")
    assert result.mean("y", "R@100") == 0.0


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ({}, "runs must be a mapping"),
        ([{"q": {"a": 1.0}}], "runs must be a mapping"),
        ({"q": {"a": 1.0}}, "runs must be a mapping, name → query id"),
        ({"r": {"q": {"a": float("nan")}}}, r"runs\['r'\]\['q'\]\['a'\] .* not nan"),
        ({"r": {"q": {"a": "1"}}}, "finite number, not '1'"),
        ({"r": {1: {"a": 1.0}}}, "'r' has none of the judged queries: it has 1, and qrels 'q'"),
    ],
)
def test_runs_that_are_none(runs: Any, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        evaluate_runs(runs, {"q": {"a": 1}})


def test_bm25_on_scifact_has_the_published_quality(datasets_path: Any) -> None:
    scifact = load_beir(datasets_path / "scifact")
    assert (len(scifact.passages), len(scifact.queries)) == (5183, 300)
    # The published figures are of words without parts.
    bm25 = BM25Retriever(scifact.passages, analyzer=Analyzer(version=1))
    parts = BM25Retriever(scifact.passages)
    result = evaluate({"bm25": bm25, "parts": parts}, scifact.queries, scifact.qrels)
    assert result.mean("parts", "nDCG@10") == pytest.approx(0.703, abs=0.002)
    assert result.mean("bm25", "nDCG@10") == pytest.approx(0.680, abs=0.005)
    assert result.mean("bm25", "R@100") == pytest.approx(0.913, abs=0.005)
    assert list(result.stage_costs("bm25")) == ["bm25"]
    assert 0 < result.stage_costs("bm25")["bm25"] <= result.latency("bm25")
