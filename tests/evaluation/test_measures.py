"""Measures against trec_eval's own C code, called directly; hand-computed values; spellings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge import BM25Retriever
from hybridge.errors import InvalidInputError
from hybridge.evaluation import evaluate, evaluate_runs
from hybridge.evaluation.measures import Judge

# What we write → trec_eval's name, and the relevance from which it counts a passage.
TREC_EVAL = {
    "nDCG@3": ("ndcg_cut_3", 1),
    "nDCG": ("ndcg", 1),
    "MAP@4": ("map_cut_4", 1),
    "ap": ("map", 1),
    "AP(rel=2)@4": ("map_cut_4", 2),
    "AP(rel=2)": ("map", 2),
    "recall@3": ("recall_3", 1),
    "R(rel=2)@3": ("recall_3", 2),
    "precision@5": ("P_5", 1),
    "P(rel=3)@5": ("P_5", 3),
    "Success@1": ("success_1", 1),
    "success(rel=2)@5": ("success_5", 2),
    "MRR": ("recip_rank", 1),
    "RR(rel=2)": ("recip_rank", 2),
    "rprec": ("Rprec", 1),
    "Bpref": ("bpref", 1),
    "IPrec@0.5": ("iprec_at_recall_0.50", 1),
}

IDS = ["a", "b", "c", "d", "e", "f", "é", "東"]
GRADED = st.dictionaries(st.sampled_from(IDS), st.integers(0, 3), min_size=1)
# Few scores, so that there are ties.
SCORED = st.dictionaries(st.sampled_from(IDS), st.sampled_from([0.0, 0.5, 1.0, 1.0 + 1e-9, -2.0]))
QUERIES = st.sampled_from(["q1", "q2", "q3"])


def reference(
    qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]]
) -> dict[str, dict[str, float]]:
    """Label → query → value, from trec_eval; what it does not speak of is 0.

    Its binding must not see an empty list: it reads beyond it, and crashes now and then.
    """
    run = {query: scores for query, scores in run.items() if scores}
    found: dict[str, dict[str, float]] = {}
    for label, (name, level) in TREC_EVAL.items():
        evaluator = pytrec_eval.RelevanceEvaluator(qrels, {name}, relevance_level=level)
        values = evaluator.evaluate(run)
        found[label] = {query: values.get(query, {}).get(name, 0.0) for query in qrels}
    # trec_eval has no cutoff for it: cutting the run by hand comes to the same.
    heads = {q: dict(sorted(s.items(), key=_trec, reverse=True)[:2]) for q, s in run.items()}
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"})
    values = evaluator.evaluate(heads)
    found["MRR@2"] = {query: values.get(query, {}).get("recip_rank", 0.0) for query in qrels}
    return found


def _trec(item: tuple[str, float]) -> tuple[float, str]:
    return (round(item[1], 6), item[0])


@settings(max_examples=150, deadline=None)
@given(qrels=st.dictionaries(QUERIES, GRADED, min_size=1), run=st.dictionaries(QUERIES, SCORED))
def test_any_run_is_worth_what_trec_eval_says(
    qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]]
) -> None:
    runs = {"r": {query: run[query] for query in qrels if query in run}}
    expected = reference(qrels, runs["r"])
    values = evaluate_runs(runs, qrels, list(expected)).values["r"]
    for label, by_query in expected.items():
        assert values[label] == pytest.approx(by_query, abs=1e-6), label


@pytest.fixture(scope="module")
def judged_bm25(scifact: Any) -> tuple[dict[str, str], dict[str, dict[str, int]], BM25Retriever]:
    qrels = scifact.qrels("test")
    return {q: scifact.queries[q] for q in qrels}, qrels, BM25Retriever(scifact.passages)


def test_bm25_on_scifact_is_worth_what_trec_eval_says(judged_bm25: Any) -> None:
    queries, qrels, bm25 = judged_bm25
    found = dict(zip(queries, bm25.search(list(queries.values()), k=100), strict=True))
    names = {
        "nDCG@10": "ndcg_cut_10",
        "recall@100": "recall_100",
        "MAP@100": "map_cut_100",
        "precision@5": "P_5",
        "success@5": "success_5",
        "MRR": "recip_rank",
        "Rprec": "Rprec",
    }
    scores = {q: {hit.passage.id: hit.score for hit in hits} for q, hits in found.items()}
    expected = pytrec_eval.RelevanceEvaluator(qrels, set(names.values())).evaluate(scores)
    values = evaluate_runs({"bm25": scores}, qrels, list(names)).values["bm25"]
    for label, name in names.items():
        assert values[label] == pytest.approx({q: expected[q][name] for q in qrels}, abs=1e-6)
    # Asked by us, ties are in BM25's own order: the same as trec_eval's for ranks as scores.
    ranked = {q: {hit.passage.id: -float(n) for n, hit in enumerate(h)} for q, h in found.items()}
    expected = pytrec_eval.RelevanceEvaluator(qrels, set(names.values())).evaluate(ranked)
    values = evaluate({"bm25": bm25}, queries, qrels, list(names), batch_size=300).values["bm25"]
    for label, name in names.items():
        assert values[label] == pytest.approx({q: expected[q][name] for q in qrels}, abs=1e-6)


def test_hand_computed_values() -> None:
    measures = ["AP", "AP@2", "MRR@2", "P@4", "R@3", "Success@1", "Rprec", "nDCG@3", "Judged@3"]
    judge = Judge(measures, {"q": {"a": 2, "b": 1, "c": 0, "d": 1}})
    values = {name: value["q"] for name, value in judge({"q": ["x", "c", "a", "b"]}).items()}
    assert values == pytest.approx(
        {
            "AP": (1 / 3 + 2 / 4) / 3,
            "AP@2": 0.0,
            "MRR@2": 0.0,
            "P@4": 2 / 4,
            "R@3": 1 / 3,
            "Success@1": 0.0,
            "Rprec": 1 / 3,
            "nDCG@3": (2 / math.log2(4)) / (2 + 1 / math.log2(3) + 1 / math.log2(4)),
            "Judged@3": 2 / 3,
        }
    )


def test_the_caller_s_spelling_stays_and_two_of_one_measure_both_appear() -> None:
    spellings = ["MRR@10", "RR@10", "mrr@10", " rr @ 10 ", "RR(rel=1)@10", "RR(cutoff=10)", "MRR@1"]
    values = Judge(spellings, {"q": {"a": 1}})({"q": ["x", "a"]})
    assert list(values) == spellings
    assert [value["q"] for value in values.values()] == [*[0.5] * 6, 0.0]


@pytest.mark.parametrize("measures", [np.array(["P@1", "P@2"]), iter(["P@1", "P@2"])])
def test_measures_in_whatever_holds_them(measures: Any) -> None:
    assert Judge(measures, {"q": {"a": 1}})({"q": ["a"]}) == {"P@1": {"q": 1.0}, "P@2": {"q": 0.5}}


@pytest.mark.parametrize("ids", [("a\0b", "a\0c", "a"), ("\ud800", "\udfff", "unjudged 1")])
def test_ids_that_c_cannot_read(ids: tuple[str, str, str]) -> None:
    # The binding alone takes the first three for one, and ends the process over the others.
    first, second, third = ids
    judge = Judge(["MRR", "P@1"], {first: {first: 1}, second: {third: 1, second: 0}})
    values = judge({first: [second, first], second: ["x", second, third]})
    assert values["MRR"] == {first: 1 / 2, second: pytest.approx(1 / 3)}


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("NDCG@10", "ndcg@10"),
        ("P@5", "Precision@5"),
        ("r@100", "RECALL@100"),
        ("AP@100", "map@100"),
        ("Rprec", "RPrec"),
    ],
)
def test_people_s_names_in_any_case(short: str, long: str) -> None:
    values = Judge([short, long], {"q": {"a": 1, "b": 1}})({"q": ["a", "x", "b"]})
    assert values[short] == values[long]
    assert values[short]["q"] > 0


@pytest.mark.parametrize(
    ("measures", "says"),
    [
        ("nDCG@10", "list"),
        ([], "list"),
        (10, "measures must be a list such as .*, not 10"),
        ([10], "string such as 'nDCG@10', not 10"),
        (["nonsense@3"], "no measure 'nonsense@3'"),
        (["nDCG@"], "no measure 'nDCG@'"),
        (["hit rate"], "no measure 'hit rate'"),
        (["nDCG@ten"], "'ten' is not a value"),
        (["nDCG@0"], "cutoff in 'nDCG@0' must be a whole number from 1"),
        (["P@-5"], "cutoff in 'P@-5'"),
        (["P@True"], "cutoff"),
        (["P@2.5"], "cutoff"),
        (["P"], "'P' needs a cutoff: write 'P@10'"),
        (["IPrec"], "'IPrec' needs a recall: write 'IPrec@0.1'"),
        (["SDCG@10"], r"'SDCG@10' needs a max_rel: write 'SDCG\(max_rel=…\)'"),
        (["AP(2)@5"], "write parameters as in"),
        (["AP(**{})@5"], "write parameters as in"),
        (["AP(rel)@5"], "write parameters as in"),
        (["AP(rel=)@5"], "write parameters as in"),
        (["AP(rel=open('x'))@5"], "is not a value"),
        (["AP(rel=0)@5"], "rel in .* must be a whole number from 1"),
        (["AP(level=2)@5"], "cannot have level=2: AP takes cutoff, rel, judged_only"),
        (["nDCG(dcg='x')@5"], "cannot have dcg='x'"),
        (["nDCG(dcg='exp-log2')@5"], "trec_eval does not have it"),
        (["alpha_nDCG@10"], "cannot compute alpha_nDCG@10"),
        (["ERR@10"], "cannot compute ERR@10"),
        (["nDCG@10", "R@11"], "R@11 needs k of at least 11, not 10"),
    ],
)
def test_measures_that_cannot_be(measures: Any, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        Judge(measures, {"q": {"a": 1}}, k=10)
