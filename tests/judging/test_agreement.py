"""Kappa and alpha against published figures, sums by hand, and scikit-learn."""

from __future__ import annotations

from random import Random

import pytest
from sklearn.metrics import cohen_kappa_score

from hybridge.errors import InvalidInputError
from hybridge.judging import JudgeAgreement, Judgments, krippendorff_alpha, weighted_kappa

# Four observers, twelve units, from section C of Krippendorff 2011; None is a missing value.
_OBSERVED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def test_alpha_of_the_papers_example() -> None:
    units = [
        [value for value in unit if value is not None] for unit in zip(*_OBSERVED, strict=True)
    ]

    alpha = krippendorff_alpha(units)

    assert alpha is not None
    assert round(alpha, 3) == 0.815  # as in the paper, for ordinal data


def test_alpha_by_hand() -> None:
    # Grades: 0 three times, 1 once, 3 twice; one pair of 0 and 1 in both orders.
    # Distances: 0 to 1: 3/2 + 1/2 = 2, squared 4; 0 to 3: 3/2 + 1 + 1 = 3.5, squared 12.25;
    # 1 to 3: 1/2 + 1 = 1.5, squared 2.25. By chance: 3·1·4 + 3·2·12.25 + 1·2·2.25 = 90.
    assert krippendorff_alpha([[0, 0], [1, 0], [3, 3]]) == pytest.approx(1 - 5 * 4 / 90)


def test_one_grade_alone_does_not_count() -> None:
    assert krippendorff_alpha([[0, 0], [1, 0], [3, 3], [2], []]) == pytest.approx(1 - 20 / 90)


@pytest.mark.parametrize("items", [[], [[1]], [[2, 2], [2, 2, 2]]])
def test_alpha_is_not_defined_without_any_difference(items: list[list[int]]) -> None:
    assert krippendorff_alpha(items) is None


def test_kappa_by_hand() -> None:
    pairs = [(0, 0), (0, 1), (2, 2), (3, 1)]
    # Squared differences: 0, 1, 0, 4. First judge 0 0 2 3, second 0 1 2 1:
    # from 0: 0 + 1 + 4 + 1 = 6, twice; from 2: 4 + 1 + 0 + 1 = 6; from 3: 9 + 4 + 1 + 4 = 18.
    assert weighted_kappa(pairs) == pytest.approx(1 - 5 * 4 / 36)
    # Plain ones: 0, 1, 0, 2; from 0: 4, twice; from 2: 4; from 3: 3 + 2 + 1 + 2 = 8.
    assert weighted_kappa(pairs, "linear") == pytest.approx(1 - 3 * 4 / 20)


@pytest.mark.parametrize("weights", ["quadratic", "linear"])
def test_kappa_is_that_of_scikit_learn(weights: str) -> None:
    random = Random(5)
    first = [random.randrange(4) for _ in range(80)]
    second = [min(3, max(0, grade + random.choice((-1, 0, 0, 1)))) for grade in first]

    kappa = weighted_kappa(zip(first, second, strict=True), weights)  # type: ignore[arg-type]

    assert kappa == pytest.approx(cohen_kappa_score(first, second, weights=weights))


def test_kappa_is_not_defined_for_one_grade() -> None:
    assert weighted_kappa([(1, 1), (1, 1)]) is None
    assert weighted_kappa([]) is None


def test_unknown_weights_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="weights must be 'quadratic' or 'linear'"):
        weighted_kappa([(0, 1)], "cubic")  # type: ignore[arg-type]


def test_agreement_of_judges(judgments: Judgments) -> None:
    [question] = judgments.add_questions(["why?"])
    for judge, grades in {"Ann": [0, 1, 3, None], "Bo": [0, 0, 3, 2], "Cy": []}.items():
        for passage, grade in zip("abcd", grades, strict=False):
            judgments.grade(question, passage, grade, judge=judge)
    judgments.grade(question, "e", 2, judge="Bo")

    agreement = judgments.agreement()

    assert dict(agreement.graded) == {"Ann": 3, "Bo": 5}
    assert agreement.shared == 3  # "unsure" is no grade
    assert agreement.alpha == pytest.approx(1 - 20 / 90)
    [pair] = agreement.pairs
    assert (pair.judges, pair.shared, pair.same) == (("Ann", "Bo"), 3, pytest.approx(2 / 3))
    # Differences squared: 1. From Ann's 0: 9; from 1: 1 + 1 + 4; from 3: 9 + 9.
    assert pair.kappa == pytest.approx(1 - 1 * 3 / 33)
    assert agreement.disagreements == [(question, "b", {"Ann": 1, "Bo": 0})]
    assert "Too few to conclude from: two judges graded 3" in str(agreement)


def test_agreement_of_one_judge_says_that_there_is_none(judgments: Judgments) -> None:
    [question] = judgments.add_questions(["why?"])
    judgments.grade(question, "a", 1, judge="Ann")

    assert judgments.agreement().verdict.startswith("No passage was graded by two judges")


def test_the_widest_disagreement_comes_first(judgments: Judgments) -> None:
    [question] = judgments.add_questions(["why?"])
    for passage, grades in {"a": (1, 2), "b": (0, 3), "c": (3, 3)}.items():
        for judge, grade in zip(("Ann", "Bo"), grades, strict=True):
            judgments.grade(question, passage, grade, judge=judge)

    agreement = judgments.agreement()

    assert [passage for _, passage, _ in agreement.disagreements] == ["b", "a"]


@pytest.mark.parametrize(
    ("shared", "alpha", "verdict"),
    [
        (19, 1.0, "Too few to conclude from"),
        (20, 1.0, "Reliable"),
        (20, 0.7, "Good for tentative conclusions"),
        (20, 0.6, "Not reliable"),
        (20, None, "Every shared passage has the same grade"),
    ],
)
def test_what_the_figures_allow(shared: int, alpha: float | None, verdict: str) -> None:
    assert JudgeAgreement({}, shared, alpha, [], []).verdict.startswith(verdict)
