"""Examples as the columns that sentence-transformers' losses take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..encoders.prompts import Prompts
from ..errors import InvalidInputError
from .examples import Example
from .settings import Objective

__all__ = ["Columns", "check_labels", "columns_of", "prompts_of"]

_NEGATIVES = 1000  # more than fit into a batch

Columns = dict[str, list[Any]]
"""Name → one value a row; the names are in the order of the texts."""


def check_labels(
    examples: Sequence[Example], objective: Objective, ranges: Mapping[str, tuple[float, float]]
) -> None:
    """Raise unless a loss can learn the labels: beyond a range it has no minimum, or no number.

    Args:
        examples: with their labels, or without.
        objective: the objective.
        ranges: objective → the least and the greatest label, where it has such.

    Raises:
        InvalidInputError: it cannot.
    """
    lowest, highest = ranges.get(objective, (float("-inf"), float("inf")))
    for example in examples:
        if any(not lowest <= label <= highest for label in example.labels):
            raise InvalidInputError(
                f"labels of objective {objective!r} must be from {lowest:g} to {highest:g}, not "
                f"{list(example.labels)} as of the query {example.query!r:.80}: scale them, or "
                "choose another objective"
            )


def prompts_of(prompts: Prompts) -> dict[str, str]:
    """Return the prompt of each column of texts, as the trainers take them.

    >>> prompts_of(Prompts("query: ", "passage: "))["negative_2"]
    'passage: '
    """
    numbered = (f"negative_{i}" for i in range(1, _NEGATIVES + 1))
    passages = ("relevant", "passage", "negative", *numbered)
    return {"query": prompts.query, **dict.fromkeys(passages, prompts.passage)}


def columns_of(examples: Sequence[Example], objective: Objective) -> Columns:
    """Return examples as rows of columns, as the objective's loss takes them.

    | objective | columns, a row |
    |---|---|
    | contrastive | query, relevant passage, its negatives: as many as the example with fewest has |
    | triplet | query, relevant passage, one negative |
    | margins | query, relevant passage, one negative; the difference of their labels |
    | distillation | query, passages: as many as the example with fewest has; their labels |
    | regression, classification | query, passage; its label |
    | ranking | query, a list of passages, a list of their labels |

    Args:
        examples: one at least.
        objective: the objective.

    Raises:
        InvalidInputError: an example has no negative or no labels, where the objective needs them.

    >>> columns_of([Example("a", ("b", "c", "d")), Example("e", ("f", "g"))], "contrastive")
    {'query': ['a', 'e'], 'relevant': ['b', 'f'], 'negative_1': ['c', 'g']}
    >>> columns_of([Example("a", ("b", "c"), (0.9, 0.5))], "margins")
    {'query': ['a'], 'relevant': ['b'], 'negative': ['c'], 'label': [0.4]}
    """
    if not examples:
        raise InvalidInputError("there is no example to train on")
    needs_labels = objective not in ("contrastive", "triplet")
    needs_negatives = objective in ("triplet", "margins", "distillation", "ranking")
    for example in examples:
        if needs_labels and not example.labels:
            raise InvalidInputError(
                f"objective {objective!r} learns from labels, and the example of the query "
                f"{example.query!r:.80} has none"
            )
        if needs_negatives and len(example.passages) < 2:
            raise InvalidInputError(
                f"objective {objective!r} compares passages, and the example of the query "
                f"{example.query!r:.80} has one alone: give it negatives"
            )
    if objective == "ranking":
        return {
            "query": [example.query for example in examples],
            "passages": [list(example.passages) for example in examples],
            "labels": [list(example.labels) for example in examples],
        }
    if objective in ("contrastive", "distillation"):
        return _wide(examples, labelled=needs_labels)
    return _narrow(examples, objective)


def _wide(examples: Sequence[Example], *, labelled: bool) -> Columns:
    """Return one row an example, of as many passages as all of them have."""
    width = min(len(example.passages) for example in examples)
    names = ["relevant", *(f"negative_{i}" for i in range(1, width))]
    columns: Columns = {"query": [example.query for example in examples]}
    for i, name in enumerate(names):
        columns[name] = [example.passages[i] for example in examples]
    if labelled:
        columns["label"] = [list(example.labels[:width]) for example in examples]
    return columns


def _narrow(examples: Sequence[Example], objective: Objective) -> Columns:
    """Return one row a passage, or a negative."""
    rows: list[tuple[Any, ...]] = []
    for example in examples:
        first, *others = example.passages
        if objective == "triplet":
            rows += [(example.query, first, other) for other in others]
        elif objective == "margins":
            best, *scores = example.labels
            rows += [
                (example.query, first, other, round(best - score, 6))
                for other, score in zip(others, scores, strict=True)
            ]
        else:
            cast = int if objective == "classification" else float
            rows += [
                (example.query, text, cast(label))
                for text, label in zip(example.passages, example.labels, strict=True)
            ]
    names = {
        "triplet": ("query", "relevant", "negative"),
        "margins": ("query", "relevant", "negative", "label"),
    }.get(objective, ("query", "passage", "label"))
    return {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
