"""The time of each stage of each retriever."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from .marks import COLORS
from .measured import check_measure, median_ms, ms
from .picture import GRID, HEAD, INK, QUIET, WIDTH, Picture, canvas, panel
from .text import shortened, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..evaluation import Evaluation

__all__ = ["stage_costs"]

_RIGHT, _BOTTOM, _ROW = 0.9, 0.6, 0.56  # inches
_BAR = 0.46  # of a row
_EDGE = 10.0  # points free at the picture's edges


def stage_costs(evaluation: Evaluation) -> Picture:
    """Draw the median milliseconds of each stage of each retriever, end to end.

    A stage's name and time are in its bar, or below it where they do not fit. The bold figure is
    the median of the whole search: medians do not add up exactly, and some time is outside all
    stages. A retriever without stages is one bar.

    Args:
        evaluation: from `evaluate`, with latencies, so with one query at a time.

    Raises:
        InvalidInputError: the evaluation has no latencies.
        MissingExtraError: the extra `evaluation` is not installed.

    >>> from hybridge.evaluation import Evaluation
    >>> values, latencies = {"mine": {"RR": {"q1": 1.0}}}, {"mine": {"q1": 0.012}}
    >>> stages = {"mine": {"encode": {"q1": 0.009}, "dense": {"q1": 0.002}}}
    >>> print(stage_costs(Evaluation(values, latencies=latencies, stages=stages)).alt)
    Median time a query by stage. mine: 12.0 ms (encode 9.0 ms, dense 2.0 ms).
    """
    check_measure(evaluation)
    costs = {name: _costs(evaluation, name) for name in evaluation.retrievers}
    colors = _colors(costs.values())
    names = {name: shortened(name, 130) for name in costs}
    left = 0.35 + max(map(width_of, names.values())) / 72
    longest = max(sum(stages.values()) for stages in costs.values()) or 1e-6
    title = "Median milliseconds a query, by stage"
    subtitle = "Bold: the median of the whole search. Below a bar: labels that do not fit in it."
    with canvas(title, subtitle, HEAD + _ROW * len(costs) + _BOTTOM) as figure:
        axes = panel(figure, left=left, right=_RIGHT, bottom=_BOTTOM, top=HEAD)
        axes.set_xlim(0, longest)
        axes.set_ylim(len(costs) - 0.5, -0.5)
        axes.set_yticks([])
        axes.set_xlabel("milliseconds")
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        points = (WIDTH - left - _RIGHT) * 72 / longest
        for row, (name, stages) in enumerate(costs.items()):
            middle = row - 0.12
            axes.annotate(
                names[name],
                (0, middle),
                xytext=(-8, 0),
                textcoords="offset points",
                ha="right",
                va="center_baseline",
            )
            end, below = _draw_row(axes, middle, stages, colors, points)
            _label_below(axes, middle, below, left)
            axes.annotate(
                ms(median_ms(evaluation, name)),
                (end, middle),
                xytext=(6, 0),
                textcoords="offset points",
                va="center_baseline",
                weight="bold",
                annotation_clip=False,
            )
    described = " ".join(
        f"{name}: {ms(median_ms(evaluation, name))} ("
        f"{', '.join(f'{stage} {ms(cost)}' for stage, cost in stages.items())})."
        for name, stages in costs.items()
    )
    return Picture(figure, f"Median time a query by stage. {described}")


def _costs(evaluation: Evaluation, retriever: str) -> dict[str, float]:
    costs = evaluation.stage_costs(retriever).items()
    return {stage: 1000 * seconds for stage, seconds in costs} or {
        "search": median_ms(evaluation, retriever)
    }


def _colors(rows: Iterable[Iterable[str]]) -> dict[str, str]:
    """Give each stage a colour, in order of appearance and the same in every row."""
    names = dict.fromkeys(stage for row in rows for stage in row)
    return {stage: COLORS[i % len(COLORS)] for i, stage in enumerate(names)}


def _draw_row(
    axes: Axes, middle: float, stages: Mapping[str, float], colors: Mapping[str, str], points: float
) -> tuple[float, list[str]]:
    """Draw the stages' bars; return the end of the last, and the labels that do not fit."""
    start = 0.0
    below = []
    for stage, cost in stages.items():
        color = colors[stage]
        [bar] = axes.barh(middle, cost, left=start, height=_BAR, color=color, gid=stage)
        if cost * points > 4:  # a thinner bar would be all edge
            bar.set(edgecolor="white", linewidth=1)
        label = f"{shortened(stage, 130)} {ms(cost)[:-3]}"
        if width_of(label) + 8 <= cost * points:
            light = color in {"#0072B2", "#000000"}
            axes.text(
                start + cost / 2,
                middle,
                label,
                ha="center",
                va="center_baseline",
                color="white" if light else INK,
            )
        else:
            below.append(label)
        start += cost
    return start, below


def _label_below(axes: Axes, middle: float, labels: Sequence[str], left: float) -> None:
    """Write labels in one line below a bar, from its start, or further left if they are long."""
    from matplotlib.patheffects import withStroke

    if not labels:
        return
    line = shortened(" · ".join(labels), WIDTH * 72 - 2 * _EDGE)
    room = (WIDTH - left) * 72 - _EDGE
    axes.annotate(
        line,
        (0, middle + _BAR / 2),
        xytext=(min(2.0, room - width_of(line)), -2),
        textcoords="offset points",
        va="top",
        color=QUIET,
        path_effects=[withStroke(linewidth=3, foreground="white")],
        annotation_clip=False,
    )
