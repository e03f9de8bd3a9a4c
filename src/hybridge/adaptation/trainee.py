"""Models that can be trained: what a kind of model does in training, and how one is found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ..errors import InvalidInputError
from .datasets import Columns, columns_of
from .examples import Example
from .settings import Objective, TrainingSettings

__all__ = ["Trainee"]


class Trainee(ABC):
    """A model that can be trained: its loading, its objectives, its scores.

    Attributes:
        kind: in messages and reports.
        objectives: what it can learn; the first is the usual one.
        defaults: the settings that suit a small model of this kind on a processor. Change some of
            them by ``dataclasses.replace(trainee.defaults, minutes=30)``.
        shares_passages: whether a passage is encoded once for all queries.
    """

    kind: ClassVar[str]
    objectives: ClassVar[tuple[Objective, ...]]
    shares_passages: ClassVar[bool] = True
    defaults: ClassVar[TrainingSettings] = TrainingSettings()

    @property
    @abstractmethod
    def parent(self) -> str:
        """The name of the model before training."""

    @property
    def identity(self) -> str:
        """What distinguishes the model before training, and its settings, from any other."""
        return self.parent

    @abstractmethod
    def load(self, folder: Path | None = None) -> Any:
        """Load a model of sentence-transformers in torch, in float32.

        Args:
            folder: of a trained model; None for the parent.
        """

    @abstractmethod
    def trainer(self) -> tuple[type[Any], type[Any]]:
        """Return sentence-transformers' trainer for it, and the class of its arguments."""

    @abstractmethod
    def loss(self, model: Any, settings: TrainingSettings, columns: Columns) -> Any:
        """Return sentence-transformers' loss of an objective.

        Args:
            model: as loaded.
            settings: whose `objective` is one of `objectives`.
            columns: the data.
        """

    def columns(self, examples: Sequence[Example], settings: TrainingSettings) -> Columns:
        """Return examples as the loss takes them."""
        return columns_of(examples, self.objective(settings))

    def arguments(self, settings: TrainingSettings) -> Mapping[str, Any]:
        """Return further arguments of the trainer."""
        return {}

    @abstractmethod
    def scores(
        self, model: Any, queries: Sequence[str], passages: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Score each query's passages by a loaded model.

        Args:
            model: as loaded.
            queries: the queries.
            passages: the texts to score for each.
        """

    @abstractmethod
    def wrapped(self, folder: Path) -> Any:
        """Return the encoder or reranker of a trained model, with the settings of the parent."""

    def objective(self, settings: TrainingSettings) -> Objective:
        """Return the objective of the settings, or the usual one.

        Raises:
            InvalidInputError: this kind of model has no such objective.
        """
        chosen = settings.objective or self.objectives[0]
        if chosen not in self.objectives:
            raise InvalidInputError(
                f"a {self.kind} is not trained by {chosen!r}: its objectives are "
                f"{', '.join(self.objectives)}"
            )
        return chosen
