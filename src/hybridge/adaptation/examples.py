"""What a model is trained on: queries with the passages that it is to score."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

from ..errors import InvalidInputError

__all__ = ["Example"]


@dataclass(frozen=True, slots=True)
class Example:
    """A query, or any first text, with the texts that a model learns to score for it.

    Args:
        query: without a prompt; the model's own prompt is put in front of it.
        passages: one at least. Without labels the first is relevant, and the others are not.
        labels: one a passage: a grade, a similarity, a class or a teacher's score, as the
            objective of the training has it; empty for none.

    Raises:
        InvalidInputError: a text is blank or no string, there is no passage, or there are not as
            many labels as passages.

    >>> Example("why does bread rise?", ("Yeast makes gas.", "Salt slows yeast."))
    Example(query='why does bread rise?', passages=('Yeast makes gas.', 'Salt slows yeast.'), \
labels=())
    """

    query: str
    passages: tuple[str, ...]
    labels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.passages, str) or not self.passages:
            raise InvalidInputError(
                f"passages must be a tuple of one text at least, not {self.passages!r}"
            )
        for text in (self.query, *self.passages):
            if not isinstance(text, str) or not text.strip():
                raise InvalidInputError(f"an example's texts must have words, not {text!r:.80}")
        if self.labels and len(self.labels) != len(self.passages):
            raise InvalidInputError(
                f"an example of {len(self.passages)} passages must have as many labels, or none, "
                f"not {len(self.labels)}"
            )
        for label in self.labels:
            if not isinstance(label, Real) or label != label or abs(label) == float("inf"):
                raise InvalidInputError(f"labels must be finite numbers, not {label!r}")
        object.__setattr__(self, "passages", tuple(self.passages))
        object.__setattr__(self, "labels", tuple(float(label) for label in self.labels))
