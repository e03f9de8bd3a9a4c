"""Query by query, where one retriever is better than another and where it is worse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidInputError
from .marks import COLORS
from .measured import check_measure
from .picture import GRID, HEAD, INK, QUIET, WIDTH, Picture, canvas, panel
from .text import shortened, spread

if TYPE_CHECKING:
    from ..evaluation import Evaluation

__all__ = ["comparison"]

_LEFT, _RIGHT, _BOTTOM, _TALL = 0.8, 0.5, 0.55, 3.0  # inches


def comparison(
    evaluation: Evaluation,
    retriever: str,
    baseline: str | None = None,
    measure: str | None = None,
) -> Picture:
    """Each query's difference between two retrievers, from the greatest win to the greatest loss.

    Args:
        evaluation: what `evaluate` or `evaluate_runs` gave.
        retriever: the one that is looked at.
        baseline: the one it is compared with; None for the evaluation's own, or else its first.
        measure: one of its measures; None for the first.

    Raises:
        InvalidInputError: a name that the evaluation does not have, or twice the same.
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
                f"the evaluation has no retriever {name!r}: choose of {', '.join(names)}"
            )
    if retriever == other:
        raise InvalidInputError(f"{retriever!r} is compared with itself: name another baseline")
    own, theirs = evaluation.values[retriever][chosen], evaluation.values[other][chosen]
    differences = sorted((own[query] - theirs[query] for query in own), reverse=True)
    wins = sum(difference > 0 for difference in differences)
    losses = sum(difference < 0 for difference in differences)
    counts = (("better", wins), ("equal", len(differences) - wins - losses), ("worse", losses))
    mean = sum(differences) / len(differences)
    title = f"{retriever} against {other}: {chosen} {mean:+.3f}".replace("-", "−")
    subtitle = f"{len(differences)} queries, by difference. Dashed: the mean difference."
    with canvas(title, subtitle, HEAD + _TALL + _BOTTOM) as figure:
        axes = panel(figure, left=_LEFT, right=_RIGHT, bottom=_BOTTOM, top=HEAD + 0.1)
        places = range(len(differences))
        colors = [COLORS[0] if value > 0 else COLORS[1] for value in differences]
        axes.bar(places, differences, width=1.0, color=colors, align="edge")
        axes.axhline(0, color=QUIET, linewidth=1)
        axes.axhline(mean, color=INK, linewidth=1, linestyle="--", gid="mean")
        greatest = max(map(abs, differences)) or 1.0
        axes.set_xlim(0, len(differences))
        axes.set_ylim(-greatest * 1.1, greatest * 1.1)
        axes.set_ylabel(f"difference in {shortened(chosen, 120)}")
        axes.set_xticks([])
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        points = (WIDTH - _LEFT - _RIGHT) * 72 / len(differences)
        middles = [wins / 2, (wins + len(differences) - losses) / 2, len(differences) - losses / 2]
        labels = spread([middle * points for middle in middles], 75, 0, points * len(differences))
        for (word, count), place in zip(counts, labels, strict=True):
            axes.annotate(
                f"{count} {word}",
                (place / points, 0),
                xycoords=("data", "axes fraction"),
                xytext=(0, -8),
                textcoords="offset points",
                ha="center",
                va="top",
                annotation_clip=False,
            )
    told = ", ".join(f"{count} {word}" for word, count in counts)
    return Picture(figure, f"{retriever} against {other}, {chosen}: mean {mean:+.3f}; {told}.")
