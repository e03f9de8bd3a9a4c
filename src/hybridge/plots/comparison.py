"""The gain or loss of one retriever over another on each query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidInputError
from .marks import COLORS
from .measured import check_measure
from .picture import GRID, HEAD, INK, QUIET, Picture, canvas, panel
from .text import shortened

if TYPE_CHECKING:
    from ..evaluation import Evaluation

__all__ = ["comparison"]

_LEFT, _RIGHT, _BOTTOM, _TALL = 0.8, 0.5, 0.25, 3.0  # inches


def comparison(
    evaluation: Evaluation,
    retriever: str,
    baseline: str | None = None,
    measure: str | None = None,
) -> Picture:
    """Draw the difference between two retrievers on each query, from greatest gain to loss.

    Args:
        evaluation: from `evaluate` or `evaluate_runs`.
        retriever: the name of a retriever.
        baseline: the retriever to compare it with; None for the evaluation's baseline, or else
            its first retriever.
        measure: one of the evaluation's measures; None for the first.

    Raises:
        InvalidInputError: an unknown name, or the same retriever twice.
        MissingExtraError: the extra `evaluation` is not installed.

    >>> from hybridge.evaluation import Evaluation
    >>> values = {"a": {"RR": {"q1": 0.5, "q2": 1.0}}, "b": {"RR": {"q1": 1.0, "q2": 1.0}}}
    >>> print(comparison(Evaluation(values), "b", "a").alt)
    b against a, RR: mean +0.250; 1 better, 1 equal, 0 worse.
    """
    chosen = check_measure(evaluation, measure)
    names = evaluation.retrievers
    other = baseline or evaluation.baseline or names[0]
    for name in (retriever, other):
        if name not in names:
            raise InvalidInputError(
                f"the evaluation has no retriever {name!r}: choose one of {', '.join(names)}"
            )
    if retriever == other:
        raise InvalidInputError(f"{retriever!r} is compared with itself: name another baseline")
    own, theirs = evaluation.values[retriever][chosen], evaluation.values[other][chosen]
    differences = sorted((own[query] - theirs[query] for query in own), reverse=True)
    better = sum(difference > 0 for difference in differences)
    worse = sum(difference < 0 for difference in differences)
    counts = f"{better} better, {len(differences) - better - worse} equal, {worse} worse"
    mean = sum(differences) / len(differences)
    title = f"{retriever} against {other}: {chosen} {mean:+.3f}".replace("-", "−")
    subtitle = f"{len(differences)} queries, by difference: {counts}. Dashed: the mean difference."
    with canvas(title, subtitle, HEAD + _TALL + _BOTTOM) as figure:
        axes = panel(figure, left=_LEFT, right=_RIGHT, bottom=_BOTTOM, top=HEAD + 0.1)
        colors = [COLORS[0] if value > 0 else COLORS[1] for value in differences]
        axes.bar(range(len(differences)), differences, width=1.0, color=colors, align="edge")
        axes.axhline(0, color=QUIET, linewidth=1)
        axes.axhline(mean, color=INK, linewidth=1, linestyle="--", gid="mean")
        greatest = max(map(abs, differences)) or 1.0
        axes.set_xlim(0, len(differences))
        axes.set_ylim(-greatest * 1.1, greatest * 1.1)
        axes.set_ylabel(f"difference in {shortened(chosen, 120)}")
        axes.set_xticks([])
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
    return Picture(figure, f"{retriever} against {other}, {chosen}: mean {mean:+.3f}; {counts}.")
