"""The quality of retrievers against their latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .marks import beside, draw_marks, mark
from .measured import check_measure, median_ms, ms
from .picture import GRID, HEAD, INK, QUIET, Picture, canvas, panel
from .text import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..evaluation import Evaluation

__all__ = ["quality_latency"]

_LEFT, _RIGHT, _BOTTOM = 0.75, 2.3, 0.6  # inches
_TALL, _KEY = 3.8, 0.44  # the minimum, and for each retriever
_SAMPLES = 1000


def quality_latency(evaluation: Evaluation, measure: str | None = None) -> Picture:
    """Draw the mean of a measure against the median latency, one point a retriever.

    The bar through a point is the 95 % bootstrap interval of its mean over the queries (B. Efron,
    *Bootstrap Methods: Another Look at the Jackknife*, 1979). Bars that overlap can still belong
    to retrievers that differ significantly on the same queries: test that with
    `Evaluation.compare`. The dashed line joins the retrievers on the Pareto front: none is both
    faster and better.

    Args:
        evaluation: from `evaluate`, with latencies, so with one query at a time.
        measure: one of the evaluation's measures; None for the first.

    Raises:
        InvalidInputError: an unknown measure, or an evaluation without latencies.
        MissingExtraError: the extra `evaluation` is not installed.

    >>> from hybridge.evaluation import Evaluation
    >>> values = {"bm25": {"RR": {"q1": 1.0, "q2": 0.5}}}
    >>> latencies = {"bm25": {"q1": 0.001, "q2": 0.003}}
    >>> print(quality_latency(Evaluation(values, latencies=latencies)).alt)
    RR against median latency. bm25: 0.750 at 2.0 ms. None is both faster and better than: bm25.
    """
    chosen = check_measure(evaluation, measure)
    names = evaluation.retrievers
    times = [median_ms(evaluation, name) for name in names]
    means = [evaluation.mean(name, chosen) for name in names]
    intervals = [_interval(evaluation.values[name][chosen]) for name in names]
    front = _front(times, means)
    title = f"{chosen} against latency, {len(evaluation.query_ids)} queries"
    subtitle = "Bars: the means of 95 % of resampled query sets. Dashed: the best at each speed."
    tall = max(_TALL, _KEY * len(names))
    with canvas(title, subtitle, HEAD + tall + _BOTTOM) as figure:
        axes = panel(figure, left=_LEFT, right=_RIGHT, bottom=_BOTTOM, top=HEAD)
        _scale(axes, times, intervals)
        axes.set_xlabel("median milliseconds a query, one at a time")
        axes.set_ylabel(f"mean {shortened(chosen, 150)}")
        end = axes.get_xlim()[1]
        axes.plot(
            [*(times[i] for i in front), end],
            [*(means[i] for i in front), means[front[-1]]],
            drawstyle="steps-post",
            color=QUIET,
            linestyle="--",
            linewidth=1,
            zorder=2,
            gid="front",
        )
        for i, (low, high) in enumerate(intervals):
            axes.vlines(times[i], low, high, color=mark(i).color, linewidth=1.5, zorder=3)
            draw_marks(axes, [times[i]], [means[i]], mark(i), gid=f"point-{i + 1}", line=False)
        _label(axes, names, times, means, tall)
    points = " ".join(
        f"{name}: {mean:.3f} at {ms(time)}."
        for name, mean, time in zip(names, means, times, strict=True)
    )
    best = ", ".join(names[i] for i in front)
    return Picture(
        figure,
        f"{chosen} against median latency. {points} None is both faster and better than: {best}.",
    )


def _interval(values: Mapping[str, float]) -> tuple[float, float]:
    """Return the interval that holds 95 % of the means of resampled queries."""
    each = np.array(list(values.values()))
    random = np.random.default_rng(0)
    drawn = random.multinomial(len(each), np.full(len(each), 1 / len(each)), size=_SAMPLES)
    low, high = np.percentile(drawn @ each / len(each), [2.5, 97.5])
    return float(low), float(high)


def _front(times: Sequence[float], means: Sequence[float]) -> list[int]:
    """Return the indices of those better than all faster ones, fastest first."""
    front: list[int] = []
    for i in sorted(range(len(times)), key=lambda i: (times[i], -means[i])):
        if not front or means[i] > means[front[-1]]:
            front.append(i)
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
    axes: Axes,
    names: Sequence[str],
    times: Sequence[float],
    means: Sequence[float],
    tall: float,
) -> None:
    """Write each retriever's mark, name and figures on the right, the best on top."""
    bottom, top = axes.get_ylim()
    step = (top - bottom) / tall * _KEY
    end = axes.get_xlim()[1]
    for row, i in enumerate(sorted(range(len(names)), key=lambda i: -means[i])):
        height = top - step * (row + 0.5)
        beside(axes, end, height, 26, shortened(names[i], (_RIGHT - 0.5) * 72), up=6)
        beside(axes, end, height, 26, f"{means[i]:.3f} · {ms(times[i])}", up=-6, color=QUIET)
        draw_marks(axes, [end], [height], mark(i), gid=f"key-{i + 1}", line=False, right=16)
