"""Late interaction, token by token: which token of the passage matches which of the query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidInputError
from .picture import HEAD, QUIET, WIDTH, Picture, canvas, panel
from .text import shortened, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ..explanation import MaxSimPart

__all__ = ["max_sim"]

_LEFT, _RIGHT, _BOTTOM = 1.2, 1.75, 0.75  # inches
_CELL, _WIDEST = 0.2, 0.4
_COLUMNS = 30  # columns that leave room for their tokens
_ROWS = 60


def max_sim(part: MaxSimPart | None) -> Picture:
    """Draw the similarity of each token of the query to each token of the passage.

    Each row's maximum is outlined and repeated on the right with its token; the score is the sum
    of these maxima. Of a long passage, the picture shows the tokens of the maxima and their nearest
    neighbours; white gaps mark the omitted tokens.

    Args:
        part: `Explanation.late_interaction`, or the `max_sim` of a reranker's part.

    Raises:
        InvalidInputError: no part, or a part without tokens.
        MissingExtraError: the extra `evaluation` is not installed.

    >>> import numpy as np
    >>> from hybridge.explanation import MaxSimPart
    >>> matrix = np.array([[0.25, 0.75], [0.5, 0.125]])
    >>> part = MaxSimPart("late-interaction", ("cat", "nap"), ("sleeping", "kitten"), matrix, 1.25)
    >>> print(max_sim(part).alt)
    late-interaction: MaxSim 1.25, a sum over 2 tokens. cat: kitten 0.75. nap: sleeping 0.50.
    """
    if part is None or not part.matrix.size:
        raise InvalidInputError(
            "there are no tokens to compare: max_sim draws the late_interaction of an explanation, "
            "or the max_sim of a reranker, of a query and a passage that are not blank"
        )
    matrix = np.asarray(part.matrix, dtype=np.float64)
    best = matrix.argmax(axis=1)
    shown = _shown_columns(matrix, best)
    rows = range(min(len(matrix), _ROWS))
    title = f"{part.stage}: MaxSim {part.score:.2f}, the sum of each row's outlined maximum"
    first = f", {len(rows)} of {len(matrix)} shown" if len(rows) < len(matrix) else ""
    subtitle = (
        f"Rows: the query's tokens{first}. "
        f"Columns: the passage's, {len(shown)} of {matrix.shape[1]} tokens shown."
    )
    tokens = [shortened(part.passage_tokens[column], 65) or "␣" for column in shown]
    above = HEAD + 0.1 + max(map(width_of, tokens)) / 72
    with canvas(title, subtitle, above + _CELL * len(rows) + _BOTTOM) as figure:
        right = max(_RIGHT, WIDTH - _LEFT - _WIDEST * len(shown))
        axes = panel(figure, left=_LEFT, right=right, bottom=_BOTTOM, top=above)
        image = axes.imshow(
            matrix[np.ix_(rows, shown)],
            cmap="cividis",
            vmin=min(0.0, float(matrix.min())),
            vmax=max(1.0, float(matrix.max())),
            aspect="auto",
            interpolation="nearest",
        )
        axes.set_xticks(range(len(shown)), tokens, rotation=90)
        axes.xaxis.tick_top()
        axes.set_yticks(rows, [shortened(part.query_tokens[row], 75) or "␣" for row in rows])
        axes.tick_params(length=0)
        for column in range(1, len(shown)):
            if shown[column] != shown[column - 1] + 1:
                axes.axvline(column - 0.5, color="white", linewidth=3)
        position = {column: i for i, column in enumerate(shown)}
        for row in rows:
            if int(best[row]) in position:
                _outline(axes, position[int(best[row])], row)
            token = shortened(part.passage_tokens[best[row]], (_RIGHT - 0.75) * 72)
            axes.annotate(
                f"{matrix[row, best[row]]:.2f}  {token}",
                (1, row),
                xycoords=("axes fraction", "data"),
                xytext=(8, 0),
                textcoords="offset points",
                va="center_baseline",
                annotation_clip=False,
            )
        scale = panel(
            figure,
            left=_LEFT,
            right=WIDTH - _LEFT - 2,
            bottom=0.42,
            top=figure.get_size_inches()[1] - 0.54,
        )
        figure.colorbar(image, cax=scale, orientation="horizontal").outline.set_visible(False)
        scale.tick_params(length=0)
        scale.text(1.05, 0.5, "similarity", transform=scale.transAxes, va="center", color=QUIET)
    return Picture(figure, _alt(part, matrix, best))


def _shown_columns(matrix: NDArray[np.float64], best: NDArray[np.intp]) -> list[int]:
    """Choose the columns to draw, in order: those of the maxima, then their nearest neighbours."""
    count = matrix.shape[1]
    maxima = sorted({int(column) for column in best}, key=lambda c: -matrix[:, c].max())
    distance = np.abs(np.arange(count)[:, None] - np.array(maxima[:_COLUMNS])).min(axis=1)
    nearest = sorted(range(count), key=lambda column: (distance[column], column))
    return sorted(nearest[:_COLUMNS])


def _outline(axes: Axes, column: int, row: int) -> None:
    from matplotlib.patches import Rectangle

    # Black inside white is visible on every colour of the map.
    for color, width in (("white", 3.5), ("black", 1.5)):
        box = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, color=color, zorder=3)
        box.set_linewidth(width)
        box.set_clip_on(False)
        axes.add_patch(box)


def _alt(part: MaxSimPart, matrix: NDArray[np.float64], best: NDArray[np.intp]) -> str:
    maxima = [
        f"{token}: {part.passage_tokens[column]} {matrix[row, column]:.2f}."
        for row, (token, column) in enumerate(zip(part.query_tokens, best, strict=True))
    ]
    start = f"{part.stage}: MaxSim {part.score:.2f}, a sum over {len(matrix)} tokens."
    return " ".join([start, *maxima])
