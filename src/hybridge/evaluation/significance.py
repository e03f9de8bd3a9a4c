"""Statistical significance of differences between retrievers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arguments import check_seed
from ..errors import InvalidInputError, needs_extra

__all__ = ["SIGNIFICANT", "Comparison", "Correction", "Test", "compare"]

Test: TypeAlias = Literal["permutation", "t", "wilcoxon"]
Correction: TypeAlias = Literal["bh", "by"] | None
_Values: TypeAlias = Mapping[str, Mapping[str, Mapping[str, float]]]
_Floats: TypeAlias = NDArray[np.float64]

SIGNIFICANT = 0.05
"""The p-value below which a difference counts as significant."""

_RESAMPLES = 9_999
_CONFIDENCE = 0.95
_NUMBERS = 1_000_000  # of resampled values held at once


@dataclass(frozen=True, slots=True)
class Comparison:
    """One retriever against the baseline by one measure, over the same queries.

    Args:
        retriever: the compared retriever.
        baseline: the retriever to compare it with.
        measure: the measure.
        difference: mean of the retriever's values less the baseline's.
        interval: the 95 % bootstrap interval of that difference, low and high.
        p: the probability of a difference as large if the two are equally good.
        corrected: the same, after correction for the number of compared retrievers.
        wins: queries on which the retriever is better.
        ties: queries on which the two are equal.
        losses: queries on which it is worse.
    """

    retriever: str
    baseline: str
    measure: str
    difference: float
    interval: tuple[float, float]
    p: float
    corrected: float
    wins: int
    ties: int
    losses: int

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.retriever} − {self.baseline}, {self.measure}: {self.difference:+.4f} "
            f"[{low:+.4f}, {high:+.4f}], p = {self.p:.4f}, corrected {self.corrected:.4f}; "
            f"{self.wins} better, {self.ties} equal, {self.losses} worse"
        )


def compare(
    values: _Values,
    baseline: str,
    measures: Sequence[str],
    test: Test = "permutation",
    correction: Correction = "bh",
    seed: int = 0,
) -> list[Comparison]:
    """Compare every other retriever with the baseline by each measure; see `Evaluation.compare`.

    Args:
        values: retriever → measure → query id → value, the same queries for all.
        baseline: one of the retrievers.
        measures: the measures to compare by; each is corrected by itself.
        test: "permutation", "t" or "wilcoxon".
        correction: "bh", "by" or None.
        seed: of the resampling.
    """
    for name, value, valid in (
        ("test", test, ("permutation", "t", "wilcoxon")),
        ("correction", correction, ("bh", "by", None)),
    ):
        if value not in valid:
            raise InvalidInputError(f"{name} must be one of {valid}, not {value!r}")
    check_seed(seed)
    others = [name for name in values if name != baseline]
    if not others or not measures:
        return []
    pairs = [(measure, name) for measure in measures for name in others]
    rows = np.array(
        [_differences(values[name][m], values[baseline][m], name, baseline) for m, name in pairs]
    )
    with needs_extra("evaluation"):
        p = _p_values(rows, test, seed)
        lows, highs = _intervals(rows, seed)
        groups = p.reshape(len(measures), len(others))
        corrected = np.concatenate([_corrected(group, correction) for group in groups])
    return [
        Comparison(
            retriever=name,
            baseline=baseline,
            measure=measure,
            difference=float(row.mean()),
            interval=(float(lows[i]), float(highs[i])),
            p=float(p[i]),
            corrected=float(corrected[i]),
            wins=int((row > 0).sum()),
            ties=int((row == 0).sum()),
            losses=int((row < 0).sum()),
        )
        for i, ((measure, name), row) in enumerate(zip(pairs, rows, strict=True))
    ]


def _differences(
    values: Mapping[str, float], others: Mapping[str, float], name: str, baseline: str
) -> list[float]:
    if values.keys() != others.keys():
        raise InvalidInputError(
            f"{name!r} and {baseline!r} were not judged on the same queries: evaluate them together"
        )
    if len(values) < 2:
        raise InvalidInputError(
            f"{len(values)} query shows nothing of chance: compare on two at least, better on 50"
        )
    return [value - others[query] for query, value in values.items()]


def _p_values(rows: _Floats, test: Test, seed: int) -> _Floats:
    """Return two-sided p-values, one a row; 1 where no query differs, which some tests refuse."""
    p = np.ones(len(rows))
    differs = rows.any(axis=1)
    if differs.any():
        p[differs] = _TESTS[test](rows[differs], seed)
    return p


def _permutation(rows: _Floats, seed: int) -> Any:
    from scipy import stats  # type: ignore[import-untyped]

    return stats.permutation_test(
        (rows,),
        _mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=_batch(rows),
        axis=-1,
        random_state=np.random.default_rng(seed),
    ).pvalue


def _mean(values: _Floats, axis: int) -> _Floats:
    # Sums of the same thirds in another order are equal; their last digits are not.
    return np.asarray(np.round(np.mean(values, axis=axis), 12))


def _student(rows: _Floats, seed: int) -> Any:
    from scipy import stats

    if (np.ptp(rows, axis=1) <= 1e-12 * np.abs(rows).max(axis=1)).any():
        raise InvalidInputError(
            "every query differs by the same amount, and the t test divides by how much the "
            "differences differ: take test='permutation'"
        )
    return stats.ttest_rel(rows, np.zeros_like(rows), axis=-1).pvalue


def _wilcoxon(rows: _Floats, seed: int) -> Any:
    from scipy import stats

    return [stats.wilcoxon(row).pvalue for row in rows]


_TESTS = {"permutation": _permutation, "t": _student, "wilcoxon": _wilcoxon}


def _intervals(rows: _Floats, seed: int) -> tuple[_Floats, _Floats]:
    from scipy import stats

    interval = stats.bootstrap(
        (rows,),
        np.mean,
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=_batch(rows),
        axis=-1,
        confidence_level=_CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return interval.low, interval.high


def _corrected(p: _Floats, correction: Correction) -> _Floats:
    from scipy import stats

    return (
        p if correction is None else np.asarray(stats.false_discovery_control(p, method=correction))
    )


def _batch(rows: _Floats) -> int:
    return max(1, _NUMBERS // rows.size)
