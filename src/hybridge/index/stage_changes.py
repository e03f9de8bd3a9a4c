"""Adding a stage to an index that holds passages, replacing one, and removing one.

A new stage is pending in the manifest, with its vectors in the store, from the first step on.
Searches leave it out until the last step makes it one of the index's stages, in the place of
another or beside them. So an interrupted change leaves the index as it was, and the same call goes
on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import replace
from itertools import chain, count
from typing import TypeVar

from ..arguments import check_share
from ..errors import InvalidInputError
from ..fusion import from_config as fusion_from_config
from ..iteration import progress_over
from ..lexical.synonyms import Synonyms, SynonymsLike
from ..passages import Passage
from ..stages.bm25 import BM25
from ..stages.bm25_queries import OpenBM25Stage
from ..stages.record import StageRecord
from ..stages.stage import OpenStage, Stage
from ..stages.vector import EncoderStage, VectorStage
from ..vectors.store import Rows
from .lock import IndexLock
from .manifest import Manifest
from .open_stages import IndexStageStorage, OpenStages, record_of
from .settings import check_stage_weights, searching
from .storage import Storage
from .writer import IndexWriter, encode_now

__all__ = ["add_stage", "remove_stage", "replace_stage", "set_synonyms"]

T = TypeVar("T")

_BATCH = 256  # passages encoded in one go


def add_stage(
    storage: Storage,
    lock: IndexLock,
    stages: OpenStages,
    writer: IndexWriter,
    stage: Stage,
    *,
    weight: float | Mapping[str, float] | None,
    progress: bool | None,
) -> None:
    """Add a stage to an index; arguments as for `HybridIndex.add_stage`, and its parts."""
    if weight is not None and not isinstance(weight, Mapping):
        weight = check_share(weight, "weight")
    _check_weight(storage, stage, weight)
    writer.validate(())

    def with_pending(manifest: Manifest, pending: StageRecord) -> Manifest:
        weights = manifest.weights
        if stage.finds:
            weights = _with_weight(weights, stage.name, weight)
        added = [*manifest.stages, pending]
        return replace(manifest, stages=added, weights=weights, pending=None)

    with stages.changing:
        with lock.turn():
            _check_own(storage)
            storage.reload_manifest()
            if stage.name in stages.definitions:
                raise InvalidInputError(
                    f"there is a stage {stage.name!r} already: give this one another name=, "
                    "replace that one with replace_stage, or remove it first"
                )
            others = [*stages.definitions.values(), stage]
            within = stage.within(others, served=storage.is_served)
            complete = searching(within, stages.search_text)
            _start(storage, writer, complete)
        _fill(storage, lock, stages, writer, complete, with_pending, progress)


def replace_stage(
    storage: Storage,
    lock: IndexLock,
    stages: OpenStages,
    writer: IndexWriter,
    name: str,
    stage: Stage,
    *,
    weights: Mapping[str, float] | None,
    progress: bool | None,
) -> None:
    """Replace a stage of an index; arguments as for `HybridIndex.replace_stage`, and its parts."""
    if not isinstance(stage, Stage):
        raise InvalidInputError(f"replace_stage takes a stage, such as Dense(...), not {stage!r}")
    writer.validate(())
    with stages.changing:
        with lock.turn():
            _check_own(storage)
            storage.reload_manifest()
            complete = _replacement(storage, stages, name, stage)
            shares = None if weights is None else _new_weights(storage.manifest, weights)
            old = next(each for each in storage.manifest.stages if each.name == name)
            definition = stages.definitions[name]
            if _drop_other(storage, writer, complete, old, definition):
                _redefine(storage, lock, stages, complete, old, shares)
                return
            _start(storage, writer, complete)

        def with_pending(manifest: Manifest, pending: StageRecord) -> Manifest:
            replaced = [pending if each.name == name else each for each in manifest.stages]
            changed = replace(manifest, stages=replaced, pending=None)
            if weights is not None:  # other clients may have changed the stages meanwhile
                changed = replace(changed, weights=_new_weights(manifest, weights))
            return changed.without_vectors({old.vector})

        file = IndexStageStorage(storage, name, old.vector).file
        _fill(storage, lock, stages, writer, complete, with_pending, progress)
        with lock.turn():
            _remove_vectors(storage, writer, old)
            if file is not None:
                file.unlink(missing_ok=True)


def remove_stage(
    storage: Storage, lock: IndexLock, stages: OpenStages, writer: IndexWriter, name: str
) -> None:
    """Remove a stage from an index; arguments as for `HybridIndex.remove_stage`, and its parts."""
    writer.validate(())
    with stages.changing, lock.turn():
        _check_own(storage)
        storage.reload_manifest()
        manifest = storage.manifest
        records = [record for record in manifest.records if record.name == name]
        if not records:
            raise InvalidInputError(
                f"there is no stage {name!r} in this index: its stages are "
                f"{[each.name for each in manifest.records]}"
            )
        weights = {other: weight for other, weight in manifest.weights.items() if other != name}
        if not weights:
            raise InvalidInputError(
                f"{name!r} is the only stage that finds candidates: add another one first"
            )
        if not any(weights.values()):
            weights = dict.fromkeys(weights, 1 / len(weights))
        pending = None if manifest.pending in records else manifest.pending
        if records == [manifest.pending]:
            changed = replace(manifest, pending=None)
        else:
            others = [each for each in manifest.stages if each.name != name]
            changed = replace(manifest, stages=others, weights=weights, pending=pending)
        files = [IndexStageStorage(storage, name, each.vector).file for each in records]
        with lock.writing():
            # First the manifest: on opening, the store drops the vectors that it does not name.
            storage.save_manifest(changed.without_vectors({each.vector for each in records}))
            stages.remove(name)
        for record in records:
            _remove_vectors(storage, writer, record)
        for file in files:
            if file is not None:
                file.unlink(missing_ok=True)


def set_synonyms(
    storage: Storage,
    lock: IndexLock,
    stages: OpenStages,
    writer: IndexWriter,
    name: str,
    synonyms: SynonymsLike,
) -> None:
    """Replace the synonyms of a BM25 stage, as `HybridIndex.set_synonyms` does."""
    found = Synonyms.of(synonyms)
    writer.validate(())
    with stages.changing, lock.turn():
        storage.reload_manifest()
        definition, opened = _named(stages.definitions, name), _named(stages.opened, name)
        if not isinstance(definition, BM25) or not isinstance(opened, OpenBM25Stage):
            names = [each.name for each in stages.definitions.values() if isinstance(each, BM25)]
            raise InvalidInputError(
                f"there is no BM25 stage {name!r} in this index: its BM25 stages are {names}"
            )
        with lock.writing():
            opened.set_synonyms(found)
            stages.add(definition.with_synonyms(found), opened)


def _named(stages: Mapping[str, T], name: object) -> T | None:
    """Return the stage of a caller's name; None if there is none, as for what is no string."""
    return stages.get(name) if isinstance(name, str) else None


def _replacement(storage: Storage, stages: OpenStages, name: str, stage: Stage) -> Stage:
    """Return the completed definition of the stage that is to replace the one of this name."""
    old = _named(stages.definitions, name)
    if old is None:
        raise InvalidInputError(
            f"there is no stage {name!r} in this index: its stages are {list(stages.definitions)}"
        )
    if stage.finds != old.finds:
        raise InvalidInputError(
            f"{name!r} and {stage!r} cannot replace each other, because one of them finds "
            "candidates and the other one scores them: add the one and remove the other"
        )
    new = stage.replacing(old)
    others = [new if each.name == name else each for each in stages.definitions.values()]
    return searching(new.within(others, served=storage.is_served), stages.search_text)


def _drop_other(
    storage: Storage,
    writer: IndexWriter,
    complete: Stage,
    old: StageRecord,
    definition: Stage,
) -> bool:
    """Drop what another replacement left; return whether the present stage's vectors can stay."""
    pending = storage.manifest.pending
    stays = isinstance(complete, VectorStage) and _has_vectors_of(complete, definition, old)
    if (
        pending is not None
        and pending.name == old.name
        and (stays or not _is_of(pending, complete))
    ):
        without = replace(storage.manifest, pending=None)
        storage.save_manifest(without.without_vectors({pending.vector}))
        _remove_vectors(storage, writer, pending)
    return stays


def _is_of(record: StageRecord, stage: Stage) -> bool:
    """Return whether a definition says what a record does."""
    same_synonyms = record.state.get("synonyms") == stage.state.get("synonyms")
    return same_synonyms and record_of(stage, record.vector) == replace(record, state=stage.state)


def _has_vectors_of(stage: Stage, old: Stage, record: StageRecord) -> bool:
    """Return whether a definition has the passages' vectors that another one has in the store."""
    if isinstance(stage, EncoderStage) and isinstance(old, EncoderStage) and _is_of(record, old):
        stage, record = stage.for_passages, record_of(old.for_passages, record.vector)
    return _is_of(record, stage)


def _redefine(
    storage: Storage,
    lock: IndexLock,
    stages: OpenStages,
    complete: Stage,
    old: StageRecord,
    weights: Mapping[str, float] | None,
) -> None:
    """Put a definition in the place of another one, over the same vectors, with new weights."""
    stays = _is_of(old, complete)
    if stays and weights is None:
        return
    changed = storage.manifest
    if weights is not None:
        changed = replace(changed, weights=weights)
    if not stays:
        changed = changed.with_stage(record_of(complete, old.vector))
    opened = complete.open(IndexStageStorage(storage, old.name, old.vector))
    with lock.writing():
        try:
            storage.save_manifest(changed)
        finally:  # an interruption may come when it is saved
            if storage.manifest is changed and not stays:
                stages.add(complete, opened)


def _start(storage: Storage, writer: IndexWriter, complete: Stage) -> None:
    """Make a completed stage the pending one in the manifest, and its vectors in the store."""
    manifest, store = storage.manifest, storage.store
    pending = manifest.pending
    if pending is None:
        taken = {*manifest.store.vectors, *(each.vector for each in manifest.stages)}
        record = record_of(complete, _free_name(complete.name, taken))
    elif _is_of(pending, complete):
        record = pending
    else:
        raise _interrupted(pending.name, replaces=pending.name in [s.name for s in manifest.stages])
    kind = complete.vectors
    if kind is None:
        storage.save_manifest(replace(manifest, pending=record))
    else:
        with writer.changing():
            has_vectors = store.has_vectors(record.vector)
            if pending is None:
                if has_vectors:  # of a stage whose removal was interrupted
                    store.remove_vectors(record.vector)
                vectors = {**manifest.store.vectors, record.vector: kind}
                options = replace(manifest.store, vectors=vectors)
                storage.save_manifest(replace(manifest, store=options, pending=record))
            if pending is None or not has_vectors:
                try:
                    store.add_vectors(record.vector, kind)
                except BaseException:
                    storage.save_manifest(manifest)
                    raise
    file = IndexStageStorage(storage, record.name, record.vector).file
    if file is not None:  # of a stage whose removal was interrupted
        file.unlink(missing_ok=True)


def _interrupted(name: str, *, replaces: bool) -> InvalidInputError:
    if replaces:
        return InvalidInputError(
            f"replacing the stage {name!r} was interrupted: replace it again, which goes on where "
            "that stopped, or by the definition that the index has, which gives up"
        )
    return InvalidInputError(
        f"adding the stage {name!r} was interrupted: add it again as it was, which goes on where "
        f"that stopped, or remove it with remove_stage({name!r})"
    )


def _free_name(name: str, vectors: Container[str]) -> str:
    """Return a name for a stage's vectors: its own, unless other vectors have it."""
    numbered = (f"{name}-{number}" for number in count(2))
    return next(each for each in chain([name], numbered) if each not in vectors)


def _remove_vectors(storage: Storage, writer: IndexWriter, record: StageRecord) -> None:
    """Remove the vectors of a stage that the manifest names no more, if it has any."""
    if record.vector in storage.store.options.vectors:
        with writer.changing():
            storage.store.remove_vectors(record.vector)
        storage.store.flush()


def _fill(
    storage: Storage,
    lock: IndexLock,
    stages: OpenStages,
    writer: IndexWriter,
    complete: Stage,
    with_pending: Callable[[Manifest, StageRecord], Manifest],
    progress: bool | None,
) -> None:
    """Fill the pending stage, and make it one of the index's stages.

    Args:
        storage: of the index, as are the others up to `writer`.
        complete: the definition of the pending stage.
        with_pending: returns the manifest that has the pending stage among the index's.
        progress: show a bar; None shows it on a terminal.
    """
    fill = _Filling(storage, lock, writer, complete)
    if isinstance(complete, VectorStage):  # encoding takes long: others may write meanwhile
        fill.each_in_turn(progress)
    with lock.turn():
        storage.reload_manifest()
        opened = fill.finish(progress)
        manifest = storage.manifest
        if manifest.pending is None or not _is_of(manifest.pending, complete):
            raise InvalidInputError(
                f"the stage {complete.name!r} was removed by another client: add it again"
            )
        storage.store.flush()
        changed = with_pending(manifest, manifest.pending)
        with lock.writing():
            try:
                storage.save_manifest(changed)
            finally:  # an interruption may come when it is saved
                if storage.manifest is changed:
                    stages.add(complete, opened)
        if storage.is_served:  # other clients may have written up to now without the stage
            fill.rest(opened)


class _Filling:
    """The vectors of a pending stage, for the passages that have none."""

    def __init__(
        self,
        storage: Storage,
        lock: IndexLock,
        writer: IndexWriter,
        stage: Stage,
    ) -> None:
        self._storage = storage
        self._lock = lock
        self._writer = writer
        self._stage = stage
        pending = storage.manifest.pending
        assert pending is not None
        self._stage_storage = IndexStageStorage(storage, stage.name, pending.vector)
        # What is searched of the points that never have a vector, for it has no tokens.
        self._blank: dict[int, str] = {}
        self._text = stage.search_text

    def each_in_turn(self, progress: bool | None) -> None:
        """Encode and write page by page, with other writes in between."""
        assert isinstance(self._stage, VectorStage)
        for page in self._pages(progress):
            rows = encode_now(self._stage, self._stage.vectors, page)
            with self._lock.turn():
                self._write(page, rows)

    def finish(self, progress: bool | None) -> OpenStage:
        """Fill the rest while other writes wait, and return the open stage."""
        stage, storage = self._stage, self._storage
        if isinstance(stage, VectorStage):
            for page in self._pages(progress=False):
                self._write(page, encode_now(stage, stage.vectors, page))
            return stage.open(self._stage_storage)
        opened = stage.open(self._stage_storage)
        everything = (passage for page in storage.store.pages() for passage in page)
        self._writer.in_steps(opened.learn(everything, storage.store.count()))
        if stage.vectors is not None:
            for page in self._pages(progress):
                self._write(page, opened.prepare(page).rows)
            self._writer.in_steps(opened.refresh(exactly=True))
        return opened

    def rest(self, opened: OpenStage) -> None:
        """Fill what other clients left without vectors up to the last step."""
        if self._stage.vectors is None:
            return
        for page in self._pages(progress=False):
            rows = (
                encode_now(self._stage, self._stage.vectors, page)
                if isinstance(self._stage, VectorStage)
                else opened.prepare(page).rows
            )
            self._write(page, rows)

    def _pages(self, progress: bool | None) -> Iterator[list[Passage]]:
        """Yield the passages that still have no vector, each once."""
        store, vector = self._storage.store, self._stage_storage.vector
        pages = store.lacking(vector)

        def passages() -> Iterator[Passage]:
            while True:
                with self._lock.reading():
                    page = next(pages, None)
                if page is None:
                    return
                yield from (p for p in page if self._blank.get(store.point(p.id)) != self._text(p))

        batch: list[Passage] = []
        name = self._stage.name
        for passage in progress_over(passages(), f"Filling {name}", "passage", progress):
            batch.append(passage)
            if len(batch) == _BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def _write(self, passages: list[Passage], rows: Rows | None) -> None:
        """Write the vectors of the passages of which the stage still searches the same."""
        assert rows is not None
        store = self._storage.store
        points = [store.point(passage.id) for passage in passages]
        with self._writer.changing():
            stored = store.get(points)
            unchanged = [
                i
                for i, (point, passage) in enumerate(zip(points, passages, strict=True))
                if point in stored and self._text(stored[point]) == self._text(passage)
            ]
            self._blank.update(
                (points[i], self._text(passages[i])) for i in unchanged if not len(rows[i])
            )
            store.set_vectors(
                self._stage_storage.vector,
                [points[i] for i in unchanged if len(rows[i])],
                [rows[i] for i in unchanged if len(rows[i])],
            )


def _check_own(storage: Storage) -> None:
    if storage.is_shared:
        raise InvalidInputError(
            f"the stages of {storage.location} cannot be changed, because others keep its vectors: "
            "make your own index with HybridIndex.create"
        )


def _check_weight(
    storage: Storage, stage: Stage, weight: float | Mapping[str, float] | None
) -> None:
    if not isinstance(stage, Stage):
        raise InvalidInputError(f"add_stage takes a stage, such as Dense(...), not {stage!r}")
    if weight is not None and not stage.finds:
        raise InvalidInputError(
            f"{stage.name!r} has a blend instead of a weight: it scores the candidates of other "
            "stages"
        )
    if weight is not None:
        _check_weighted(storage.manifest)
    if weight == 1:
        raise InvalidInputError("a weight of 1 leaves nothing to the other stages: give less")
    if isinstance(weight, Mapping):
        check_stage_weights(weight, [*storage.manifest.weights, stage.name])


def _check_weighted(manifest: Manifest) -> None:
    fusion = fusion_from_config(manifest.fusion)
    if not getattr(fusion, "weighted", True):
        raise InvalidInputError(f"the index's fusion {fusion.name!r} has no weights: give none")


def _new_weights(manifest: Manifest, weights: Mapping[str, float]) -> dict[str, float]:
    """Return new weights of all stages that find candidates."""
    _check_weighted(manifest)
    return check_stage_weights(weights, list(manifest.weights))


def _with_weight(
    weights: Mapping[str, float], name: str, weight: float | Mapping[str, float] | None
) -> dict[str, float]:
    """Add a weight, which is a share of the total; None stands for the others' mean."""
    if isinstance(weight, Mapping):
        return check_stage_weights(weight, [*weights, name])
    share = 1 / (len(weights) + 1) if weight is None else weight
    total = sum(weights.values())
    others = {other: each / total * (1 - share) for other, each in weights.items()}
    return {**others, name: share}
