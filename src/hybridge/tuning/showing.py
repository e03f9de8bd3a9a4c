"""A tuning as text: plain, for a terminal, for a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ..errors import MissingExtraError
from ..evaluation.rendering import Table
from .setting import PARAMETERS, Setting, Value

if TYPE_CHECKING:
    from rich.console import Group

    from .result import Tuning

__all__ = ["as_html", "as_rich", "as_text"]


def as_text(tuning: Tuning) -> str:
    """For any screen."""
    return "\n".join([_settings(tuning).text(), "", *_findings(tuning), "", _curves(tuning).text()])


def as_html(tuning: Tuning) -> str:
    """For a notebook."""
    findings = "".join(f"<p>{escape(line)}</p>" for line in _findings(tuning))
    return f"<div>{_settings(tuning).html()}{findings}{_curves(tuning).html()}</div>"


def as_rich(tuning: Tuning) -> Group:
    """For `rich`.

    Raises:
        MissingExtraError: the extra `cli` is not installed.
    """
    try:
        from rich.console import Group
        from rich.text import Text
    except ImportError as error:
        raise MissingExtraError("rich", "cli") from error
    findings = Text("\n".join(["", *_findings(tuning), ""]))
    return Group(_settings(tuning).rich(), findings, _curves(tuning).rich())


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
