"""What tuning found: the choice, what it is worth, and every setting that was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from statistics import fmean
from typing import TYPE_CHECKING

from ..errors import InvalidInputError, MissingExtraError
from ..evaluation.rendering import SIGNIFICANT, Table
from ..protocols import Retriever
from .setting import PARAMETERS, Setting, Value
from .subject import Subject

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.console import Group

__all__ = ["Trial", "Tuning"]


@dataclass(frozen=True, slots=True)
class Trial:
    """A setting that was tried.

    Args:
        setting: of a pipeline, with as many rerankers as its list has gone through.
        score: the measure's mean over all queries.
    """

    setting: Setting
    score: float


@dataclass(frozen=True, slots=True, repr=False)
class Tuning:
    """What `tune` found; printed, a summary with a verdict.

    Args:
        measure: by what settings were judged.
        k: how many passages the searches were for. To repeat a figure, ask for as many:
            ``evaluate(tuning.apply(), queries, qrels, [tuning.measure], k=tuning.k)``.
        folds: in how many parts the queries were divided.
        default: the setting that was there.
        chosen: the one that is best on all queries.
        trials: every setting that was looked at to choose on all queries.
        held_out: query id → its value by a setting that was chosen without its fold.
        default_held_out: query id → its value by the default.
        interval: the 95 % bootstrap interval of the difference of their means.
        p: how often a difference as large comes about by chance (paired permutation test).
        test_score: the chosen setting's mean over the test's queries, if there is a test.
        default_test_score: the default's.
        subject: what was tuned.
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
    subject: Subject = field(compare=False)
    test_score: float | None = None
    default_test_score: float | None = None

    @property
    def held_out_score(self) -> float:
        """The mean of `held_out`: what choosing so is worth on queries it has not seen."""
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
        """Whether nothing shows that choosing is better than the default (p < 0.05)."""
        return self.difference <= 0 or self.p >= SIGNIFICANT

    @property
    def verdict(self) -> str:
        """What to do, in a sentence or two."""
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
        """The retriever with the chosen setting, over the same index and rerankers.

        The index itself stays as it is. To make one that has the setting by itself, give
        `hybridge.HybridIndex.create` the fusion, weights, depth and
        ``bm25=BM25Parameters(k1=tuning.chosen.k1, b=tuning.chosen.b)``.
        """
        return self.subject.built(self.chosen)

    @property
    def parameters(self) -> list[str]:
        """The parameters of which several values were tried."""
        return [name for name in PARAMETERS if len(self.curve(name)) > 1]

    def curve(self, name: str) -> list[tuple[Value, float]]:
        """Each value that was tried of a parameter, and the best mean of any setting with it.

        What stands before a pipeline's rerankers was tried without them, so those are the scores
        of its own lists. Values were not tried equally often: the default's k1, b and blend met
        every fusion, weight and depth, other ones only the best of these, and of the fusions only
        the best went on to other k1, b and blends. So a small difference may be the doing of the
        order, which `hybridge.tuning.choosing` tells.

        Args:
            name: a field of `Setting`. The fusion's values are its names, the weights' are the
                bi-encoder's shares.

        Raises:
            InvalidInputError: there is no such parameter.
        """
        if name not in PARAMETERS:
            raise InvalidInputError(
                f"there is no parameter {name!r}: choose one of {', '.join(PARAMETERS)}"
            )
        rerankers = len(self.default.rerank_depths) if name.startswith("rerank") else 0
        best: dict[Value, float] = {}
        for trial in self.trials:
            value = trial.setting.value(name)
            if value is not None and len(trial.setting.rerank_depths) == rerankers:
                best[value] = max(trial.score, best.get(value, 0.0))
        return sorted(best.items())

    def to_frame(self) -> DataFrame:
        """A row a trial: its parameters, those that the retriever has, and its score.

        Raises:
            MissingExtraError: the extra `evaluation` is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError("pandas", "evaluation") from error
        columns = {
            name: [trial.setting.value(name) for trial in self.trials] for name in PARAMETERS
        }
        had = {name: some for name, some in columns.items() if any(v is not None for v in some)}
        return pandas.DataFrame({**had, self.measure: [trial.score for trial in self.trials]})

    def __str__(self) -> str:
        tables = _settings(self).text(), _curves(self).text()
        return "\n".join([tables[0], "", *_findings(self), "", tables[1]])

    def __repr__(self) -> str:
        return (
            f"Tuning({self.measure}: default {self.default_score:.4f}, held out "
            f"{self.held_out_score:.4f}, {len(self.trials)} settings)"
        )

    def __rich__(self) -> Group:
        try:
            from rich.console import Group
            from rich.text import Text
        except ImportError as error:
            raise MissingExtraError("rich", "cli") from error
        findings = Text("\n".join(["", *_findings(self), ""]))
        return Group(_settings(self).rich(), findings, _curves(self).rich())

    def _repr_html_(self) -> str:
        findings = "".join(f"<p>{escape(line)}</p>" for line in _findings(self))
        return f"<div>{_settings(self).html()}{findings}{_curves(self).html()}</div>"


def _settings(tuning: Tuning) -> Table:
    """The default and the chosen setting, one a row."""
    both = {"default": tuning.default, "chosen": tuning.chosen}
    scores = {"default": tuning.default_score, "chosen": tuning.held_out_score}
    names = [
        name for name in PARAMETERS if any(each.value(name) is not None for each in both.values())
    ]
    rows = [
        [row, f"{scores[row]:.4f}", *(_written(setting, name) for name in names)]
        for row, setting in both.items()
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
        lines.append(
            f"Test: chosen {tuning.test_score:.4f}, default {tuning.default_test_score:.4f}."
        )
    return lines


def _curves(tuning: Tuning) -> Table:
    """The best and the worst value of each parameter, with the best of the others."""
    rows = []
    for name in tuning.parameters:
        curve = tuning.curve(name)
        best, worst = max(curve, key=_score), min(curve, key=_score)
        rows.append([name, _shown(best[0]), f"{best[1]:.4f}", _shown(worst[0]), f"{worst[1]:.4f}"])
    return Table(["parameter", "best", tuning.measure, "worst", tuning.measure], rows)


def _score(point: tuple[Value, float]) -> float:
    return point[1]


def _written(setting: Setting, name: str) -> str:
    return _shown(setting.value(name))


def _shown(value: Value) -> str:
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)
