"""The ranks of one query's hits from stage to stage, as a bump chart."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from ..arguments import check_count
from ..passages import Hit
from .marks import beside, draw_marks, mark
from .picture import GRID, HEAD, INK, PALE, QUIET, WIDTH, Picture, canvas, panel
from .stages import Column, check_hits, columns, wrapped
from .text import names, shortened, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["rank_flow"]

_LEFT, _RIGHT, _BOTTOM = 0.5, 2.75, 0.2  # inches
_ROW = 0.21


def rank_flow(hits: Sequence[Hit], *, top: int = 10) -> Picture:
    """Draw the rank of each of one query's hits in every stage, the final top in colour.

    Each column is a stage, in the order they ran. The left side shows a passage's rank in the first
    stage, the right side its final rank and its title or id. Passages below the dotted line rank
    too low to be shown, with their rank, or are not ranked by the stage (–).

    Args:
        hits: one query's hits, best first; with ``k=100`` the picture also shows, in grey, the
            passages that earlier stages ranked near the top.
        top: number of first hits in colour.

    Raises:
        InvalidInputError: no hits, or the hits of several queries.
        MissingExtraError: the extra `evaluation` is not installed.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("a", "Cats sleep."), Passage("b", "Cats and dogs sleep.")])
    >>> [hits] = bm25.search(["sleeping cats"])
    >>> print(rank_flow(hits).alt)
    Ranks by stage of the final top 2. Finally 1: a (bm25 1). Finally 2: b (bm25 2).
    """
    listed, count = check_hits(hits), check_count(top, "top")
    best, rest = listed[:count], listed[count:]
    stages = columns(listed)
    ranks = [[_rank(stage, hit) for stage in stages] for hit in best]
    deepest = max(rank for row in ranks for rank in row if rank is not None)
    shown = min(deepest, max(10, 2 * len(best)))
    positions = _positions(ranks, shown)
    lowest = max(shown, *(max(row) for row in positions))
    title = f"How the final top {len(best)} got there: rank by stage"
    subtitle = "Left: rank in the first stage."
    if rest:
        subtitle += f" Grey: {len(rest)} other hits."
    if lowest > shown:
        subtitle += f" Below the dots: beyond a stage's first {shown} (–: not ranked)."
    heads, turn, tall = _heads(stages)
    above = HEAD + 0.1 + tall
    with canvas(title, subtitle, above + _ROW * (lowest + 0.5) + _BOTTOM) as figure:
        axes = panel(figure, left=_LEFT, right=_RIGHT, bottom=_BOTTOM, top=above)
        axes.set_xlim(-0.3, max(1, len(stages) - 1) + 0.05)
        axes.set_ylim(lowest + 0.5, 0.5)
        axes.set_xticks(range(len(stages)), heads, rotation=turn)
        axes.xaxis.tick_top()
        ticks = [1, *range(5, shown + 1, 5)]
        labelled = {row[0] for row in ranks}
        axes.set_yticks(ticks, ["" if rank in labelled else str(rank) for rank in ticks])
        axes.tick_params(length=0, axis="both", labelcolor=INK)
        axes.tick_params(axis="y", labelcolor=QUIET)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        if lowest > shown:
            axes.axhline(shown + 0.75, color=QUIET, linewidth=1, linestyle=":")
        _draw_rest(axes, [[_rank(stage, hit) for stage in stages] for hit in rest], shown)
        labels = names([hit.passage for hit in best], (_RIGHT - 0.6) * 72)
        for i, (row, path) in enumerate(zip(ranks, positions, strict=True)):
            draw_marks(axes, range(len(path)), path, mark(i), gid=f"top-{i + 1}")
            for column, (rank, y) in enumerate(zip(row, path, strict=True)):
                if column == 0 or y > shown:
                    beside(axes, column, y, -8, "–" if rank is None else str(rank))
            beside(axes, len(stages) - 1, path[-1], 22, str(i + 1), align="right")
            beside(axes, len(stages) - 1, path[-1], 28, labels[i])
    return Picture(figure, _alt(stages, best, ranks))


def _heads(stages: Sequence[Column]) -> tuple[list[str], int, float]:
    """Return the columns' names, their rotation in degrees and their height in inches."""
    heads = [wrapped(stage.stage) for stage in stages]
    widest = max(width_of(line) for head in heads for line in head.split("\n"))
    if widest + 4 <= (WIDTH - _LEFT - _RIGHT) * 72 / (len(stages) + 0.35 - 1):
        return heads, 0, 0.15 * max(head.count("\n") + 1 for head in heads)
    heads = [shortened(stage.stage, 170) for stage in stages]
    return heads, 90, max(map(width_of, heads)) / 72


def _rank(stage: Column, hit: Hit) -> int | None:
    entry = stage.entries.get(hit.passage.id)
    return None if entry is None else entry.rank


def _positions(ranks: Sequence[Sequence[int | None]], shown: int) -> list[list[float]]:
    """Return each passage's y in each column: its rank, or a line below the last shown rank."""
    positions = [[inf if rank is None else float(rank) for rank in row] for row in ranks]
    for column in range(len(ranks[0])):
        below = sorted(
            (path[column], i) for i, path in enumerate(positions) if path[column] > shown
        )
        for line, (_, i) in enumerate(below):
            positions[i][column] = shown + 1.5 + line
    return positions


def _draw_rest(axes: Axes, ranks: Sequence[Sequence[int | None]], shown: int) -> None:
    """Draw the other hits, where they are above the dotted line."""
    from matplotlib.patches import Rectangle

    for row in ranks:
        [line] = axes.plot(
            [np.nan if rank is None else rank for rank in row],
            color=PALE,
            linewidth=0.8,
            marker=".",
            markersize=3,
            zorder=1,
            gid="rest",
        )
        line.set_clip_path(Rectangle((-1, 0), len(row) + 1, shown + 0.5, transform=axes.transData))


def _alt(
    stages: Sequence[Column], best: Sequence[Hit], ranks: Sequence[Sequence[int | None]]
) -> str:
    paths = []
    for i, name in enumerate(names([hit.passage for hit in best], 200)[:3]):
        path = [
            f"{stage.stage} {rank}"
            for stage, rank in zip(stages, ranks[i], strict=True)
            if rank is not None and stage.stage != "final"
        ]
        paths.append(f"Finally {i + 1}: {name}" + (f" ({', '.join(path)})." if path else "."))
    return " ".join([f"Ranks by stage of the final top {len(best)}.", *paths])
