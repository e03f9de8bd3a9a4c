"""How far judges agree: weighted kappa for two of them, Krippendorff's alpha for any number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Literal

from ..errors import InvalidInputError
from ..report import Renderable, Section, Styled, Table, number

__all__ = ["JudgeAgreement", "Pair", "agreement_of", "krippendorff_alpha", "weighted_kappa"]

# K. Krippendorff, Content Analysis, 2004: rely on 0.8 and more, and conclude nothing below 0.667.
_RELIABLE, _TENTATIVE = 0.8, 0.667

_FEW = 20  # shared passages, below which alpha may be anything
_SHOWN = 10  # disagreements in the printed table


@dataclass(frozen=True, slots=True)
class Pair:
    """The agreement of two judges.

    Args:
        judges: their names.
        shared: passages that both graded.
        same: the share of them with the same grade from both.
        kappa: weighted by squares; None where it is not defined.
    """

    judges: tuple[str, str]
    shared: int
    same: float
    kappa: float | None


@dataclass(frozen=True, slots=True, repr=False)
class JudgeAgreement(Renderable):
    """The agreement of all judges; printed, two tables and what alpha means.

    Args:
        graded: judge → passages graded, "unsure" left out.
        shared: passages that two judges or more graded.
        alpha: Krippendorff's, for ordinal grades; None where it is not defined.
        pairs: those of judges who share passages.
        disagreements: question id, passage id, and judge → grade, the widest apart first.
    """

    graded: Mapping[str, int]
    shared: int
    alpha: float | None
    pairs: Sequence[Pair]
    disagreements: Sequence[tuple[str, str, Mapping[str, int]]]

    @property
    def verdict(self) -> str:
        """What the figures allow, in a sentence."""
        if not self.shared:
            return "No passage was graded by two judges: there is no agreement to measure."
        if self.shared < _FEW:
            return (
                f"Too few to conclude from: two judges graded {self.shared} of the same passages. "
                f"Let them grade {_FEW}."
            )
        if self.alpha is None:
            return "Every shared passage has the same grade: agreement beyond chance is undefined."
        if self.alpha >= _RELIABLE:
            return f"Reliable: alpha is at least {_RELIABLE}."
        if self.alpha >= _TENTATIVE:
            return f"Good for tentative conclusions: alpha is from {_TENTATIVE} to {_RELIABLE}."
        return (
            f"Not reliable: alpha is below {_TENTATIVE}. Talk over the widest disagreements, write "
            "down what each grade means, and grade again."
        )

    def __repr__(self) -> str:
        alpha = number(self.alpha, 3)
        return f"JudgeAgreement({', '.join(self.graded)}: alpha {alpha} over {self.shared} shared)"

    def _report(self) -> Section:
        body: list[Table | str | tuple[str | Styled, ...]] = [
            (Styled("Krippendorff's alpha (ordinal) ", "strong"), number(self.alpha, 3)),
            self.verdict,
        ]
        if self.pairs:
            rows = [
                [
                    " and ".join(pair.judges),
                    str(pair.shared),
                    f"{100 * pair.same:.0f} %",
                    number(pair.kappa, 3),
                ]
                for pair in self.pairs
            ]
            body.append(Table(["judges", "shared", "same grade", "kappa"], rows))
        if self.disagreements:
            apart = [
                [question, passage, ", ".join(f"{judge} {grade}" for judge, grade in some.items())]
                for question, passage, some in self.disagreements[:_SHOWN]
            ]
            body.append(Table(["question", "passage", "grades"], apart))
        return Section(body=body)


def agreement_of(grades: Mapping[str, Mapping[tuple[str, str], int]]) -> JudgeAgreement:
    """Return the agreement of judges.

    Args:
        grades: judge → question id and passage id → grade.
    """
    by_item: dict[tuple[str, str], dict[str, int]] = {}
    for judge, graded in grades.items():
        for item, grade in graded.items():
            by_item.setdefault(item, {})[judge] = grade
    shared = {item: some for item, some in by_item.items() if len(some) > 1}
    pairs = []
    for first, second in combinations(grades, 2):
        both = [
            (some[first], some[second]) for some in shared.values() if {first, second} <= {*some}
        ]
        if both:
            same = sum(a == b for a, b in both) / len(both)
            pairs.append(Pair((first, second), len(both), same, weighted_kappa(both)))
    apart = [(*item, some) for item, some in shared.items() if len(set(some.values())) > 1]
    apart.sort(key=lambda each: (min(each[2].values()) - max(each[2].values()), each[:2]))
    alpha = krippendorff_alpha(list(some.values()) for some in shared.values())
    counts = {judge: len(graded) for judge, graded in grades.items()}
    return JudgeAgreement(counts, len(shared), alpha, pairs, apart)


def weighted_kappa(
    pairs: Iterable[tuple[int, int]], weights: Literal["quadratic", "linear"] = "quadratic"
) -> float | None:
    r"""Return Cohen's weighted kappa of two judges: 1 for equal grades, 0 for those of chance.

    .. math:: \kappa = 1 - \frac{\sum_i d(a_i, b_i)}{\frac{1}{n} \sum_{i, j} d(a_i, b_j)}

    where :math:`d` is the squared or the plain difference of two grades. J. Cohen, *Weighted
    Kappa: Nominal Scale Agreement with Provision for Scaled Disagreement or Partial Credit*,
    Psychological Bulletin 70, 1968.

    Args:
        pairs: the two grades of each passage that both judges graded.
        weights: "quadratic", under which a step of two counts as four, or "linear".

    Returns:
        None where nothing is to be measured: no pair, or one grade for everything.

    >>> weighted_kappa([(0, 0), (1, 1), (2, 2), (3, 2)])
    0.875
    """
    if weights not in ("quadratic", "linear"):
        raise InvalidInputError(f"weights must be 'quadratic' or 'linear', not {weights!r}")
    power = 2 if weights == "quadratic" else 1
    listed = list(pairs)
    first, second = Counter(a for a, _ in listed), Counter(b for _, b in listed)
    observed = sum(abs(a - b) ** power for a, b in listed)
    by_chance = sum(
        m * n * abs(a - b) ** power for a, m in first.items() for b, n in second.items()
    )
    return None if by_chance == 0 else 1 - observed * len(listed) / by_chance


def krippendorff_alpha(items: Iterable[Sequence[int]]) -> float | None:
    r"""Return Krippendorff's alpha of any number of judges for ordinal grades; 1 is agreement.

    .. math:: \alpha = 1 - (n - 1)
              \frac{\sum_{c < k} o_{ck} \delta^2_{ck}}{\sum_{c < k} n_c n_k \delta^2_{ck}}, \quad
              \delta_{ck} = \sum_{g = c}^{k} n_g - \frac{n_c + n_k}{2}

    where :math:`o_{ck}` counts the pairs of grades that one item got, each by one less than the
    number of the item's grades, and :math:`n_c` how often a grade was graded. K. Krippendorff,
    *Computing Krippendorff's Alpha-Reliability*, University of Pennsylvania, 2011. Not every
    judge has to grade every item.

    Args:
        items: the grades of each item, in any order; one grade alone does not count.

    Returns:
        None where nothing is to be measured: no item with two grades, or one grade for everything.

    >>> krippendorff_alpha([[0, 0], [1, 1], [3, 3], [2, 2]])
    1.0
    """
    coincidences: Counter[tuple[int, int]] = Counter()
    for grades in items:
        for pair in permutations(grades, 2):
            coincidences[pair] += 1 / (len(grades) - 1)  # type: ignore[assignment]
    counts: dict[int, float] = {}
    for (grade, _), weight in coincidences.items():
        counts[grade] = counts.get(grade, 0.0) + weight
    observed = by_chance = 0.0
    for low, high in combinations(sorted(counts), 2):
        between = sum(count for grade, count in counts.items() if low <= grade <= high)
        squared = (between - (counts[low] + counts[high]) / 2) ** 2
        observed += coincidences[low, high] * squared
        by_chance += counts[low] * counts[high] * squared
    return None if by_chance == 0 else 1 - (sum(counts.values()) - 1) * observed / by_chance
