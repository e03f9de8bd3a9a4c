"""The settings of a training: its objective, its length and its batches."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, TypeAlias, get_args

from ..arguments import check_count, check_seed
from ..errors import InvalidInputError
from ..passages import JSON

__all__ = ["Objective", "TrainingSettings"]

Objective: TypeAlias = Literal[
    "contrastive",
    "triplet",
    "regression",
    "classification",
    "margins",
    "distillation",
    "ranking",
]


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of a training.

    The defaults suit a bi-encoder of some 20 million parameters on a processor; those of another
    kind of model are its `defaults`. Which objectives a model has, and what they make of an
    example, stands in the module of its kind: `hybridge.adaptation.bi_encoder` and its neighbours.

    Args:
        objective: what the model learns; None for the usual one of its kind.
        steps: batches to train on; None for as many as `minutes` and `epochs` allow.
        minutes: the time for training and validation, on the machine as it is; None for no limit.
        epochs: times that each example is read, where `steps` is None.
        batch_size: examples a step, each with the others' passages as negatives.
        mini_batch: texts that are encoded at once, where a batch is larger than memory allows: the
            gradients of the batch are cached, which takes a third more time (L. Gao et al.,
            *Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup*, RepL4NLP
            2021, arXiv 2101.06983). None encodes the whole batch.
        learning_rate: the highest one: it rises over the first tenth of the steps and falls to 0.
        temperature: of the softmax over passages, where the objective has one.
        max_tokens: tokens of a text that are read in training; None for as many as the model reads.
        negatives: hard negatives an example.
        validations: how often the model is validated on the way.
        patience: validations without a gain after which training stops.
        seed: of the order of examples, of the negatives and of dropout.

    Raises:
        InvalidInputError: a value that is not valid.

    >>> TrainingSettings(minutes=30, batch_size=32).learning_rate
    3e-05
    """

    objective: Objective | None = None
    steps: int | None = None
    minutes: float | None = None
    epochs: int = 8
    batch_size: int = 16
    mini_batch: int | None = None
    learning_rate: float = 3e-5
    temperature: float = 0.05
    max_tokens: int | None = 160
    negatives: int = 2
    validations: int = 4
    patience: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.objective is not None and self.objective not in get_args(Objective):
            raise InvalidInputError(
                f"objective must be one of {', '.join(get_args(Objective))}, or None for the usual "
                f"one, not {self.objective!r}"
            )
        for name in ("epochs", "batch_size", "validations", "patience"):
            check_count(getattr(self, name), name)
        for name in ("steps", "mini_batch", "max_tokens"):
            if (value := getattr(self, name)) is not None:
                check_count(value, name)
        if self.negatives != 0:
            check_count(self.negatives, "negatives")
        if self.batch_size < 2:
            raise InvalidInputError(
                "batch_size must be 2 at least, for other examples' passages are the negatives, "
                f"not {self.batch_size}"
            )
        for name in ("minutes", "learning_rate", "temperature"):
            value = getattr(self, name)
            if value is None and name == "minutes":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
                raise InvalidInputError(f"{name} must be a positive number, not {value!r}")
        check_seed(self.seed)

    def to_config(self) -> dict[str, JSON]:
        """Return the settings as JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self)}
