"""Tests against every sign change counted by hand, and against scipy's other ways to the same."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hybridge.errors import InvalidInputError
from hybridge.evaluation import Evaluation

VALUES = st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 1.0])


def evaluation(baseline: str | None = "base", /, **values: list[float]) -> Evaluation:
    return Evaluation(
        {
            name: {"RR": {f"q{n}": value for n, value in enumerate(listed)}}
            for name, listed in values.items()
        },
        baseline=baseline,
    )


def exhaustive(differences: np.ndarray[Any, Any]) -> float:
    """The share of all sign changes whose mean is as far from 0."""
    observed = abs(differences.mean())
    means = [
        abs(np.mean(differences * signs)) for signs in product([1, -1], repeat=len(differences))
    ]
    return float(np.mean([mean >= observed - 1e-12 for mean in means]))


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=8))
def test_the_permutation_test_is_every_sign_change(pairs: list[tuple[float, float]]) -> None:
    base, other = map(list, zip(*pairs, strict=True))
    [found] = evaluation(base=base, other=other).compare()
    differences = np.array(other) - np.array(base)
    assert found.p == pytest.approx(exhaustive(differences), abs=1e-9)
    assert found.difference == pytest.approx(differences.mean())
    assert (found.wins, found.ties, found.losses) == (
        sum(a > b for b, a in pairs),
        sum(a == b for b, a in pairs),
        sum(a < b for b, a in pairs),
    )
    low, high = found.interval
    assert low <= found.difference + 1e-12
    assert high >= found.difference - 1e-12


@pytest.fixture(scope="module")
def many() -> Evaluation:
    random = np.random.default_rng(3)
    base = random.random(40)
    shifts = {"far": 0.3, "near": 0.05, "same": 0.0}
    others = {
        name: (base + shift + random.normal(0, 0.2, 40)).tolist() for name, shift in shifts.items()
    }
    return evaluation(base=base.tolist(), **others)


def pairs_of(many: Evaluation) -> dict[str, Any]:
    columns = {name: np.array([*values["RR"].values()]) for name, values in many.values.items()}
    return {name: (columns[name], columns["base"]) for name in ("far", "near", "same")}


def test_student_s_test_is_scipy_s_of_the_pairs(many: Evaluation) -> None:
    for found in many.compare(test="t"):
        one, other = pairs_of(many)[found.retriever]
        assert found.p == pytest.approx(stats.ttest_rel(one, other).pvalue)


def test_wilcoxon_s_test_is_scipy_s_of_the_pairs(many: Evaluation) -> None:
    for found in many.compare(test="wilcoxon"):
        one, other = pairs_of(many)[found.retriever]
        assert found.p == pytest.approx(stats.wilcoxon(one, other).pvalue)


def test_on_many_queries_permutation_and_student_agree(many: Evaluation) -> None:
    # Smucker, Allan and Carterette found it so on TREC's runs.
    for by_signs, by_t in zip(many.compare(), many.compare(test="t"), strict=True):
        assert by_signs.p == pytest.approx(by_t.p, abs=0.02)


def test_the_interval_is_as_wide_as_the_normal_one(many: Evaluation) -> None:
    for found in many.compare():
        one, other = pairs_of(many)[found.retriever]
        half = 1.96 * (one - other).std(ddof=1) / np.sqrt(40)
        assert found.interval == pytest.approx(
            (found.difference - half, found.difference + half), abs=0.01
        )


@pytest.mark.parametrize("correction", ["bh", "by"])
def test_corrected_as_the_papers_have_it(many: Evaluation, correction: Any) -> None:
    found = many.compare(test="t", correction=correction)
    count = len(found)
    ranked = sorted(found, key=lambda one: one.p)
    factor = sum(1 / n for n in range(1, count + 1)) if correction == "by" else 1
    for rank, one in enumerate(ranked, start=1):
        expected = min(
            factor * count * later.p / n for n, later in enumerate(ranked, start=1) if n >= rank
        )
        assert one.corrected == pytest.approx(min(1, expected))


def test_without_correction_and_with_the_same_seed(many: Evaluation) -> None:
    plain = many.compare(correction=None)
    assert all(one.p == one.corrected for one in plain)
    assert [one.p for one in plain] == [one.p for one in many.compare()]
    assert many.compare() == many.compare(seed=0)
    assert many.compare() != many.compare(seed=1)


@pytest.mark.parametrize("test", ["permutation", "t", "wilcoxon"])
def test_equal_retrievers_differ_by_nothing(test: Any) -> None:
    same = [0.5, 1.0, 0.0]
    one, other = evaluation(base=same, same=same, worse=[0.25, 0.5, 0.1]).compare(test=test)
    assert (one.p, one.corrected, one.difference, one.interval) == (1.0, 1.0, 0.0, (0.0, 0.0))
    assert (one.wins, one.ties, one.losses) == (0, 3, 0)
    assert other.difference < 0
    assert other.p < 1


def test_two_queries_can_show_little() -> None:
    [found] = evaluation(base=[0.0, 0.0], other=[0.5, 0.5]).compare()
    assert found.p == 0.5  # of four sign changes two are as far from 0
    assert found.interval == (0.5, 0.5)


def test_one_query_can_show_nothing() -> None:
    with pytest.raises(InvalidInputError, match="1 query shows nothing of chance"):
        evaluation(base=[0.0], other=[1.0]).compare()


def test_the_t_test_says_when_it_cannot() -> None:
    with pytest.raises(InvalidInputError, match="take test='permutation'"):
        evaluation(base=[0.1, 0.2, 0.3], other=[0.3, 0.4, 0.5]).compare(test="t")


def test_the_baseline_is_the_evaluation_s_or_the_caller_s() -> None:
    given = evaluation(base=[0.0, 0.5], other=[0.5, 0.0])
    assert [(one.retriever, one.baseline) for one in given.compare()] == [("other", "base")]
    assert [(one.retriever, one.baseline) for one in given.compare("other")] == [("base", "other")]
    assert evaluation(base=[0.0, 0.5]).compare() == []


def test_a_comparison_reads_as_a_sentence() -> None:
    [found] = evaluation(base=[0.0, 0.5], other=[0.5, 0.5]).compare()
    assert str(found) == (
        "other − base, RR: +0.2500 [+0.0000, +0.5000], p = 1.0000, corrected 1.0000; "
        "1 better, 1 equal, 0 worse"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"baseline": "gone"}, "no retriever 'gone'; there are base, other"),
        ({"measure": "AP"}, "no measure 'AP'; there are RR"),
        ({"test": "anova"}, "test must be one of .*'permutation'.* not 'anova'"),
        ({"correction": "bonferroni"}, "correction must be one of"),
        ({"seed": -1}, "seed must be a whole number from 0, not -1"),
    ],
)
def test_mistakes_are_named(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        evaluation(base=[0.0, 0.5], other=[0.5, 0.5]).compare(**arguments)


def test_without_a_baseline_one_is_asked_for() -> None:
    with pytest.raises(InvalidInputError, match="one of base, other"):
        evaluation(None, base=[0.0, 0.5], other=[0.5, 0.5]).compare()


def test_retrievers_judged_on_other_queries_cannot_be_compared() -> None:
    values = {"a": {"RR": {"q": 1.0, "p": 1.0}}, "b": {"RR": {"q": 1.0, "r": 1.0}}}
    with pytest.raises(InvalidInputError, match="'b' and 'a' were not judged on the same queries"):
        Evaluation(values).compare("a")
