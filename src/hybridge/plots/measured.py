"""Checks and units that the pictures of an `Evaluation` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidInputError

if TYPE_CHECKING:
    from ..evaluation import Evaluation

__all__ = ["check_measure", "median_ms", "ms"]


def check_measure(evaluation: Evaluation, measure: str | None = None) -> str:
    """Return the measure to draw: `measure`, or the evaluation's first.

    Raises:
        InvalidInputError: an empty evaluation, or an unknown measure.

    >>> from hybridge.evaluation import Evaluation
    >>> check_measure(Evaluation({"bm25": {"RR": {"q1": 1.0}}}))
    'RR'
    """
    measures = evaluation.measures
    if not measures or not evaluation.query_ids:
        raise InvalidInputError(
            "there is nothing to draw: the evaluation has no retriever, measure or query"
        )
    if measure is not None and measure not in measures:
        raise InvalidInputError(f"there is no measure {measure!r}; there are {', '.join(measures)}")
    return measures[0] if measure is None else measure


def median_ms(evaluation: Evaluation, retriever: str) -> float:
    """Return a retriever's median latency in milliseconds, above 0 for logarithmic axes.

    Raises:
        InvalidInputError: the retriever was not timed.
    """
    return max(1e-6, 1000 * evaluation.latency(retriever, 50))


def ms(value: float) -> str:
    """Format milliseconds.

    >>> ms(1234.5), ms(12.34), ms(0.1234)
    ('1234 ms', '12.3 ms', '0.12 ms')
    """
    return f"{value:.{0 if value >= 100 else 1 if value >= 1 else 2}f} ms"
