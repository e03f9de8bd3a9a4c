"""What sentence-transformers' trainers call: the order of batches, the validation, the clock.

Imported only where something is trained, for it imports torch.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.base.trainer import BaseTrainer
from tqdm import tqdm
from transformers import TrainerCallback

from .batches import batches_without_conflicts

__all__ = ["HEAD", "Batches", "Clock", "Validation", "training_class"]

HEAD = "loss.safetensors"
"""The weights that only the loss has, in a checkpoint."""

_OVERRUN = 1.1  # of the time planned, after which training stops wherever it is


class Batches(DefaultBatchSampler):
    """Batches of `batches_without_conflicts`, in another order each time all are read.

    All steps are one epoch for the trainer, because rounds of one length may have different
    numbers of batches, and resuming counts these.

    Args:
        rounds: the queries and passages of each time that all examples are read; after the last
            comes the first again. The rows of the data are those of all rounds in turn.
        relevant: query → the texts of all its relevant passages.
        steps: how many batches.
        size: examples a batch.
        seed: of the order.
    """

    def __init__(
        self,
        rounds: Sequence[tuple[Sequence[str], Sequence[Sequence[str]]]],
        relevant: Mapping[str, frozenset[str]],
        steps: int,
        size: int,
        seed: int,
    ) -> None:
        starts = np.cumsum([0, *(len(queries) for queries, _ in rounds)]).tolist()
        super().__init__(range(starts[-1]), size, drop_last=False, seed=seed)
        self._rounds, self._relevant, self._steps, self._starts = rounds, relevant, steps, starts

    def __iter__(self) -> Iterator[list[int]]:
        yield from islice(self._batches(), self._steps)

    def __len__(self) -> int:
        return self._steps

    def _batches(self) -> Iterator[list[int]]:
        for number in count():
            i = number % len(self._rounds)
            seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
            texts = self._rounds[i]
            batches = batches_without_conflicts(*texts, self._relevant, self.batch_size, seed)
            yield from ([self._starts[i] + row for row in batch] for batch in batches)


def training_class(
    trainer: type[BaseTrainer], batches: Batches, head: Mapping[str, Any]
) -> type[BaseTrainer]:
    """Return a trainer's class for a training, which writes no examples into cards.

    Args:
        trainer: the class of sentence-transformers.
        batches: what it takes.
        head: name → weight, of those that only the loss has, such as classes.
    """

    class Training(trainer):  # type: ignore[misc, valid-type]
        # As its argument `batch_sampler` they would be pickled into every checkpoint.
        def get_batch_sampler(self, *args: Any, **kwargs: Any) -> Batches:
            return batches

        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            """Add none."""

        def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
            super().save_model(output_dir, _internal_call)
            if head and output_dir is not None:
                weights = {name: each.detach().contiguous() for name, each in head.items()}
                save_file(weights, Path(output_dir, HEAD))

        # The library's own logs an error, and goes on with the last weights.
        def _load_best_model(self) -> None:
            self._load_from_checkpoint(self.state.best_model_checkpoint)

    return Training


class Validation(BaseEvaluator):
    """The validation of a model in training, as the trainers call it.

    Args:
        validate: scores the model.
    """

    def __init__(self, validate: Callable[[Any], float]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._validate = validate

    def __call__(self, model: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        return {"score": self._validate(model)}


class Clock(TrainerCallback):
    """The time that training takes: it is shown, recorded, and ends what takes too long.

    Args:
        steps: batches to train on.
        seconds: that training may take; None for no limit.
        progress: show a bar; None shows it on a terminal.
    """

    def __init__(self, steps: int, seconds: float | None, progress: bool | None) -> None:
        self._limit = None if seconds is None else _OVERRUN * seconds
        self._start = time.perf_counter()
        hidden = not (sys.stderr.isatty() if progress is None else progress)
        self._bar = tqdm(
            total=steps, desc="Training", unit="step", disable=hidden, leave=False, delay=0.5
        )

    @property
    def seconds(self) -> float:
        """Since the start, in all sessions."""
        return time.perf_counter() - self._start

    def resume(self, seconds: float) -> None:
        """Count the time of an interrupted session."""
        self._start = time.perf_counter() - seconds

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._bar.update(state.global_step - self._bar.n)
        if self._limit is not None and self.seconds > self._limit:
            control.should_log = control.should_evaluate = control.should_save = True
            control.should_training_stop = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        logged = state.log_history[-1]
        logged["seconds"] = self.seconds
        self._bar.set_postfix(validation=f"{logged['eval_score']:.4f}")
