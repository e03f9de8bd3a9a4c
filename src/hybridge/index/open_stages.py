"""The open stages of an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote

from numpy.typing import ArrayLike

from ..analyzer import Analyzer
from ..colbert.joint import JointEncoder, joint_encoder
from ..errors import CorruptIndexError, EncoderMismatchError, InvalidInputError
from ..filters import Filter, TextPhrase, resolved
from ..filters.phrase import has_phrase
from ..passages import JSON, Passage
from ..query_syntax import filters_of, is_read_by
from ..search_text import TEXT_ALONE, SearchText
from ..stages.bm25 import BM25, OpenBM25
from ..stages.bm25_queries import OpenBM25Stage
from ..stages.dense import Dense
from ..stages.kinds import stage_class
from ..stages.late_interaction import LateInteraction, OpenLateInteraction
from ..stages.record import StageRecord
from ..stages.stage import OpenStage, Stage
from ..stages.vector import AbsentEncoder, EncoderStage, OpenVectorStage, VectorStage
from ..steps import Steps, Work
from ..vectors.options import VectorKind
from ..vectors.store import VectorStore
from .manifest import Manifest
from .manifest_check import damaged
from .storage import Storage

__all__ = [
    "IndexStageStorage",
    "OpenStages",
    "StagesChangedError",
    "record_of",
    "restored_stages",
]


class StagesChangedError(Exception):
    """A stage was added, replaced or removed before a search ran."""


class IndexStageStorage:
    """An index's storage, as one of its stages uses it: a `StageStorage`.

    Args:
        storage: of the index.
        name: of the stage.
        vector: the name of its vectors, where another stage has the same name: one of the two is to
            replace the other.
    """

    def __init__(self, storage: Storage, name: str, vector: str | None = None) -> None:
        self._storage = storage
        self.name = name
        self.vector = storage.manifest.stage(name, vector).vector

    @property
    def store(self) -> VectorStore:
        return self._storage.store

    @property
    def _record(self) -> StageRecord:
        return self._storage.manifest.stage(self.name, self.vector)

    @property
    def location(self) -> str:
        return self._storage.location

    @property
    def is_shared(self) -> bool:
        return self._storage.is_shared

    @property
    def generation(self) -> str:
        return self._storage.generation

    @property
    def file(self) -> Path | None:
        folder = self._storage.derived
        stem = "bm25" if self.vector == "bm25" else f"stage-{quote(self.vector, safe='')}"
        return None if folder is None else folder / f"{stem}.npz"

    @property
    def state(self) -> Mapping[str, Any]:
        return self._record.state

    def save_state(self, **state: JSON) -> None:
        self._storage.reload_manifest()  # on a server others may have saved theirs
        record = replace(self._record, state={**self._record.state, **state})
        self._storage.save_manifest(self._storage.manifest.with_stage(record))

    def reload_manifest(self) -> bool:
        return self._storage.reload_manifest()

    def mark_derived_stale(self) -> None:
        self._storage.mark_derived_stale()


K = TypeVar("K", bound=Stage)


class OpenStages:
    """The open stages of an index, by name, in order.

    Args:
        storage: of the index.
        definitions: of the stages, from its manifest.
        search_text: what stages search of a passage by default.

    Attributes:
        search_text: as above.
        definitions: by name.
        opened: the open stages, by name.
        finding: the stages that find candidates.
        late: the stages that score the candidates of the others.
        changing: held while a stage is added or removed.
        version: grows with each change of the stages.
        joint: from a dense stage to the late-interaction stage that one pass of its model encodes
            for too, and the encoder of both.
    """

    def __init__(
        self, storage: Storage, definitions: Sequence[Stage], search_text: SearchText
    ) -> None:
        self._storage = storage
        self.search_text = search_text
        self.changing = Lock()
        self.version = 0
        self.definitions = {stage.name: stage for stage in definitions}
        self.opened = {
            stage.name: stage.open(IndexStageStorage(storage, stage.name)) for stage in definitions
        }
        self._arrange()

    def over(self, storage: Storage, opened: Callable[[Stage, OpenStage], OpenStage]) -> OpenStages:
        """Return these stages over another storage, with their version.

        Args:
            storage: of a part of the passages.
            opened: returns a stage over that part.
        """
        other = copy(self)
        other._storage = storage
        other.opened = {
            name: opened(other.definitions[name], stage)
            for name, stage in other.opened.items()
            if name in other.definitions  # else it is being removed now
        }
        other._arrange()
        return other

    def _arrange(self) -> None:
        """Sort the stages by role, and pair those that one pass of one model encodes for."""
        self.finding = [self.opened[n] for n, stage in self.definitions.items() if stage.finds]
        self.late = [one for one in self.opened.values() if isinstance(one, OpenLateInteraction)]
        stages = self.definitions.values()
        dense_stages = [stage for stage in stages if isinstance(stage, Dense)]
        joint: dict[str, tuple[str, JointEncoder]] = {}
        for late in (stage for stage in stages if isinstance(stage, LateInteraction)):
            for dense in dense_stages:
                both = joint_encoder(dense.encoder, late.encoder)
                if both is not None and dense.name not in joint:
                    joint[dense.name] = late.name, both
                    break
        self.joint = joint

    def current(self, name: str) -> Stage:
        """Return the definition of a stage, with the synonyms that its searches use by now."""
        definition, opened = self.definitions[name], self.opened[name]
        if (
            isinstance(definition, BM25)
            and isinstance(opened, OpenBM25Stage)
            and opened.synonyms is not definition.synonyms
        ):
            return definition.with_synonyms(opened.synonyms)
        return definition

    def __iter__(self) -> Iterator[OpenStage]:
        return iter(self.opened.values())

    @property
    def with_vectors(self) -> list[VectorStage]:
        """The definitions of the stages whose vectors are encoded before a write."""
        return [stage for stage in self.definitions.values() if isinstance(stage, VectorStage)]

    def kind(self, name: str) -> VectorKind:
        """Return the kind of vectors that the store keeps for a stage, without loading a model."""
        manifest = self._storage.manifest
        return manifest.store.vectors[manifest.stage(name).vector]

    def changed(self, old: Passage | None, new: Passage) -> frozenset[str]:
        """Return the names of the stages that search another text of a passage than before.

        Args:
            old: the passage before; None if there was none.
            new: the passage now.
        """
        texts = {name: stage.search_text for name, stage in self.definitions.items()}
        names = {name for name, text in texts.items() if old is None or text(old) != text(new)}
        pending = self._storage.manifest.pending
        if pending is not None and (old is None or _searches_anew(pending, old, new)):
            names.add(pending.name)
        return frozenset(names)

    def first(self, kind: type[K]) -> K:
        """Return the first stage of a kind.

        Raises:
            InvalidInputError: there is none.
        """
        for stage in self.definitions.values():
            if isinstance(stage, kind):
                return stage
        raise InvalidInputError(
            f"this index has no {kind.__name__} stage; its stages are "
            f"{', '.join(map(repr, self.definitions))}: add one with add_stage"
        )

    def add(self, stage: Stage, opened: OpenStage) -> None:
        """Add a stage, or put it in the place of the one of its name."""
        self.definitions = {**self.definitions, stage.name: stage}
        self.opened = {**self.opened, stage.name: opened}
        self.version += 1
        self._arrange()

    def remove(self, name: str) -> None:
        """Remove a stage."""
        self.definitions = {key: each for key, each in self.definitions.items() if key != name}
        self.opened = {key: each for key, each in self.opened.items() if key != name}
        self.version += 1
        self._arrange()

    @property
    def ask_store(self) -> bool:
        """Whether a search does no work in this process but to fuse: the store does the rest."""
        return all(stage.asks_store for stage in self)

    @property
    def condition_reader(self) -> tuple[Analyzer, SearchText]:
        """The analyzer of a query's conditions, and the text of a passage that they are on.

        They are those of the first BM25 stage; without one, words have no language.
        """
        for stage in self.definitions.values():
            if isinstance(stage, BM25):
                return stage.analyzer, stage.search_text
        return Analyzer(None), self.search_text

    def filters(self, queries: Sequence[str], where: Filter | None) -> list[Filter | None]:
        """Return the filter of each query: the conditions of its operators, and `where`."""
        analyzer, search_text = self.condition_reader
        return filters_of(queries, analyzer, where, search_text)

    def resolved(self, where: Filter) -> Filter:
        """Return the same filter for the stages, with phrases looked up among BM25's terms.

        A phrase of an analyzer that no BM25 stage has stays as it is: the store reads texts.
        """
        return resolved(where, self._look_up)

    def resolving(self, where: Filter) -> Steps[Filter]:
        """Return what `resolved` returns, for a search in steps."""
        if not self._storage.store.is_remote:
            return self.resolved(where)
        found: Filter = yield Work(partial(self.resolved, where), lambda: not has_phrase(where))
        return found

    def _look_up(self, phrase: TextPhrase) -> Filter:
        for stage in self.finding:
            if isinstance(stage, OpenBM25) and is_read_by(
                phrase, stage.analyzer, stage.search_text
            ):
                return stage.look_up(phrase)
        return phrase

    def encoded_vectors(self, vectors: Any, count: int) -> dict[str, Sequence[Any]]:
        """Return the caller's vectors of `count` queries, encoded for their stages.

        Args:
            vectors: those of the first dense stage, or a mapping, stage to vectors; None for none.
            count: the number of queries.

        Raises:
            InvalidInputError: a name of no such stage, or vectors that are not valid.
        """
        named = self.by_name(vectors)
        found = {}
        for name, rows in named.items():
            stage = self.opened[name]
            assert isinstance(stage, OpenVectorStage)
            found[name] = stage.encoded(rows, count)
        return found

    def by_name(self, vectors: ArrayLike | Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the caller's vectors by the name of their stage.

        Raises:
            InvalidInputError: a name of no stage that keeps vectors of an encoder.
        """
        if vectors is None:
            return {}
        if not isinstance(vectors, Mapping):
            return {self.first(Dense).name: vectors}
        names = [stage.name for stage in self.with_vectors]
        if unknown := vectors.keys() - set(names):
            raise InvalidInputError(
                f"vectors are for the stages {sorted(unknown)}, but those that have an encoder are "
                f"{names}"
            )
        return dict(vectors)


def _searches_anew(record: StageRecord, old: Passage, new: Passage) -> bool:
    """Return whether a half-added stage searches another text now, or may do so."""
    if SearchText.is_function(record.search_text):
        return True  # by a function that this process need not have
    text = SearchText.from_config(record.search_text)
    return text(old) != text(new)


def record_of(stage: Stage, vector: str | None = None) -> StageRecord:
    """Return the manifest's record of a new stage.

    Args:
        stage: the definition.
        vector: the name of its vectors in the store; None for the stage's name.
    """
    name = stage.name if vector is None else vector
    return StageRecord(
        stage.name,
        stage.kind,
        stage.identity,
        stage.to_config(),
        name,
        stage.state,
        stage.search_text.to_config(),
    )


def restored_stages(
    manifest: Manifest,
    overrides: Mapping[str, Any],
    location: str,
    search_text: SearchText = TEXT_ALONE,
    search_texts: Mapping[str, SearchText] = MappingProxyType({}),
    *,
    encodes: bool = True,
) -> list[Stage]:
    """Return the definitions of an index's stages.

    Args:
        manifest: of the index.
        overrides: the caller's objects by stage: a definition, or a part of it, as its encoder.
        location: of the index, for messages.
        search_text: what the index's stages search of a passage by default.
        search_texts: the caller's, by stage.
        encodes: False takes an `AbsentEncoder` for one that would have to be passed.

    Raises:
        CorruptIndexError: the manifest does not hold together.
        EncoderMismatchError: a stage was made with another encoder, or needs its encoder passed.
        InvalidInputError: a name of no stage, or an object that is no part of one.
    """
    names = [record.name for record in manifest.stages]
    if unknown := overrides.keys() - set(names):
        raise InvalidInputError(f"{location} has no stage {min(unknown)!r}: its stages are {names}")
    classes = {record.name: stage_class(record.kind) for record in manifest.stages}
    restored: dict[str, Stage] = {}
    # Stages that only score come last: they may share the encoder of one that finds candidates.
    for record in sorted(manifest.stages, key=lambda record: not classes[record.name].finds):
        before = list(restored.values())
        override = overrides.get(record.name)
        kind = classes[record.name]
        try:
            stage = _restored(kind, record, override, before, location)
        except EncoderMismatchError as error:
            if encodes or not issubclass(kind, EncoderStage):
                raise
            vectors = manifest.store.vectors[record.vector]
            absent = AbsentEncoder(record.identity, vectors, error)
            stage = _restored(kind, record, absent, before, location)
        if stage.identity != record.identity:
            raise EncoderMismatchError(
                f"{location} was made with the encoder {record.identity!r}, not "
                f"{stage.identity!r}: open it with that one, or make a new index with this one"
            )
        own = search_texts.get(record.name)
        if own is None and search_text.to_config() == record.search_text:
            own = search_text
        own = SearchText.from_config(record.search_text, own)
        restored[record.name] = stage.with_search_text(own)
    return [restored[name] for name in names]


def _restored(
    stage: type[Stage], record: StageRecord, override: Any, before: list[Stage], location: str
) -> Stage:
    """Return a stage's definition, from what its own class wrote into the manifest."""
    try:
        return stage.restored(record, override, before)
    except (KeyError, TypeError, ValueError, AttributeError, CorruptIndexError) as error:
        if override is not None and isinstance(error, InvalidInputError):
            raise  # about the caller's object
        found = f"no {error}" if isinstance(error, KeyError) else error
        raise damaged(
            f"the manifest of {location}", f"the stage {record.name!r}: {found}"
        ) from error
