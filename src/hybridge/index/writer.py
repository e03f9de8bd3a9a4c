"""The writer of an index: each write of passages or metadata is whole or not at all."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from numpy.typing import ArrayLike

from ..arguments import check_count, check_ids
from ..errors import InvalidInputError
from ..filters import as_filter
from ..passages import Passage, unique_passages
from ..protocols import Where
from ..stages.vector import VectorStage, check_rows
from ..vectors.options import VectorKind
from ..vectors.store import Rows
from .lock import IndexLock
from .open_stages import OpenStages
from .storage import Storage
from .write_buffer import Batch, VectorSource, fill_buffer

__all__ = ["IndexWriter", "encode_now"]


class IndexWriter:
    """The writer of an index: it writes to the store, and updates the stages.

    Args:
        storage: of the index.
        lock: of the index.
        stages: of the index.
    """

    def __init__(self, storage: Storage, lock: IndexLock, stages: OpenStages) -> None:
        self._storage = storage
        self._lock = lock
        self._stages = stages
        self._warned: frozenset[str] = frozenset()

    def validate(self, passages: Iterable[Passage]) -> Iterable[Passage]:
        """Check that passages may be written, and each passage; see `Storage.validate`."""
        self._lock.check()
        return self._storage.validate(passages)

    def add(
        self,
        passages: Iterable[Passage],
        vectors: ArrayLike | Mapping[str, Any] | None,
        token_vectors: Sequence[ArrayLike] | None,
        batch_size: int | None,
        progress: bool | None,
    ) -> int:
        validated = self.validate(passages)
        by_name = self._stages.by_name(vectors)
        if token_vectors is not None:
            late = self._stages.late
            if not late:
                raise InvalidInputError(
                    "this index keeps no token_vectors: create it with late_interaction=True"
                )
            by_name[late[0].name] = token_vectors
        sources = [
            VectorSource(stage.name, stage, self._stages.kind(stage.name), by_name.get(stage.name))
            for stage in self._stages.with_vectors
        ]
        size = None if batch_size is None else check_count(batch_size, "batch_size")
        stored = None if by_name else self._stored
        joint = self._stages.joint
        with fill_buffer(validated, sources, progress, joint, size, stored) as buffer:
            if len(buffer):
                with self._turn():
                    for stage in self._stages:
                        incoming = (passage for batch in buffer for passage in batch.passages)
                        self.in_steps(stage.learn(incoming, len(buffer)))
                    # One that was removed, or removed and added anew, has other rows now.
                    own = self._stages.definitions
                    valid = {each.name for each in sources if own.get(each.name) is each.stage}
                    for batch in buffer:
                        self._write(batch, valid)
                    self._refresh()
            for source in sources:
                self._warned |= source.truncation.warn(self._warned)
            return len(buffer) + buffer.unchanged

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Keep other writers out, and notice if another client changed the stages."""
        with self._lock.turn():
            self._storage.reload_manifest()
            yield

    def _refresh(self, *, exactly: bool = False) -> None:
        for stage in self._stages:
            self.in_steps(stage.refresh(exactly=exactly))
        self._storage.store.flush()

    def _stored(self, passages: Sequence[Passage]) -> dict[str, Passage]:
        """Return the stored passages of the same ids, by id."""
        store = self._storage.store
        with self._lock.reading():
            found = store.get([store.point(passage.id) for passage in passages])
        return {passage.id: passage for passage in found.values()}

    def _write(self, batch: Batch, valid: Container[str] = ()) -> None:
        """Write a batch, whose rows hold for the stages of these names."""
        if batch.rows is None:
            self._keep_vectors(batch.passages)
            return
        prepared = {stage.name: stage.prepare(batch.passages) for stage in self._stages}
        rows = self._rows(batch, valid)
        rows |= {name: each.rows for name, each in prepared.items() if each.rows is not None}
        vectors = {self._storage.manifest.stage(name).vector: some for name, some in rows.items()}
        with self.changing():
            self._storage.store.upsert(batch.passages, vectors)
            for stage in self._stages:
                stage.upsert(batch.passages, prepared[stage.name])

    def _rows(self, batch: Batch, valid: Container[str]) -> dict[str, Rows]:
        """Return the batch's rows for each stage; encoded now for a stage added meanwhile."""
        assert batch.rows is not None
        return {
            stage.name: batch.rows[stage.name]
            if stage.name in valid
            else encode_now(stage, self._stages.kind(stage.name), batch.passages)
            for stage in self._stages.with_vectors
        }

    def _keep_vectors(self, passages: Sequence[Passage]) -> None:
        """Write passages of which only the metadata are new."""
        found = self._stored(passages)
        texts = {id_: passage.text for id_, passage in found.items()}
        same_text = [passage for passage in passages if texts.get(passage.id) == passage.text]
        with self.changing():
            self._storage.store.replace_payloads(same_text)
            for stage in self._stages:
                stage.update_metadata()
        # Deleted or changed since the check that their vectors are stored.
        if changed := [passage for passage in passages if texts.get(passage.id) != passage.text]:
            self._write(Batch(changed, {}))

    def update_metadata(
        self,
        ids: Iterable[str],
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        replace: bool,
    ) -> int:
        self.validate(())
        names = check_ids(ids)
        mappings = [metadata] * len(names) if isinstance(metadata, Mapping) else list(metadata)
        if len(mappings) != len(names):
            raise InvalidInputError(
                f"{len(mappings)} mappings of metadata for {len(names)} ids: give one for all, or "
                "one an id"
            )
        store = self._storage.store
        with self._turn(), self.changing():
            found = store.get([store.point(name) for name in names])
            stored = {passage.id: passage for passage in found.values()}
            if missing := [name for name in names if name not in stored]:
                raise InvalidInputError(
                    f"there is no passage {missing[0]!r} in this index: add it first"
                )
            changed = list(
                unique_passages(
                    Passage(
                        name,
                        stored[name].text,
                        new if replace else {**stored[name].metadata, **new},
                    )
                    for name, new in zip(names, mappings, strict=True)
                )
            )
            store.replace_payloads(changed)
            for stage in self._stages:
                stage.update_metadata()
            store.flush()
        return len(changed)

    def delete(self, ids: Iterable[str] | None, where: Where | None) -> int:
        if (ids is None) == (where is None):
            raise InvalidInputError("delete needs either ids or where, to say what to delete")
        self.validate(())
        store, chosen = self._storage.store, as_filter(where)
        named = [store.point(id_) for id_ in check_ids(() if ids is None else ids)]
        with self._turn():
            with self.changing():
                if chosen is not None:
                    store.prepare(chosen)
                    self._lock.fields.look(chosen, store.some)
                    points = store.matching(chosen)
                else:
                    points = list(store.existing(named))
                if points:
                    for stage in self._stages:
                        stage.delete(points)
                    store.delete(points)
            if points:
                self._refresh()
        return len(points)

    def optimize(self) -> None:
        if self._storage.is_shared:  # another program's collection stays as it is
            return
        self.validate(())
        with self._turn():
            self._refresh(exactly=True)
            with self.changing():
                self._storage.store.optimize()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Exclude all other threads for a write; if it fails half-way, discard derived data."""
        with self._lock.writing():
            self._storage.mark_derived_stale()
            try:
                yield
            except BaseException:
                for stage in self._stages:
                    stage.invalidate()
                raise

    def in_steps(self, steps: Iterator[None]) -> None:
        """Run a long write step by step, with searches in between."""
        end = object()
        step: object = None
        while step is not end:
            with self.changing():
                step = next(steps, end)


def encode_now(stage: VectorStage, kind: VectorKind, passages: Sequence[Passage]) -> Rows:
    """Encode the rows of passages while other writes wait."""
    texts = [passage.text for passage in passages]
    return check_rows(kind, stage.encode_passages(texts), len(texts))
