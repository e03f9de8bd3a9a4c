"""The result of an adaptation: what it changed on unseen questions, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import HybridgeError, InvalidInputError
from ..evaluation.significance import SIGNIFICANT, Comparison
from ..index import HybridIndex
from ..passages import JSON
from ..report import Renderable, Section, Table, number
from ..stages import LateInteraction
from ..stages.vector import EncoderStage
from ..tuning.setting import Setting
from .saved import SavedTraining
from .settings import TrainingSettings

__all__ = ["Adaptation", "Measured", "name_beside", "with_unseen"]


def name_beside(stage: str) -> str:
    """Return the name of an adapted stage beside the old one, in the weights tuned for both.

    >>> name_beside("dense")
    'dense, adapted'
    """
    return f"{stage}, adapted"


@dataclass(frozen=True, slots=True)
class Measured:
    """A retriever's answers before and after.

    Args:
        name: of the retriever.
        before: the measure's mean; of a hybrid, with the weights of the index or with weights that
            were tuned as they were for the adapted model, whichever is better.
        after: the mean with the adapted model.
        comparison: the difference, its 95 % bootstrap interval and its p.
        questions: how many.
        unseen: the same for the questions among them whose relevant passages were never relevant in
            training; None if there are fewer than two, or no others. A model may learn passages by
            heart: these show what it learned beyond that.
    """

    name: str
    before: float
    after: float
    comparison: Comparison
    questions: int
    unseen: Measured | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Adaptation(Renderable):
    """The result of `adapt`; printed, a table with a verdict.

    Args:
        kind: of the model, as "bi-encoder".
        parent: the name of the model before training.
        folder: of the adapted model, its card and its vectors.
        stage: the adapted stage of the index; None for a reranker.
        measure: what was compared.
        settings: of the training.
        training: its curve, its best step, and the share of the trained weights.
        questions: how many of them had which part.
        compared: the held-out comparison, one row a retriever; the last one decides.
        setting: the weights, or the depth and the blend of the reranker, for the adapted model.
        model: the adapted encoder or reranker.
        test: the comparison on a test's questions, if there was a test.
        beside: the weights where the adapted stage stands beside the old one, under the name of
            `name_beside`; None for what is no dense stage.
    """

    kind: str
    parent: str
    folder: Path
    stage: str | None
    measure: str
    settings: TrainingSettings
    training: SavedTraining
    questions: Mapping[str, int]
    compared: Sequence[Measured]
    setting: Setting
    model: Any = field(compare=False)
    test: Sequence[Measured] = ()
    beside: Setting | None = None

    @property
    def difference(self) -> float:
        """What the adapted model adds to the measure, on held-out questions."""
        return self.compared[-1].comparison.difference

    @property
    def p(self) -> float:
        """How often a difference as large comes about by chance (paired permutation test)."""
        return self.compared[-1].comparison.p

    @property
    def within_noise(self) -> bool:
        """Whether the adapted model is not significantly better (p < 0.05)."""
        return self.training.share == 0 or _is_noise(self.compared[-1])

    @property
    def within_noise_beside(self) -> bool:
        """The same of the index with the adapted stage beside the old one.

        True for what is no dense stage.
        """
        return self.beside is None or _is_noise(self.compared[-2])

    @property
    def verdict(self) -> str:
        """The advice that follows, in a sentence or two."""
        held = f"{self.questions['held out']} held-out questions"
        if self.training.share == 0:
            return (
                "Training gained nothing on the validation questions: keep the model that you have."
            )
        if self.within_noise:
            return (
                f"The gain is within noise: these {held} do not show that the adapted model is "
                "better. Keep the model that you have, or judge more questions."
            )
        taken = f"The gain is more than chance on these {held}: take the adapted model."
        unseen = self.compared[-1].unseen
        if unseen is not None and unseen.comparison.difference <= 0:
            return (
                f"{taken} It lies in passages that the training questions name: on the "
                f"{unseen.questions} questions about others there is none."
            )
        return taken

    def apply(
        self, index: HybridIndex, *, name: str | None = None, progress: bool | None = None
    ) -> None:
        """Give an index the adapted stage, and the weights tuned for it, all or nothing.

        Passages that were encoded for the comparison are not encoded again. If this is interrupted,
        the index is as it was before, and the same call goes on where it stopped.

        Args:
            index: the index that was adapted, or another one with this stage.
            name: of a further stage, which is added beside the old one with its own weight;
                None replaces the stage that was adapted.
            progress: show a bar; None shows it on a terminal.

        Raises:
            InvalidInputError: what was adapted is a reranker, which is no part of an index; or as
                by `HybridIndex.replace_stage` and `add_stage`.
            HybridgeError: the folder of the adapted model was deleted.
        """
        if self.stage is None:
            raise InvalidInputError(
                "a reranker is no part of an index: put it behind one, Pipeline(index, "
                "adaptation.model, depth=…, blend=…)"
            )
        if not (self.folder / "model").is_dir():  # without which no process could open the index
            raise HybridgeError(f"the model in {str(self.folder)!r} is gone: adapt it again")
        old = index.stages[self.stage].definition
        assert isinstance(old, EncoderStage)
        stage = old.with_encoder(self.model, name=name)
        if isinstance(stage, LateInteraction):
            [stage.blend] = self.setting.rerank_blends
        if name is None:
            weights = self.setting.weights
            index.replace_stage(self.stage, stage, weights=weights, progress=progress)
        else:
            index.add_stage(stage, weight=self._weights_beside(name), progress=progress)

    def _weights_beside(self, name: str) -> dict[str, float] | None:
        """Return the weights of the stages and of the adapted one under a name, if there are."""
        if self.beside is None or self.beside.weights is None:
            return None
        new = name_beside(str(self.stage))
        return {name if each == new else each: w for each, w in self.beside.weights.items()}

    def to_config(self) -> dict[str, JSON]:
        """Return the data, settings and figures as JSON."""
        return {
            "kind": self.kind,
            "parent": self.parent,
            "stage": self.stage,
            "measure": self.measure,
            "settings": self.settings.to_config(),
            "questions": dict(self.questions),
            "steps": self.training.steps,
            "best_step": self.training.best,
            "seconds": self.training.seconds,
            "share": self.training.share,
            "setting": {
                "weights": None if self.setting.weights is None else dict(self.setting.weights),
                "rerank_depths": list(self.setting.rerank_depths),
                "rerank_blends": list(self.setting.rerank_blends),
            },
            "held_out": [_row(each) for each in self.compared],
            "test": [_row(each) for each in self.test],
            "within_noise": self.within_noise,
        }

    def __repr__(self) -> str:
        row = self.compared[-1]
        return (
            f"Adaptation({self.kind} {self.parent!r}: {self.measure} {row.before:.4f} → "
            f"{row.after:.4f}, p = {self.p:.4f})"
        )

    def _report(self) -> Section:
        body = [_table(f"{self.measure}, held out", self.compared)]
        if self.test:
            body += [_table(f"{self.measure}, test", self.test)]
        counts = ", ".join(f"{count} {part}" for part, count in self.questions.items())
        training = self.training
        trained = (
            f"Questions: {counts}. {training.steps} steps in {_time(training.seconds)}, "
            f"the best after {training.best}; {100 * training.share:.0f} % of the trained weights."
        )
        return Section(body=[*body, "", _curve(training), "", trained, self.verdict])


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def _is_noise(row: Measured) -> bool:
    return row.comparison.difference <= 0 or row.comparison.p >= SIGNIFICANT


def _table(title: str, rows: Sequence[Measured]) -> Table:
    cells = []
    for name, row in with_unseen(rows):
        low, high = row.comparison.interval
        cells.append(
            [
                name,
                str(row.questions),
                number(row.before, 4),
                number(row.after, 4),
                f"{row.comparison.difference:+.4f}",
                f"[{low:+.4f}, {high:+.4f}]",
                number(row.comparison.p, 4),
            ]
        )
    return Table([title, "questions", "before", "after", "difference", "95 %", "p"], cells)


def with_unseen(rows: Sequence[Measured]) -> list[tuple[str, Measured]]:
    """Return the rows with their names, and after each that of unseen passages, if there is one."""
    named: list[tuple[str, Measured]] = []
    for row in rows:
        named.append((row.name, row))
        if row.unseen is not None:
            named.append((f"{row.name}, unseen passages", row.unseen))
    return named


def _curve(training: SavedTraining) -> Table:
    rows = [
        [str(point.step), number(point.loss, 4), number(point.score, 4)] for point in training.curve
    ]
    return Table(["step", "loss", "validation"], rows)


def _row(row: Measured) -> dict[str, JSON]:
    return {
        "name": row.name,
        "before": row.before,
        "after": row.after,
        "difference": row.comparison.difference,
        "interval": list(row.comparison.interval),
        "p": row.comparison.p,
        "questions": row.questions,
        "unseen": None if row.unseen is None else _row(row.unseen),
    }
