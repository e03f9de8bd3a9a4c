"""What is adapted of an index, and how its answers are compared before and after."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Self, TypeAlias

from ..colbert import ColBERTReranker
from ..encoders.passage_cache import CachedEncoder
from ..errors import InvalidInputError
from ..evaluation import evaluate
from ..evaluation.collection import Qrels
from ..evaluation.measures import Judge
from ..fused import FusedRetriever
from ..index import HybridIndex
from ..iteration import chunked, progress_over
from ..pipeline import Pipeline
from ..protocols import Reranker, Retriever
from ..search_text import SearchText
from ..stages import BM25, Dense, LateInteraction
from ..tuning import Space, Tuning
from ..tuning.procedure import find_setting
from ..tuning.setting import Setting
from .folder import check_free
from .folds import alike
from .grouped import compare_groups
from .questions import can_be_compared
from .result import Measured, name_beside
from .trainable import trainable
from .trainee import Trainee

__all__ = ["Compared", "HeldOutQuestions", "Target", "Test", "target_of"]

_DEPTH = 100  # of the lists that are measured, where the measure has no cutoff
_BATCH = 64  # queries a search
_SLICE = 1024  # passages encoded before they are written
_TEXT, _FILES = 4096, 32 << 20  # bytes of a passage, and of an index that is empty
_RERANK_DEPTHS = (20, 50)
_BOTH, _ONE = "hybrid of both", "hybrid"  # with the adapted stage beside the old one, or instead
_BLENDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)

Test: TypeAlias = tuple[Mapping[str, str], Qrels]


@dataclass(frozen=True)
class Compared:
    """The answers before and after, on questions that the model has not seen.

    Args:
        rows: one a retriever; the last decides.
        model: the adapted encoder or reranker.
        setting: the weights, or the reranker's depth and blend, that were tuned for it.
        test: the same rows on the questions of a test, if there is one.
        beside: the weights where the adapted stage stands beside the old one.
    """

    rows: list[Measured]
    model: Any
    setting: Setting
    test: list[Measured]
    beside: Setting | None = None


@dataclass(frozen=True)
class HeldOutQuestions:
    """The questions that the answers before and after are compared on.

    Args:
        queries: query id → question.
        qrels: their judgements.
        seen: the passages that were relevant in training.
        measure: what is compared.
        test: other questions and their judgements, to be searched once.
    """

    queries: Mapping[str, str]
    qrels: Qrels
    seen: Container[str]
    measure: str
    test: Test | None = None

    @property
    def unseen(self) -> list[str]:
        """The questions none of whose relevant passages was relevant in training."""
        return [
            query_id
            for query_id, grades in self.qrels.items()
            if not any(grade > 0 and id_ in self.seen for id_, grade in grades.items())
        ]

    def measured(
        self, name: str, before: Mapping[str, float], after: Mapping[str, float]
    ) -> Measured:
        """Compare the values of these questions, and of the unseen ones among them."""
        row = self._compared(name, list(before), before, after)
        unseen = self.unseen
        if len(unseen) < len(before) and can_be_compared(unseen, self.qrels):
            row = replace(row, unseen=self._compared(name, unseen, before, after))
        return row

    def _compared(
        self,
        name: str,
        queries: Sequence[str],
        before: Mapping[str, float],
        after: Mapping[str, float],
    ) -> Measured:
        values = [before[each] for each in queries], [after[each] for each in queries]
        comparison = compare_groups(*values, alike(queries, self.qrels), self.measure)
        return Measured(name, fmean(values[0]), fmean(values[1]), comparison, len(queries))


@dataclass(frozen=True)
class _Chosen:
    """A retriever with tuned settings, or with its own where tuning gains nothing in its folds.

    Args:
        retriever: the retriever.
        setting: its setting.
        values: query id → the measure, by a setting that was chosen without its fold.
    """

    retriever: Retriever
    setting: Setting
    values: Mapping[str, float]

    @classmethod
    def of(cls, tuning: Tuning) -> Self:
        if tuning.difference > 0:
            setting, values = tuning.chosen, tuning.held_out
        else:
            setting, values = tuning.default, tuning.default_held_out
        return cls(tuning.target.build(setting), setting, values)


class Target(ABC):
    """What is adapted of an index.

    Args:
        index: the index.
        trainee: its model in training.
        search_text: what the model reads of a passage.

    Attributes:
        stage: the stage's name; None for a reranker.
    """

    stage: str | None = None

    def __init__(self, index: HybridIndex, trainee: Trainee, search_text: SearchText) -> None:
        self.index = index
        self.trainee = trainee
        self.search_text = search_text

    @abstractmethod
    def compare(
        self,
        folder: Path,
        held: HeldOutQuestions,
        *,
        changed: bool,
        progress: bool | None,
    ) -> Compared:
        """Compare the answers before and after on held-out questions.

        Args:
            folder: of the adapted model.
            held: the questions.
            changed: whether the adapted model is another one than its parent.
            progress: show bars; None shows them on a terminal.
        """


class _StageTarget(Target):
    """A dense stage: before, the index; after, the same stages with this one's vectors replaced."""

    stage: str

    def __init__(self, index: HybridIndex, stage: str) -> None:
        self.definition = index.stages[stage].definition
        super().__init__(index, trainable(self.definition), self.definition.search_text)
        self.stage = stage

    def compare(
        self,
        folder: Path,
        held: HeldOutQuestions,
        *,
        changed: bool,
        progress: bool | None,
    ) -> Compared:
        model = CachedEncoder(self.trainee.wrapped(folder / "model"), folder / "vectors")
        options, judged = self.index.defaults, (held.queries, held.qrels, held.measure)
        own = {name: self.index.stages[name] for name in options["weights"]}
        before: dict[str, Retriever] = {self.stage: self.index.stages[self.stage]}
        if changed:  # what weights alone gain, training does not
            usual = self._weighed(own, *judged, progress)
        else:
            first_stages = _first_stages(self.index)
            setting = Setting(options["fusion"], options["weights"], options["depth"])
            usual = _Chosen(first_stages, setting, _values(first_stages, *judged))
        before |= dict.fromkeys((_BOTH, _ONE), usual.retriever)
        before_values = {self.stage: _values(before[self.stage], *judged)}
        before_values |= dict.fromkeys((_BOTH, _ONE), usual.values)
        if not changed:
            rows = [held.measured(name, each, each) for name, each in before_values.items()]
            tested = _tested(before, before, held)
            return Compared(rows, model, usual.setting, tested)
        with self._adapted(model, folder / "compared", progress) as adapted:
            alone: Retriever = adapted.stages[self.stage]
            both = {**own, name_beside(self.stage): alone}
            chosen = {
                name: self._weighed(members, *judged, progress)
                for name, members in ((_BOTH, both), (_ONE, {**own, self.stage: alone}))
            }
            after = {self.stage: alone} | {name: each.retriever for name, each in chosen.items()}
            values = {self.stage: _values(alone, *judged)}
            values |= {name: each.values for name, each in chosen.items()}
            rows = [held.measured(name, each, values[name]) for name, each in before_values.items()]
            tested = _tested(before, after, held)
        return Compared(rows, model, chosen[_ONE].setting, tested, chosen[_BOTH].setting)

    def _weighed(
        self,
        members: Mapping[str, Retriever],
        questions: Mapping[str, str],
        qrels: Qrels,
        measure: str,
        progress: bool | None,
    ) -> _Chosen:
        """Fuse retrievers as the index fuses its stages, with weights tuned where that helps."""
        fusion, depth = self.index.defaults["fusion"], self.index.defaults["depth"]
        own = self.index.defaults["weights"]
        share = (len(members) - len(own)) / len(members)  # of a further one, as in `add_stage`
        total = sum(own.values())
        weights = {
            name: own[name] / total * (1 - share) if name in own else share for name in members
        }
        is_weighted = getattr(fusion, "weighted", True)
        tuning = find_setting(
            FusedRetriever(
                members, fusion=fusion, weights=weights if is_weighted else None, depth=depth
            ),
            questions,
            qrels,
            measure,
            Space([fusion], depth=[depth]),
            min(5, len(questions)),
            progress=progress,
        )
        return _Chosen.of(tuning)

    @contextmanager
    def _adapted(
        self, model: CachedEncoder, folder: Path, progress: bool | None
    ) -> Iterator[HybridIndex]:
        """Open an index of this stage, with the adapted model's vectors.

        The words of BM25 are beside it: by them the queries are corrected, as they are before.
        """
        assert isinstance(self.definition, Dense)
        definitions = [stage.definition for stage in self.index.stages.values()]
        words = [each for each in definitions if isinstance(each, BM25)]
        stages = [*words[:1], self.definition.with_encoder(model)]
        slices = range(0, len(self.index), _SLICE)
        chunks = chunked(self.index, _SLICE)
        # An engine that finds no room for its files ends the process.
        vectors = 2 * 4 * len(self.index) * model.dimension  # in the cache and in the index
        check_free(folder, vectors + _TEXT * len(self.index) + _FILES, "the comparison")
        # Not a temporary folder, which a killed process would leave behind for good.
        shutil.rmtree(folder, ignore_errors=True)
        try:
            with HybridIndex.create(folder, stages=stages) as adapted:
                for _ in progress_over(slices, "Encoding", "slice", progress):
                    adapted.add(next(chunks), progress=False)
                yield adapted
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class _RerankerTarget(Target):
    """A reranker: before, its parent behind the index; after, the adapted model there."""

    depths: Sequence[int] = _RERANK_DEPTHS

    def __init__(self, index: HybridIndex, reranker: Any) -> None:
        super().__init__(index, trainable(reranker), reranker.search_text)
        self._parent = reranker

    def compare(
        self,
        folder: Path,
        held: HeldOutQuestions,
        *,
        changed: bool,
        progress: bool | None,
    ) -> Compared:
        model, reranker = self.wrapped(folder)
        first_stages = _first_stages(self.index)
        space = Space(
            [], weights=[], depth=[], rerank_depths=self.depths, rerank_blends=(0.0, *_BLENDS)
        )
        before, after = (
            find_setting(
                Pipeline(first_stages, each, depth=self.depths[0]),
                held.queries,
                held.qrels,
                held.measure,
                space,
                min(5, len(held.queries)),
                progress=progress,
            )
            for each in ((self._parent, reranker) if changed else (self._parent, self._parent))
        )
        alone = _values(first_stages, held.queries, held.qrels, held.measure)
        rows = [
            held.measured("first stages alone", alone, after.held_out),
            held.measured("reranked", before.held_out, after.held_out),
        ]
        tested = _tested(
            {"first stages alone": first_stages, "reranked": before.apply()},
            dict.fromkeys(("first stages alone", "reranked"), after.apply()),
            held,
        )
        return Compared(rows, model, after.chosen, tested)

    def wrapped(self, folder: Path) -> tuple[Any, Reranker]:
        """Return the adapted model, and the reranker that it is or that it makes."""
        model = self.trainee.wrapped(folder / "model")
        return model, model


class _TokenStageTarget(_RerankerTarget):
    """A late-interaction stage, compared as a reranker of as many hits as a stage finds."""

    def __init__(self, index: HybridIndex, stage: str) -> None:
        definition = index.stages[stage].definition
        assert isinstance(definition, LateInteraction)
        text = definition.search_text
        super().__init__(index, ColBERTReranker(definition.encoder, search_text=text))
        self.trainee = trainable(definition)
        self.stage = stage
        self.depths = [index.defaults["depth"]]

    def wrapped(self, folder: Path) -> tuple[Any, Reranker]:
        encoder = CachedEncoder(self.trainee.wrapped(folder / "model"), folder / "vectors")
        return encoder, ColBERTReranker(encoder, search_text=self.search_text)


def target_of(index: HybridIndex, model: Any) -> Target:
    """Return what is to be adapted.

    Args:
        index: the index.
        model: the name of a dense stage, or a reranker; None for the only dense stage.

    Raises:
        InvalidInputError: there is no such stage, several, or a model that cannot be trained.
    """
    if model is not None and not isinstance(model, str):
        if not callable(getattr(model, "rerank", None)):
            raise InvalidInputError(
                "model must be the name of a dense stage, or a reranker such as "
                f"CrossEncoderReranker(), not {type(model).__name__}"
            )
        return _RerankerTarget(index, model)
    stages = {name: stage.definition for name, stage in index.stages.items()}
    dense = [name for name, stage in stages.items() if isinstance(stage, Dense)]
    late = [name for name, stage in stages.items() if isinstance(stage, LateInteraction)]
    if model is None:
        if len(dense) != 1:
            raise InvalidInputError(
                f"the index has {len(dense)} dense stages, {dense}: name the one to adapt by model="
            )
        [model] = dense
    if model in late:
        return _TokenStageTarget(index, model)
    if model not in dense:
        raise InvalidInputError(
            f"there is no stage {model!r} in the index that has a model: there are {dense + late}"
        )
    return _StageTarget(index, model)


def _first_stages(index: HybridIndex) -> Retriever:
    """Return an index without late interaction, which no other retriever here has."""
    return index.tuned(blend=0) if "blend" in index.defaults else index


def _values(
    retriever: object, questions: Mapping[str, str], qrels: Qrels, measure: str
) -> Mapping[str, float]:
    k = Judge([measure], {}).cutoff or _DEPTH  # as many as the tuning of weights searches
    found = evaluate(
        {"it": retriever}, questions, qrels, [measure], k=k, batch_size=_BATCH, progress=False
    )
    return found.values["it"][measure]


def _tested(
    before: Mapping[str, object], after: Mapping[str, object], held: HeldOutQuestions
) -> list[Measured]:
    if held.test is None:
        return []
    queries, qrels = held.test
    test = replace(held, queries=queries, qrels=qrels)
    retrievers = {id(each): each for each in (*before.values(), *after.values())}  # each once
    values = {key: _values(each, queries, qrels, held.measure) for key, each in retrievers.items()}
    return [
        test.measured(name, values[id(before[name])], values[id(after[name])]) for name in before
    ]
