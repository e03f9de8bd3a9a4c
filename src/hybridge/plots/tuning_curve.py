"""The effect of each tuned parameter, with the default and the chosen value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ..errors import InvalidInputError
from .marks import beside, draw_marks, mark
from .picture import GRID, HEAD, INK, QUIET, WIDTH, Picture, canvas, panel
from .text import readable, shortened, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..tuning import Tuning
    from ..tuning.setting import Value

    Curve: TypeAlias = Sequence[tuple[Value, float]]

__all__ = ["tuning_curve"]

_LEFT, _RIGHT, _GAP = 0.7, 0.35, 0.75  # inches; the gap is between two panels of a row
_NAME, _TALL, _TICKS = 0.35, 1.3, 0.3
_LINE = 0.15  # for each further line of ticks


def tuning_curve(tuning: Tuning, parameter: str | None = None) -> Picture:
    """Draw, for each tried value of a parameter, the best mean of any setting with it.

    All panels have the same scale: a flat curve means that the parameter does not matter here. The
    grey band below a panel's best is half as high as the 95 % interval of the held-out gain is
    wide: with this number of queries, differences inside it are hardly real. A value tried early
    met more settings of the other parameters, which helps it (`Tuning.curve`).

    Args:
        tuning: from `tune`.
        parameter: one of `Tuning.parameters`; None for all.

    Raises:
        InvalidInputError: an unknown parameter, or one with a single tried value.
        MissingExtraError: the extra `evaluation` is not installed.

    >>> from hybridge import CallableEncoder, HybridIndex, Passage
    >>> from hybridge.tuning import tune
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count("a"), text.count("e")] for text in texts],
    ...     dimension=2, identity="letters",
    ... )
    >>> with HybridIndex.create(encoder=letters) as index:
    ...     index.add([Passage("p1", "Bananas and apples"), Passage("p2", "Green beets")])
    ...     queries, qrels = {"q1": "apples", "q2": "beets"}, {"q1": {"p1": 1}, "q2": {"p2": 1}}
    ...     tuning = tune(index, queries, qrels, "MRR@2", folds=2)
    2
    >>> print(tuning_curve(tuning, "depth").alt)
    Best mean MRR@2 by parameter. depth: from 1.000 to 1.000, default 100, chosen 100.
    """
    names = tuning.parameters if parameter is None else [parameter]
    curves = {name: tuning.curve(name) for name in names}
    if not curves or min(map(len, curves.values())) < 2:
        raise InvalidInputError(
            f"there is no curve to draw of {parameter or 'any parameter'!r}: several values were "
            f"tried of: {', '.join(tuning.parameters) or 'no parameter'}"
        )
    rows = _rows(curves)
    heights = [_NAME + _TALL + _TICKS + _LINE * _lines(curves, row) for row in rows]
    scores = [score for curve in curves.values() for _, score in curve]
    noise = (tuning.interval[1] - tuning.interval[0]) / 2
    margin = (max(scores) - min(scores)) * 0.2 or 0.01
    title = f"{tuning.measure} by parameter: the best mean that each value reaches"
    subtitle = f"{len(tuning.trials)} settings on {len(tuning.held_out)} queries."
    if noise > 0:
        subtitle += f" Band: within {noise:.3f} of the best, hardly a difference."
    with canvas(title, subtitle, HEAD + sum(heights)) as figure:
        above = HEAD
        for row, tall in zip(rows, heights, strict=True):
            under = figure.get_size_inches()[1] - above - _NAME - _TALL
            for column, name in enumerate(row):
                width = (WIDTH - _LEFT - _RIGHT - _GAP) / 2
                left = _LEFT + column * (width + _GAP)
                is_text = _is_text(curves[name])
                right = _RIGHT if is_text else WIDTH - left - width
                axes = panel(figure, left=left, right=right, bottom=under, top=above + _NAME)
                axes.set_ylim(min(scores) - margin, max(scores) + margin)
                _draw(axes, _title(tuning, name), curves[name], noise)
                _mark(axes, tuning, name, curves[name])
            above += tall
    return Picture(figure, _alt(tuning, curves))


def _is_text(curve: Curve) -> bool:
    return not all(isinstance(value, int | float) for value, _ in curve)


def _rows(curves: Mapping[str, Curve]) -> list[list[str]]:
    """Arrange two panels a row, or one if its ticks are names."""
    rows: list[list[str]] = []
    for name, curve in curves.items():
        last = rows[-1] if rows else []
        if len(last) == 1 and not _is_text(curve) and not _is_text(curves[last[0]]):
            last.append(name)
        else:
            rows.append([name])
    return rows


def _lines(curves: Mapping[str, Curve], row: Sequence[str]) -> int:
    return max(label.count("\n") + 1 for name in row for label in _labels(curves[name]))


def _labels(curve: Curve) -> list[str]:
    """Return the names below a panel, each cut to its share of the width."""
    if not _is_text(curve):
        return [""]
    room = (WIDTH - _LEFT - _RIGHT) * 72 / len(curve) - 5
    lines = [readable(str(value)).split() for value, _ in curve]
    return ["\n".join(_fitted(part, room) for part in parts) for parts in lines]


def _fitted(part: str, room: float) -> str:
    """Shorten ``normalization=min-max`` to ``min-max`` where it does not fit."""
    return part if width_of(part) <= room else shortened(part.rpartition("=")[2], room)


def _title(tuning: Tuning, name: str) -> str:
    if name != "weights":
        return name
    stages = next(list(trial.setting.weights) for trial in tuning.trials if trial.setting.weights)
    return f"weights of {', '.join(stages)}" if len(stages) > 2 else f"weight of {stages[-1]}"


def _draw(axes: Axes, title: str, curve: Curve, noise: float) -> None:
    best = max(score for _, score in curve)
    if noise > 0:
        axes.axhspan(best - noise, best, color=GRID, linewidth=0, gid="noise")
    positions = _positions(curve)
    axes.plot(
        list(positions.values()),
        [score for _, score in curve],
        color=QUIET,
        marker=".",
        linestyle="none" if _is_text(curve) else "-",
        linewidth=1,
        gid="curve",
    )
    if _is_text(curve):
        axes.set_xticks(list(positions.values()), _labels(curve))
        axes.set_xlim(-0.5, len(curve) - 0.5)
    else:
        axes.margins(x=0.08)
        axes.locator_params(axis="x", nbins=6)
    axes.locator_params(axis="y", nbins=4)
    axes.tick_params(length=0, labelcolor=INK)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(title, loc="left", size=9.5, weight="bold", pad=5)


def _positions(curve: Curve) -> dict[Value, float]:
    """Return the x of each value: numbers at their value, names side by side."""
    return {
        value: float(value) if isinstance(value, int | float) and not _is_text(curve) else float(i)
        for i, (value, _) in enumerate(curve)
    }


def _mark(axes: Axes, tuning: Tuning, name: str, curve: Curve) -> None:
    """Mark the default by a square, labelled below, and the choice by a circle, labelled above."""
    scores, positions = dict(curve), _positions(curve)
    chosen, default = tuning.chosen.value(name), tuning.default.value(name)
    marked = [("default", default, 1, -1), ("chosen", chosen, 0, 1)]
    if chosen == default:
        marked = [("default, chosen", chosen, 0, 1)]
    for word, value, look, side in marked:
        if value in scores:
            x, y = positions[value], scores[value]
            draw_marks(axes, [x], [y], mark(look), gid=word, line=False)
            beside(axes, x, y, 0, word, align="center", up=11 * side)


def _alt(tuning: Tuning, curves: Mapping[str, Curve]) -> str:
    described = []
    for name, curve in curves.items():
        scores = dict(curve)
        best, worst = max(scores.values()), min(scores.values())
        described.append(
            f"{name}: from {worst:.3f} to {best:.3f}, default {tuning.default.value(name)}, "
            f"chosen {tuning.chosen.value(name)}."
        )
    return " ".join([f"Best mean {tuning.measure} by parameter.", *described])
