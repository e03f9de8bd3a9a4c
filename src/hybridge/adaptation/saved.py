"""A trained model on disk: its files and what is known of its training, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..encoders.loading import no_bars
from .training import CurvePoint, Trained, read_json, write_json

__all__ = ["SavedTraining", "load_training", "save_training"]

_MODEL, _TRAINED = "model", "trained.json"


@dataclass(frozen=True)
class SavedTraining:
    """What is known of a training that ended.

    Args:
        curve: the points of its validation.
        best: the step of the best point; 0 if the model was best before training.
        steps: those trained on.
        seconds: the time it took.
        share: that of the trained weights; 0 keeps the parent.
        shares: the validation's score of each share that was tried.
    """

    curve: Sequence[CurvePoint]
    best: int
    steps: int
    seconds: float
    share: float
    shares: dict[float, float]


def save_training(folder: Path, trained: Trained, share: float, shares: dict[float, float]) -> None:
    """Save a trained model as ``model`` in a folder.

    Args:
        folder: that of the training.
        trained: with the weights to save.
        share: that of the trained weights in them.
        shares: the validation's score of each share that was tried.
    """
    partial = folder / "model.partial"
    shutil.rmtree(partial, ignore_errors=True)
    with no_bars():
        trained.model.save(str(partial), create_model_card=False)
    write_json(
        folder / _TRAINED,
        {
            "curve": [asdict(point) for point in trained.curve],
            "best": trained.best,
            "steps": trained.steps,
            "seconds": trained.seconds,
            "share": share,
            "shares": [list(each) for each in shares.items()],
        },
    )
    partial.replace(folder / _MODEL)


def load_training(folder: Path) -> SavedTraining | None:
    """Return what is known of the training in a folder; None if it has not ended.

    The checkpoints of one that has ended are removed.

    Raises:
        InvalidInputError: the file of it is damaged.
    """
    if not (folder / _MODEL).is_dir():
        return None
    record = read_json(folder / _TRAINED)
    record["curve"] = [CurvePoint(**point) for point in record["curve"]]
    record["shares"] = dict(record["shares"])
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return SavedTraining(**record)
