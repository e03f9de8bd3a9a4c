"""What retrievers are worth and what they cost: quality against time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .marks import beside, draw_marks, mark
from .measured import check_measure, median_ms, ms
from .picture import GRID, HEAD, INK, QUIET, Picture, canvas, panel
from .text import shortened, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..evaluation import Evaluation

__all__ = ["quality_latency"]

_LEFT, _RIGHT, _BOTTOM = 0.75, 2.3, 0.6  # inches
_TALL, _KEY = 3.8, 0.44  # at least, and for each retriever
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
        _label(axes, names, times, means, tall)
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
    axes: Axes,
    names: Sequence[str],
    times: Sequence[float],
    means: Sequence[float],
    tall: float,
) -> None:
    """On the right, each retriever's mark, name and figures, as high as its point if it can be."""
    bottom, top = axes.get_ylim()
    step = (top - bottom) / (tall * 72)
    heights = spread(means, 30 * step, bottom + 12 * step, top - 12 * step)
    end = axes.get_xlim()[1]
    for at, (name, height) in enumerate(zip(names, heights, strict=True)):
        beside(axes, end, height, 26, shortened(name, (_RIGHT - 0.5) * 72), up=6)
        beside(axes, end, height, 26, f"{means[at]:.3f} · {ms(times[at])}", up=-6, color=QUIET)
        draw_marks(axes, [end], [height], mark(at), gid=f"key-{at + 1}", line=False, right=16)
