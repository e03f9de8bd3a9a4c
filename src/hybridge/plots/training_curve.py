"""The course of a training: its validation and its loss, against the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .marks import draw_marks, mark
from .picture import GRID, HEAD, INK, QUIET, Picture, canvas, panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..adaptation import Adaptation

__all__ = ["training_curve"]

_LEFT, _RIGHT = 0.7, 1.9  # inches; on the right is the legend
_NAME, _SCORES, _LOSS, _TICKS = 0.35, 1.9, 1.0, 0.5


def training_curve(adaptation: Adaptation) -> Picture:
    """Draw the validation and the loss of a training against its steps.

    The dashed line is the model before training, the circle the best point, whose weights are
    taken. The square is the adapted model, if its weights are an average of these and the parent's.
    The validation questions chose all of this, so the values are too good to expect of other
    questions: for these see `Adaptation.compared`.

    Args:
        adaptation: from `adapt`.

    Raises:
        MissingExtraError: the extra `evaluation` is not installed.
    """
    training, measure = adaptation.training, adaptation.measure
    scores = {point.step: point.score for point in training.curve}
    losses = {point.step: point.loss for point in training.curve if point.loss is not None}
    before = training.curve[0].score
    adapted = training.shares.get(training.share, before)
    title = f"{training.steps} steps of training from {adaptation.parent}"
    count = adaptation.questions["validation"]
    subtitle = f"Above, {measure} of the {count} validation questions; below, the mean loss."
    tall = HEAD + 2 * _NAME + _SCORES + _LOSS + _TICKS
    with canvas(title, subtitle, tall) as figure:
        sides = {"left": _LEFT, "right": _RIGHT}
        top = HEAD + _NAME
        above = panel(figure, **sides, top=top, bottom=tall - top - _SCORES)
        below = panel(figure, **sides, top=tall - _LOSS - _TICKS, bottom=_TICKS)
        line = above.axhline(before, color=QUIET, linestyle="--", linewidth=1, gid="before")
        line.set_label("before training")
        _draw(above, f"{measure}, validation", scores, "validation")
        _draw(below, "loss", losses, "loss")
        best, height = [training.best], [scores[training.best]]
        marked = draw_marks(above, best, height, mark(0), gid="best", line=False)
        marked.set_label(f"best, step {training.best}")
        if 0 < training.share < 1:
            marked = draw_marks(above, best, [adapted], mark(1), gid="adapted", line=False)
            marked.set_label(f"adapted, {100 * training.share:.0f} % of it")
        above.tick_params(labelbottom=False)
        below.set_xlabel("step")
        below.set_xlim(above.get_xlim())
        above.legend(
            loc="upper left",
            bbox_to_anchor=(1.02, 1),
            borderaxespad=0,
            frameon=False,
        )
    return Picture(figure, _alt(adaptation, scores, adapted))


def _draw(axes: Axes, title: str, values: dict[int, float], gid: str) -> None:
    axes.plot(list(values), list(values.values()), color=QUIET, marker=".", linewidth=1, gid=gid)
    axes.margins(x=0.04, y=0.2)
    axes.locator_params(axis="x", nbins=6, integer=True)
    axes.locator_params(axis="y", nbins=4)
    axes.tick_params(length=0, labelcolor=INK)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(title, loc="left", size=9.5, weight="bold", pad=5)


def _alt(adaptation: Adaptation, scores: dict[int, float], adapted: float) -> str:
    training = adaptation.training
    parts = [
        f"{adaptation.measure} on validation questions in {training.steps} steps of training: "
        f"{scores[0]:.3f} before, {scores[training.best]:.3f} at best, after {training.best}"
    ]
    if 0 < training.share < 1:
        parts.append(f"{adapted:.3f} with {100 * training.share:.0f} % of the trained weights")
    return f"{'; '.join(parts)}."
