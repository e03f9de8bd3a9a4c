"""The result of tuning: the chosen setting, its score on held-out queries, and every trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from statistics import fmean
from typing import TYPE_CHECKING

from ..errors import InvalidInputError, needs_extra
from ..evaluation.significance import SIGNIFICANT
from ..protocols import Retriever
from ..report import Renderable, Section, Table, number
from .setting import PARAMETERS, Setting, Value
from .target import Target

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Trial", "Tuning"]


@dataclass(frozen=True, slots=True)
class Trial:
    """A setting that was tried.

    Args:
        setting: of a pipeline, with as many rerankers as reranked its lists.
        score: the measure's mean over all queries.
    """

    setting: Setting
    score: float


@dataclass(frozen=True, slots=True, repr=False)
class Tuning(Renderable):
    """The result of `tune`; printed, a summary with a verdict.

    Args:
        measure: the measure to maximise.
        k: how many passages each search returned. To repeat a figure, use the same:
            ``evaluate(tuning.apply(), queries, qrels, [tuning.measure], k=tuning.k)``.
        folds: the number of folds of the cross-validation.
        default: the retriever's own setting.
        chosen: the setting that is best on all queries.
        trials: every setting that was tried to choose on all queries.
        held_out: query id → its value by a setting that was chosen without its fold.
        default_held_out: query id → its value by the default.
        interval: the 95 % bootstrap interval of the difference of their means.
        p: how often a difference as large comes about by chance (paired permutation test).
        test_score: the chosen setting's mean over the test's queries, if there is a test.
        default_test_score: the default's.
        target: the tuned retriever.
    """

    measure: str
    k: int
    folds: int
    default: Setting
    chosen: Setting
    trials: Sequence[Trial]
    held_out: Mapping[str, float]
    default_held_out: Mapping[str, float]
    interval: tuple[float, float]
    p: float
    target: Target = field(compare=False)
    test_score: float | None = None
    default_test_score: float | None = None

    @property
    def held_out_score(self) -> float:
        """The mean of `held_out`: an estimate of the choice's score on unseen queries."""
        return fmean(self.held_out.values())

    @property
    def default_score(self) -> float:
        """The mean of `default_held_out`."""
        return fmean(self.default_held_out.values())

    @property
    def difference(self) -> float:
        """`held_out_score` less `default_score`."""
        return self.held_out_score - self.default_score

    @property
    def within_noise(self) -> bool:
        """Whether the choice is not significantly better than the default (p < 0.05)."""
        return self.difference <= 0 or self.p >= SIGNIFICANT

    @property
    def verdict(self) -> str:
        """The advice that follows, in a sentence or two."""
        queries = f"{len(self.held_out)} queries"
        if self.chosen == self.default:
            return f"Nothing that was tried is better than the default on these {queries}: keep it."
        if self.within_noise:
            return (
                f"The gain is within noise: these {queries} do not show that the chosen setting is "
                "better than the default. Keep the default."
            )
        return f"The gain is more than chance on these {queries}: take the chosen setting."

    def apply(self) -> Retriever:
        """Return the retriever with the chosen setting, over the same index and rerankers.

        The index itself stays as it is. To create one whose default it is, pass
        `hybridge.HybridIndex.create` the fusion, weights, depth and
        ``bm25=BM25Parameters(k1=tuning.chosen.k1, b=tuning.chosen.b)``.
        """
        return self.target.build(self.chosen)

    @property
    def parameters(self) -> list[str]:
        """The parameters of which several values were tried."""
        return [name for name in PARAMETERS if len(self.curve(name)) > 1]

    def curve(self, name: str) -> list[tuple[Value, float]]:
        """Return each value of a parameter that was tried, and the best mean of a setting with it.

        The first stages of a pipeline are tuned without its rerankers, and all without boosts, so
        their curves have the scores of the lists before these. Not all values were tried equally
        often: the default's k1, b and blend were tried with every fusion, weight and depth, other
        ones only with the best of these, and of the fusions only the best was tried with other k1,
        b and blends. So a small difference may come from the order of trials, see
        `hybridge.tuning.choosing`.

        Args:
            name: a field of `Setting`. The fusion's values are its labels; the weights' are the
                second stage's shares where there are two, and all shares where there are more.

        Raises:
            InvalidInputError: there is no such parameter.
        """
        if name not in PARAMETERS:
            raise InvalidInputError(
                f"there is no parameter {name!r}: choose one of {', '.join(PARAMETERS)}"
            )
        last = ("rerank", "boost")
        rerankers = len(self.default.rerank_depths) if name.startswith(last) else 0
        boosts = len(self.default.boost_weights) if name.startswith("boost") else 0
        best: dict[Value, float] = {}
        for trial in self.trials:
            setting = trial.setting
            value = setting.value(name)
            around = (len(setting.rerank_depths), len(setting.boost_weights))
            if value is not None and around == (rerankers, boosts):
                best[value] = max(trial.score, best.get(value, 0.0))
        return sorted(best.items())

    def to_frame(self) -> DataFrame:
        """Return a row for each trial: its score, and the parameters that the retriever has.

        Raises:
            MissingExtraError: the extra `evaluation` is not installed.
        """
        with needs_extra("evaluation"):
            import pandas
        columns = {
            name: [trial.setting.value(name) for trial in self.trials] for name in PARAMETERS
        }
        had = {name: some for name, some in columns.items() if any(v is not None for v in some)}
        return pandas.DataFrame({**had, self.measure: [trial.score for trial in self.trials]})

    def __repr__(self) -> str:
        return (
            f"Tuning({self.measure}: default {self.default_score:.4f}, held out "
            f"{self.held_out_score:.4f}, {len(self.trials)} settings)"
        )

    def _report(self) -> Section:
        return Section(body=[_settings(self), "", *_findings(self), "", _curves(self)])


def _settings(tuning: Tuning) -> Table:
    """Build the table of the default and the chosen setting."""
    both = [
        ("default", tuning.default, tuning.default_score),
        ("chosen", tuning.chosen, tuning.held_out_score),
    ]
    names = [name for name in PARAMETERS if any(one.value(name) is not None for _, one, _ in both)]
    rows = [
        [row, number(score, 4), *(_shown(setting.value(name)) for name in names)]
        for row, setting, score in both
    ]
    return Table(["", f"{tuning.measure} held out", *names], rows)


def _findings(tuning: Tuning) -> list[str]:
    low, high = tuning.interval
    lines = [
        f"Chosen − default: {tuning.difference:+.4f} [{low:+.4f}, {high:+.4f}], "
        f"p = {tuning.p:.4f}; each of {tuning.folds} folds judged by a choice on the others, "
        f"{len(tuning.trials)} settings tried.",
        tuning.verdict,
    ]
    if tuning.test_score is not None and tuning.default_test_score is not None:
        test, default = number(tuning.test_score, 4), number(tuning.default_test_score, 4)
        lines.append(f"Test: chosen {test}, default {default}.")
    return lines


def _curves(tuning: Tuning) -> Table:
    """Build the table of each parameter's best and worst value, with the best of the others."""
    rows = []
    for name in tuning.parameters:
        curve = tuning.curve(name)
        best, worst = max(curve, key=itemgetter(1)), min(curve, key=itemgetter(1))
        ends = [(_shown(value), number(score, 4)) for value, score in (best, worst)]
        rows.append([name, *ends[0], *ends[1]])
    return Table(["parameter", "best", tuning.measure, "worst", tuning.measure], rows)


def _shown(value: Value) -> str:
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)
