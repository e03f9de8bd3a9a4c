"""The writer of an index: each write of passages or metadata is whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from ..arguments import check_count, check_ids
from ..errors import InvalidInputError, StoreError
from ..filters import as_filter
from ..iteration import chunked, progress_over
from ..passages import Passage, unique_passages
from ..protocols import Where
from ..stages.stage import Prepared
from ..stages.vector import VectorStage, check_rows
from ..vectors.options import VectorKind
from ..vectors.sending import InterruptedWriteError
from ..vectors.store import Rows
from .lock import IndexLock
from .open_stages import OpenStages
from .storage import Storage
from .write_buffer import BATCH, Batch, VectorSource, WriteBuffer, fill_buffer, joined

__all__ = ["IndexWriter", "encode_now"]

# Passages written in one go to a server: enough for several requests at a time, few enough that a
# search in this process waits little.
_SERVED = 1_024


class IndexWriter:
    """The writer of an index: it writes to the store, and updates the stages.

    Args:
        storage: of the index.
        lock: of the index.
        stages: of the index.

    Attributes:
        writes: a number that grows with each change.
    """

    def __init__(self, storage: Storage, lock: IndexLock, stages: OpenStages) -> None:
        self._storage = storage
        self._lock = lock
        self._stages = stages
        self._warned: frozenset[str] = frozenset()
        self.writes = 0

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
        compare = None if by_name else self._compare
        joint = self._stages.joint
        with fill_buffer(validated, sources, progress, joint, size, compare) as buffer:
            if len(buffer):
                with self._turn():
                    for stage in self._stages:
                        incoming = (passage for batch in buffer for passage in batch.passages)
                        self.in_steps(stage.learn(incoming, len(buffer)))
                    # One that was removed, or removed and added anew, has other rows now.
                    own = self._stages.definitions
                    valid = {each.name for each in sources if own.get(each.name) is each.stage}
                    self._write_all(buffer, valid, progress)
                    self._refresh()
            for source in sources:
                self._warned |= source.truncation.warn(self._warned)
            return len(buffer) + buffer.unchanged

    def _write_all(self, buffer: WriteBuffer, valid: Container[str], progress: bool | None) -> None:
        """Write a buffer; on a server, in batches that make several requests at a time."""
        if not self._storage.is_served:
            for batch in buffer:
                self._write(batch, valid)
            return
        written = 0
        try:
            for batch in progress_over(joined(buffer, _SERVED), "Writing", "batch", progress):
                self._write(batch, valid)
                written += len(batch.passages)
        except StoreError as error:
            written += error.written if isinstance(error, InterruptedWriteError) else 0
            raise InterruptedWriteError(
                f"{error}; {written:,} of {len(buffer):,} passages are written: add all of them "
                "again to complete it, for an id is never written twice",
                written=written,
                status=error.status,
                reason=error.reason,
            ) from error

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

    def _compare(self, passages: Sequence[Passage]) -> list[frozenset[str] | None]:
        """Return the stages that search another text of each passage; None for one as stored."""
        found = self._stored(passages)
        return [
            None
            if passage.id in found and _spelled(found[passage.id]) == _spelled(passage)
            else self._stages.changed(found.get(passage.id), passage)
            for passage in passages
        ]

    def _write(self, batch: Batch, valid: Container[str] = ()) -> None:
        """Write a batch, whose rows hold for the stages of these names."""
        if not batch.replaces:
            self._write_changes(batch, valid)
            return
        prepared = {stage.name: stage.prepare(batch.passages) for stage in self._stages}
        rows = self._rows(batch, valid)
        rows |= {name: each.rows for name, each in prepared.items() if each.rows is not None}
        vectors = {self._storage.manifest.stage(name).vector: some for name, some in rows.items()}
        with self.changing():
            self._storage.store.upsert(batch.passages, vectors)
            for stage in self._stages:
                stage.upsert(batch.passages, prepared[stage.name])

    def _rows(
        self, batch: Batch, valid: Container[str], names: Container[str] | None = None
    ) -> dict[str, Rows]:
        """Return the batch's rows for these stages, or all; encoded now where it has none."""
        return {
            stage.name: batch.rows[stage.name]
            if stage.name in valid and stage.name in batch.rows
            else encode_now(stage, self._stages.kind(stage.name), batch.passages)
            for stage in self._stages.with_vectors
            if names is None or stage.name in names
        }

    def _write_changes(self, batch: Batch, valid: Container[str]) -> None:
        """Write passages of which some stages search what they searched before."""
        found = self._stored(batch.passages)
        groups = self._by_change(batch.passages, found)
        for names, passages in groups.items():
            # Another thread may have changed some of them since they were compared and encoded.
            rows = batch.rows if len(groups) == 1 else {}
            if any(passage.id not in found for passage in passages):
                self._write(Batch(passages, rows), valid)
                continue
            change = self._change(names, Batch(passages, rows), valid)
            with self.changing():
                self._apply(change)

    def _by_change(
        self, passages: Iterable[Passage], stored: Mapping[str, Passage]
    ) -> dict[frozenset[str], list[Passage]]:
        """Group passages by the stages that search another text of them than of the stored ones."""
        groups: dict[frozenset[str], list[Passage]] = {}
        for passage in passages:
            names = self._stages.changed(stored.get(passage.id), passage)
            groups.setdefault(names, []).append(passage)
        return groups

    def _change(self, names: frozenset[str], batch: Batch, valid: Container[str] = ()) -> _Change:
        """Prepare a change of stored passages, of which these stages search another text."""
        rows = self._rows(batch, valid, names)
        prepared = {
            stage.name: stage.prepare(batch.passages)
            for stage in self._stages
            if stage.name in names
        }
        rows |= {name: each.rows for name, each in prepared.items() if each.rows is not None}
        return _Change(batch.passages, names, rows, prepared)

    def _apply(self, change: _Change) -> None:
        store, manifest = self._storage.store, self._storage.manifest
        points = [store.point(passage.id) for passage in change.passages]
        # The payloads last: what is cut off before them is seen as a change again.
        for name, rows in change.rows.items():
            store.set_vectors(manifest.stage(name).vector, points, rows)
        pending = manifest.pending
        if (
            pending is not None
            and pending.name in change.names
            and pending.vector in manifest.store.vectors
        ):
            store.drop_vectors(pending.vector, points)  # for its addition to make them anew
        store.replace_payloads(change.passages)
        for stage in self._stages:
            stage.update_metadata()
            if stage.name in change.prepared:
                stage.upsert(change.passages, change.prepared[stage.name])

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
        with self._turn():
            with self._lock.reading():
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
            groups = self._by_change(changed, stored)
            changes = [
                self._change(stages, Batch(batch, {}))
                for stages, passages in groups.items()
                for batch in chunked(passages, BATCH if stages else len(passages))
            ]
            with self.changing():
                for change in changes:
                    self._apply(change)
                store.flush()
            if any(groups):
                self._refresh()
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

    def optimize(self, deadline: float, progress: bool | None) -> None:
        if self._storage.is_shared:  # another program's collection stays as it is
            return
        self.validate(())
        with self._turn():
            self._refresh(exactly=True)
            with self.changing():
                self._storage.store.optimize()
        if self._storage.server is not None:
            self._storage.server.wait_until_green(deadline, progress)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Exclude all other threads for a write; if it fails half-way, discard derived data."""
        with self._lock.writing():
            self._storage.mark_derived_stale()
            self.writes += 1
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


@dataclass(frozen=True)
class _Change:
    """Stored passages that change, with the data of the stages that search another text of them.

    Args:
        passages: as they become.
        names: of these stages.
        rows: their vectors, by stage.
        prepared: their other data, by stage.
    """

    passages: list[Passage]
    names: frozenset[str]
    rows: Mapping[str, Rows]
    prepared: Mapping[str, Prepared]


def _spelled(passage: Passage) -> tuple[str, str]:
    # As text, because 1, 1.0 and True are equal in Python.
    return passage.text, json.dumps(dict(passage.metadata))


def encode_now(stage: VectorStage, kind: VectorKind, passages: Sequence[Passage]) -> Rows:
    """Encode the rows of passages while other writes wait."""
    texts = stage.search_text.texts(passages)
    return check_rows(kind, stage.encode_passages(texts), len(texts))
