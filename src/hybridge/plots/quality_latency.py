"""What retrievers are worth and what they cost: quality against time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .marks import draw_marks, mark
from .measured import check_measure, median_ms, ms
from .picture import GRID, HEAD, INK, QUIET, WIDTH, Picture, canvas, panel
from .text import shortened, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..evaluation import Evaluation

__all__ = ["quality_latency"]

_LEFT, _RIGHT, _BOTTOM, _TALL = 0.75, 0.3, 0.6, 3.8  # inches
_SAMPLES = 1000


def quality_latency(evaluation: Evaluation, measure: str | None = None) -> Picture:
    """The mean of a measure against the median latency, one point a retriever.

    The bar through a point is the 95 % bootstrap interval of its mean over the queries (B. Efron,
    *Bootstrap Methods: Another Look at the Jackknife*, 1979). Two that overlap may differ for sure
    all the same, for both answered the same queries: `Evaluation.compare` says. The dashed line
    joins those than which none is both faster and better.

    Args:
        evaluation: what `evaluate` gave, with latencies, so of one query at a time.
        measure: one of its measures; None for the first.

    Raises:
        InvalidInputError: a measure that it has not, or nothing was timed.
        MissingExtraError: the extra `evaluation` is not installed.
    """
    chosen = check_measure(evaluation, measure)
    names = evaluation.retrievers
    times = [median_ms(evaluation, name) for name in names]
    means = [evaluation.mean(name, chosen) for name in names]
    intervals = [_interval(evaluation.values[name][chosen]) for name in names]
    front = _front(times, means)
    title = f"{chosen} against latency, {len(evaluation.query_ids)} queries"
    subtitle = "Bars: 95 % of resampled query sets. Dashed: none is both faster and better."
    with canvas(title, subtitle, HEAD + _TALL + _BOTTOM) as figure:
        axes = panel(figure, left=_LEFT, right=_RIGHT, bottom=_BOTTOM, top=HEAD)
        _scale(axes, times, intervals)
        axes.set_xlabel("median milliseconds a query, one at a time")
        axes.set_ylabel(f"mean {shortened(chosen, 150)}")
        end = axes.get_xlim()[1]
        axes.plot(
            [*(times[at] for at in front), end],
            [*(means[at] for at in front), means[front[-1]]],
            drawstyle="steps-post",
            color=QUIET,
            linestyle="--",
            linewidth=1,
            zorder=2,
            gid="front",
        )
        for at, (low, high) in enumerate(intervals):
            axes.vlines(times[at], low, high, color=mark(at).color, linewidth=1.5, zorder=3)
            draw_marks(axes, [times[at]], [means[at]], mark(at), gid=f"point-{at + 1}", line=False)
        _label(axes, names, times, means)
    told = " ".join(
        f"{name}: {mean:.3f} at {ms(time)}."
        for name, mean, time in zip(names, means, times, strict=True)
    )
    best = ", ".join(names[at] for at in front)
    return Picture(
        figure,
        f"{chosen} against median latency. {told} None is both faster and better than: {best}.",
    )


def _interval(values: Mapping[str, float]) -> tuple[float, float]:
    """Where 95 % of the means of resampled queries lie."""
    each = np.array(list(values.values()))
    random = np.random.default_rng(0)
    drawn = random.multinomial(len(each), np.full(len(each), 1 / len(each)), size=_SAMPLES)
    low, high = np.percentile(drawn @ each / len(each), [2.5, 97.5])
    return float(low), float(high)


def _front(times: Sequence[float], means: Sequence[float]) -> list[int]:
    """The places of those that are better than all the faster ones, fastest first."""
    front: list[int] = []
    for at in sorted(range(len(times)), key=lambda at: (times[at], -means[at])):
        if not front or means[at] > means[front[-1]]:
            front.append(at)
    return front


def _scale(axes: Axes, times: Sequence[float], intervals: Sequence[tuple[float, float]]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = min(times) / 1.6, max(times) * 1.6
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    steps = (1.0, 2.0, 5.0) if high / low < 1000 else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=20))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    bottom, top = min(low for low, _ in intervals), max(high for _, high in intervals)
    margin = (top - bottom) * 0.08 or 0.05
    axes.set_ylim(bottom - margin, top + margin)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelcolor=INK)


def _label(
    axes: Axes, names: Sequence[str], times: Sequence[float], means: Sequence[float]
) -> None:
    """Each name beside its point, towards the middle, none on another."""
    from matplotlib.patheffects import withStroke

    bottom, top = axes.get_ylim()
    point = (top - bottom) / (_TALL * 72)
    left, right = np.log(axes.get_xlim())
    heights = spread(means, 13 * point, bottom + 6 * point, top - 6 * point)
    room = (WIDTH - _LEFT - _RIGHT) * 72 * 0.5
    for name, time, mean, height in zip(names, times, means, heights, strict=True):
        leftward = (np.log(time) - left) / (right - left) > 0.5
        moved = abs(height - mean) > 5 * point
        axes.annotate(
            shortened(name, room - 30),
            (time, mean),
            xytext=((-1 if leftward else 1) * (22 if moved else 9), (height - mean) / point),
            textcoords="offset points",
            ha="right" if leftward else "left",
            va="center",
            path_effects=[withStroke(linewidth=3, foreground="white")],
            arrowprops={"arrowstyle": "-", "color": QUIET, "linewidth": 0.8} if moved else None,
            annotation_clip=False,
            zorder=6,
        )
