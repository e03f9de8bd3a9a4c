"""The result of an evaluation: every value of every query, and the figures made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidInputError, needs_extra
from ..report import Renderable, Section, Styled, Table, number
from .collection import Qrels
from .significance import SIGNIFICANT, Comparison, Correction, Test, compare

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Evaluation"]

_BETTER, _WORSE = "▲", "▼"


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation(Renderable):
    """The value of each measure for each query, by retriever; the lists found and their latency.

    Printed, it is a table: each measure's mean, the median and the 95th percentile of the
    latency, and, with a `baseline`, a mark where a retriever differs from it by more than chance.

    Args:
        values: retriever → measure → query id → value, for the queries that have judgements.
        lists: retriever → query id → ids of the passages found, best first.
        latencies: retriever → query id → seconds; empty if nothing was timed.
        stages: retriever → stage → query id → seconds that the stage itself took.
        queries: query id → question.
        qrels: query id → passage id → relevance.
        baseline: the retriever to compare the others with.

    >>> print(Evaluation({"bm25": {"RR@10": {"q1": 1.0, "q2": 0.5}}}))
           RR@10
    bm25  0.7500
    """

    values: Mapping[str, Mapping[str, Mapping[str, float]]]
    lists: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    latencies: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    stages: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    queries: Mapping[str, str] = field(default_factory=dict)
    qrels: Qrels = field(default_factory=dict)
    baseline: str | None = None

    @property
    def retrievers(self) -> list[str]:
        """The retrievers, in the order of the call."""
        return list(self.values)

    @property
    def measures(self) -> list[str]:
        """The measures, in the order of the call."""
        return list(next(iter(self.values.values()), {}))

    @property
    def query_ids(self) -> list[str]:
        """The ids of the queries with judgements."""
        by_measure = next(iter(self.values.values()), {})
        return list(next(iter(by_measure.values()), {}))

    def mean(self, retriever: str, measure: str) -> float:
        """Return a measure's mean over the queries: the figure that papers report."""
        _check(retriever, self.retrievers, "retriever")
        _check(measure, self.measures, "measure")
        return fmean(self.values[retriever][measure].values())

    def latency(self, retriever: str, percentile: float = 50) -> float:
        """Return the seconds within which that percentage of the queries was answered.

        Args:
            retriever: its name.
            percentile: from 0 to 100; between two queries it is interpolated.

        Raises:
            InvalidInputError: an unknown retriever, one that was not timed, or no percentage.
        """
        if isinstance(percentile, bool) or not isinstance(percentile, Real):
            raise InvalidInputError(f"percentile must be a number, not {percentile!r}")
        if not 0 <= percentile <= 100:
            raise InvalidInputError(f"percentile must be from 0 to 100, not {percentile}")
        return float(np.percentile(list(self._timed(retriever).values()), percentile))

    def stage_costs(self, retriever: str) -> dict[str, float]:
        """Return stage → median seconds it took for a query, in the order in which stages ran.

        The time of a stage within another one counts for the inner stage alone. Another
        framework's retriever is one stage, by the name of its class. Time outside all stages is in
        the latency alone.

        Raises:
            InvalidInputError: an unknown retriever, or one that was not timed.
        """
        self._timed(retriever)
        stages = self.stages.get(retriever, {})
        return {stage: median(seconds.values()) for stage, seconds in stages.items()}

    def compare(
        self,
        baseline: str | None = None,
        measure: str | None = None,
        *,
        test: Test = "permutation",
        correction: Correction = "bh",
        seed: int = 0,
    ) -> list[Comparison]:
        """Compare each other retriever with one, query by query, and test the difference.

        The p-value is two-sided. Of the tests, the paired permutation test of the mean assumes
        least, and Student's t test agrees with it in practice, while Wilcoxon's signed ranks test
        something else and err: M. Smucker, J. Allan and B. Carterette, *A Comparison of
        Statistical Significance Tests for Information Retrieval Evaluation*, CIKM 2007. All sign
        changes are tried where there are at most 9,999, otherwise 9,999 random ones.

        Among many retrievers, one is better by chance; the corrected p-value allows for that:
        Y. Benjamini and Y. Hochberg, *Controlling the False Discovery Rate*, J. R. Statist. Soc. B
        57, 1995; Y. Benjamini and D. Yekutieli, Ann. Statist. 29, 2001.

        Args:
            baseline: the retriever to compare with; None is the evaluation's baseline.
            measure: the measure to compare by; None is the first.
            test: "permutation", "t" or "wilcoxon".
            correction: "bh", "by" (valid under any dependence of the tests), or None.
            seed: of the random sign changes and the bootstrap.

        Raises:
            InvalidInputError: an unknown name, no baseline, fewer than two queries, or, for "t",
                differences that are all the same.
            MissingExtraError: the extra `evaluation` is not installed.

        >>> values = {"a": {"RR": {"q1": 1.0, "q2": 0.5}}, "b": {"RR": {"q1": 0.5, "q2": 0.5}}}
        >>> [found] = Evaluation(values).compare("b")
        >>> found.difference, found.p, (found.wins, found.ties, found.losses)
        (0.25, 1.0, (1, 1, 0))
        """
        chosen = self.baseline if baseline is None else baseline
        if chosen is None:
            raise InvalidInputError(
                f"compare with which? Give baseline, one of {', '.join(self.retrievers)}"
            )
        _check(chosen, self.retrievers, "retriever")
        by = self._measure(measure)
        return compare(self.values, chosen, [by], test, correction, seed)

    def to_frame(self) -> DataFrame:
        """Return a row for each retriever: each measure's mean, and p50 and p95 in ms if timed.

        Raises:
            MissingExtraError: the extra `evaluation` is not installed.
        """
        rows = {
            name: {measure: self.mean(name, measure) for measure in self.measures}
            for name in self.retrievers
        }
        for name, seconds in self.latencies.items():
            if seconds:
                rows[name] |= {f"p{p} ms": 1000 * self.latency(name, p) for p in (50, 95)}
        return _frame(rows, "retriever")

    def per_query(self, measure: str | None = None) -> DataFrame:
        """Return a row for each query: its text, if it is known, and each retriever's value.

        Args:
            measure: the measure to show; None is the first.

        Raises:
            InvalidInputError: an unknown measure.
            MissingExtraError: the extra `evaluation` is not installed.
        """
        by = self._measure(measure)
        rows = {
            query: {name: self.values[name][by][query] for name in self.retrievers}
            for query in self.query_ids
        }
        frame = _frame(rows, "query id")
        if self.queries:
            texts = [self.queries.get(query, "") for query in self.query_ids]
            frame.insert(0, "query", texts, allow_duplicates=True)
        return frame

    def __repr__(self) -> str:
        return (
            f"Evaluation({', '.join(self.retrievers)}: {', '.join(self.measures)} "
            f"over {len(self.query_ids)} queries)"
        )

    def _report(self) -> Section:
        marks, note = _marks(self)
        timed = any(self.latencies.values())
        rows = []
        for name in self.retrievers:
            cells = [name]
            cells += [
                number(self.mean(name, measure), 4) + marks.get((name, measure), "")
                for measure in self.measures
            ]
            if timed:
                has = bool(self.latencies.get(name))
                cells += [
                    number(1000 * self.latency(name, p) if has else None, 1) for p in (50, 95)
                ]
            rows.append(cells)
        table = Table(["", *self.measures, *(["p50 ms", "p95 ms"] if timed else [])], rows)
        return Section(body=[table, Styled(note, "dim")] if note else [table])

    def _measure(self, measure: str | None) -> str:
        if measure is None and self.measures:
            return self.measures[0]
        _check(measure, self.measures, "measure")
        return str(measure)

    def _timed(self, retriever: str) -> Mapping[str, float]:
        _check(retriever, self.retrievers, "retriever")
        if seconds := self.latencies.get(retriever):
            return seconds
        raise InvalidInputError(
            f"{retriever!r} was not timed: only evaluate() with batch_size=1 times searches"
        )


def _check(name: str | None, names: Sequence[str], kind: str) -> None:
    if name not in names:
        raise InvalidInputError(f"there is no {kind} {name!r}; there are {', '.join(names)}")


def _frame(rows: Mapping[str, Mapping[str, float]], index: str) -> DataFrame:
    with needs_extra("evaluation"):
        import pandas
    frame = pandas.DataFrame(list(rows.values()), index=list(rows))
    frame.index.name = index
    return frame


def _marks(evaluation: Evaluation) -> tuple[dict[tuple[str, str], str], str]:
    """Return the mark behind each mean, and the note that explains the marks."""
    baseline = evaluation.baseline
    if baseline is None or len(evaluation.query_ids) < 2 or len(evaluation.retrievers) < 2:
        return {}, ""
    found = compare(evaluation.values, baseline, evaluation.measures)
    marks = {
        (one.retriever, one.measure): _BETTER if one.difference > 0 else _WORSE
        for one in found
        if one.corrected < SIGNIFICANT
    }
    how = f"p < {SIGNIFICANT}, paired permutation test, corrected (Benjamini–Hochberg)"
    if not marks:
        return marks, f"no difference from {baseline} is significant: {how}"
    return marks, f"{_BETTER} better, {_WORSE} worse than {baseline}: {how}"
