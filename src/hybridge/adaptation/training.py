"""Training one model on examples: within a budget, validated on the way, resumable."""

from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..encoders.loading import no_bars
from ..errors import HybridgeError, InvalidInputError, needs_extra
from ..lexical.files import replace_file
from ..passages import JSON
from .examples import Example
from .folder import check_free
from .settings import TrainingSettings
from .trainee import Trainee

if TYPE_CHECKING:
    from .hooks import Clock

__all__ = [
    "CurvePoint",
    "Trained",
    "Validate",
    "check_record",
    "check_room",
    "read_json",
    "train",
    "write_json",
]

Validate: TypeAlias = Callable[[Any], float]
"""Scores a model in training, higher is better."""

_PROBE = 3  # batches that are timed to see how many fit into the budget
_RECORD = "training.json"
_STATE = "trainer_state.json"  # which transformers writes last into a checkpoint
_FILES = ("optimizer.pt", "scheduler.pt", "rng_state.pth", _STATE)  # without which it goes on too
# Kept beside the best checkpoint: weights and Adam's two moments, each in float32.
_CHECKPOINTS, _COPIES = 3, 3


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One point on the curve of a training.

    Args:
        step: batches trained on; 0 before training.
        seconds: since its start, in all sessions.
        loss: the mean since the point before; None before training.
        score: by the validation.
    """

    step: int
    seconds: float
    loss: float | None
    score: float


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Args:
        model: sentence-transformers' model with the weights of the best point.
        curve: the points of its validation.
        best: the step of the best point; 0 if the model was best before training.
        steps: those trained on.
        seconds: the time it took.
    """

    model: Any
    curve: list[CurvePoint]
    best: int
    steps: int
    seconds: float


def train(
    trainee: Trainee,
    rounds: Sequence[Sequence[Example]],
    settings: TrainingSettings,
    folder: Path,
    *,
    validate: Validate,
    relevant: Mapping[str, frozenset[str]] | None = None,
    origin: Mapping[str, JSON] | None = None,
    progress: bool | None = None,
) -> Trained:
    """Train a model on examples, and return it as it was at its best validation.

    Args:
        trainee: the model.
        rounds: the examples of each time they are read; after the last round comes the first.
        settings: of the training.
        folder: of the checkpoints. If a training with the same examples and settings was
            interrupted there, it goes on.
        validate: scores the model before training, and on the way.
        relevant: query → the texts of all its relevant passages, which no batch has as negatives;
            None for those that the examples name.
        origin: see `check_record`.
        progress: show a bar; None shows it on a terminal.

    Raises:
        InvalidInputError: no example, one that the objective cannot use, or the folder is of
            another training.
        MissingExtraError: the extra `adapt` is not installed.
        HybridgeError: the folder has no room, or the weights became infinite.
    """
    with needs_extra("adapt"):
        import accelerate  # noqa: F401
        import datasets  # noqa: F401
    record = check_record(folder, trainee, rounds, settings, origin)
    run = _Run(trainee, rounds, settings, folder, validate, relevant, record, progress)
    with no_bars(), _seeded(settings.seed):
        return run.result()


def check_room(folder: Path, parameters: int) -> None:
    """Raise if a folder has no room for the training of a model.

    Args:
        folder: made if it is not there.
        parameters: of the model.

    Raises:
        HybridgeError: it has not; the message names the bytes.
    """
    check_free(folder, 4 * parameters * (_COPIES * _CHECKPOINTS + 2), "training")


class _Run:
    """One training, from its start or its last checkpoint to its end; arguments as for `train`."""

    def __init__(
        self,
        trainee: Trainee,
        rounds: Sequence[Sequence[Example]],
        settings: TrainingSettings,
        folder: Path,
        validate: Validate,
        relevant: Mapping[str, frozenset[str]] | None,
        record: dict[str, Any],
        progress: bool | None,
    ) -> None:
        self._trainee, self._settings, self._validate = trainee, settings, validate
        self._folder, self._progress = folder, progress
        self._rounds = rounds
        examples = list(chain.from_iterable(rounds))
        self._columns = trainee.columns(examples, settings)
        self._relevant = _relevant(examples) if relevant is None else relevant
        self._checkpoints = folder / "checkpoints"
        self._record = record
        self._model = trainee.load()
        check_room(folder, sum(each.numel() for each in self._model.parameters()))
        self._loss = trainee.loss(self._model, settings, self._columns)
        self._full_length = self._model.max_seq_length

    def result(self) -> Trained:
        from .hooks import Clock

        if "steps" not in self._record:
            self._record |= self._planned()
            write_json(self._folder / _RECORD, self._record)
        steps, first = int(self._record["steps"]), float(self._record["score"])
        minutes = self._settings.minutes
        clock = Clock(steps, None if minutes is None else 60 * minutes, self._progress)
        try:
            trainer = self._trainer(steps, [clock])
            last = self._last_checkpoint(clock)
            trainer.train(resume_from_checkpoint=None if last is None else str(last))
        finally:
            clock.close()
        model = self._model
        model.max_seq_length = self._full_length
        model.eval()
        curve = [CurvePoint(0, 0.0, None, first), *_curve(trainer.state.log_history)]
        best = max(curve, key=lambda point: (point.score, -point.step))
        if best.step == 0:
            model.load_state_dict(self._trainee.load().state_dict())
        return Trained(model, curve, best.step, trainer.state.global_step, clock.seconds)

    def _planned(self) -> dict[str, Any]:
        """Return the number of steps that fit into the budget, and the score before training."""
        settings = self._settings
        start = time.perf_counter()
        score = self._validate(self._model)
        validation = time.perf_counter() - start
        rows = len(self._texts(self._rounds[0])[0])  # of one example, some objectives make several
        steps = settings.steps or math.ceil(rows * settings.epochs / settings.batch_size)
        if settings.minutes is not None and settings.steps is None:
            left = 60 * settings.minutes - validation * (settings.validations + 1)
            steps = max(1, min(steps, int(left / self._seconds_a_step())))
        return {"steps": steps, "score": score}

    def _seconds_a_step(self) -> float:
        trainer = self._trainer(_PROBE, [])
        self._model.train()
        times = []
        for inputs in islice(trainer.get_train_dataloader(), _PROBE):
            start = time.perf_counter()
            trainer.compute_loss(self._model, inputs).backward()
            self._loss.zero_grad()
            times.append(time.perf_counter() - start)
        return sorted(times)[len(times) // 2]

    def _trainer(self, steps: int, callbacks: Sequence[Any]) -> Any:
        """Return sentence-transformers' trainer, its model ready to read `max_tokens`."""
        import datasets
        from transformers import EarlyStoppingCallback, PrinterCallback

        from .hooks import Batches, Validation, training_class

        settings, model = self._settings, self._model
        trainer_of, arguments_of = self._trainee.trainer()
        every = math.ceil(steps / settings.validations)
        texts = [self._texts(examples) for examples in self._rounds]
        batches = Batches(texts, self._relevant, steps, settings.batch_size, settings.seed)
        arguments = arguments_of(
            output_dir=str(self._checkpoints),
            max_steps=steps,
            per_device_train_batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=math.ceil(steps / 10),
            weight_decay=0.01,
            seed=settings.seed,
            eval_strategy="steps",
            eval_steps=every,
            save_strategy="steps",
            save_steps=every,
            logging_steps=1,
            save_total_limit=2,
            load_best_model_at_end=True,
            metric_for_best_model="eval_score",
            greater_is_better=True,
            dataloader_pin_memory=False,
            use_cpu=model.device.type == "cpu",
            report_to="none",
            disable_tqdm=True,
            **self._trainee.arguments(settings),
        )
        model.model_card_data.local_files_only = True  # it looks up the parent otherwise
        trainer = training_class(trainer_of, batches, self._head())(
            model=model,
            args=arguments,
            train_dataset=datasets.Dataset.from_dict(self._columns),
            loss=self._loss,
            evaluator=Validation(self._validated),
            callbacks=[EarlyStoppingCallback(settings.patience), *callbacks],
        )
        trainer.remove_callback(PrinterCallback)
        self._shorten()
        return trainer

    def _texts(self, examples: Sequence[Example]) -> tuple[list[str], list[list[str]]]:
        """Return the query and the passages of each row, as far as a batch mixes rows."""
        columns = self._trainee.columns(examples, self._settings)
        if self._trainee.objective(self._settings) != "contrastive":
            return [str(row) for row in range(len(columns["query"]))], [[]] * len(columns["query"])
        texts = [values for name, values in columns.items() if name != "query"]
        return columns["query"], [list(row) for row in zip(*texts, strict=True)]

    def _shorten(self) -> None:
        tokens, full = self._settings.max_tokens, self._full_length
        if tokens is not None:
            self._model.max_seq_length = tokens if full is None else min(tokens, full)

    def _validated(self, model: Any) -> float:
        """Return the score of the model in training, which reads as much as it will in use.

        Raises:
            HybridgeError: it has weights that are no finite numbers.
        """
        if not all(bool(weight.isfinite().all()) for weight in model.parameters()):
            raise HybridgeError(
                "the weights have become infinite, from which no training returns: give a lower "
                f"learning_rate than {self._settings.learning_rate:g}, and another folder"
            )
        model.max_seq_length = self._full_length
        try:
            return self._validate(model)
        finally:
            self._shorten()

    def _head(self) -> dict[str, Any]:
        """Return the weights that only the loss has."""
        own = {id(each) for each in self._model.parameters()}
        named = self._loss.named_parameters()
        return {name: each for name, each in named if id(each) not in own}

    def _last_checkpoint(self, clock: Clock) -> Path | None:
        """Return the last whole checkpoint, and set what the trainer does not keep there."""
        from safetensors.torch import load_file

        from .hooks import HEAD

        found: dict[int, tuple[Path, dict[str, Any]]] = {}
        for folder in self._checkpoints.glob("checkpoint-*"):
            try:
                state = json.loads((folder / _STATE).read_bytes())
                best = self._checkpoints / Path(state["best_model_checkpoint"]).name
                _check_whole(folder)
                _check_whole(best)
            except (OSError, ValueError, KeyError, TypeError):
                shutil.rmtree(folder)
                continue
            found[state["global_step"]] = folder, state | {"best_model_checkpoint": str(best)}
        if not found:
            return None
        last, state = found[max(found)]
        write_json(last / _STATE, state)  # the folder may have been moved
        clock.resume(max((each.get("seconds", 0.0) for each in state["log_history"]), default=0.0))
        if head := self._head():
            saved = load_file(last / HEAD)
            for name, weight in head.items():
                weight.data.copy_(saved[name])
        return last


def _check_whole(checkpoint: Path) -> None:
    if not any(checkpoint.glob("model*.safetensors")):
        raise FileNotFoundError(checkpoint)
    for name in _FILES:
        (checkpoint / name).stat()


def _relevant(examples: Sequence[Example]) -> dict[str, frozenset[str]]:
    """Return the relevant passages that examples name: the first one of each."""
    found: dict[str, set[str]] = {}
    for example in examples:
        found.setdefault(example.query, set()).add(example.passages[0])
    return {query: frozenset(texts) for query, texts in found.items()}


def _curve(history: Sequence[Mapping[str, Any]]) -> list[CurvePoint]:
    points: list[CurvePoint] = []
    losses: list[float] = []
    for each in history:
        if "loss" in each:
            losses.append(each["loss"])
        elif "eval_score" in each:
            loss = fmean(losses) if losses else None
            points.append(CurvePoint(each["step"], each["seconds"], loss, each["eval_score"]))
            losses = []
    return points


def check_record(
    folder: Path,
    trainee: Trainee,
    rounds: Sequence[Sequence[Example]],
    settings: TrainingSettings,
    origin: Mapping[str, JSON] | None = None,
) -> dict[str, Any]:
    """Return the record of the training in a folder, which is begun if there is none.

    Args:
        folder: of the training.
        trainee: the model.
        rounds: as for `train`.
        settings: of the training.
        origin: name → value, of whatever else its figures come from. If any of them changes, it is
            another training.

    Raises:
        InvalidInputError: it is of another training, or damaged.
    """
    digest = hashlib.blake2b(digest_size=16)
    for example in chain.from_iterable(rounds):
        digest.update(json.dumps([example.query, example.passages, example.labels]).encode())
    config = settings.to_config()
    here: dict[str, Any] = {"parent": trainee.identity, "examples": digest.hexdigest()}
    here |= {"settings": config, **(origin or {})}
    file = folder / _RECORD
    if not file.exists():
        return here
    record = read_json(file)
    changed = [name for name, value in here.items() if record.get(name) != value]
    if changed:
        raise InvalidInputError(
            f"{str(folder)!r} has a training with other {' and '.join(changed)}, for the index, "
            "the questions or an argument changed: give another folder, or delete that one"
        )
    return record


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON file of a training.

    Raises:
        InvalidInputError: it is damaged.
    """
    try:
        found: dict[str, Any] = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"{str(file)!r} is damaged ({error}): delete the folder, and train again"
        ) from error
    return found


def write_json(file: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    with replace_file(file) as out:
        out.write(json.dumps(value, indent=2, ensure_ascii=False).encode())


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the generators of the process for a while, and set them back after it."""
    import torch

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
