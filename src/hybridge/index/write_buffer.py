"""The buffer of one `add`, which holds its passages until all of them are validated.

An `add` may get more than fits in memory, and must write nothing if its last passage is invalid. So
all passages are checked and encoded first, and wait in a temporary file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence, Set, Sized
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np

from ..arguments import check_passages
from ..colbert.joint import JointEncoder
from ..errors import InvalidInputError
from ..iteration import chunked, progress_over
from ..passages import Passage, unique_passages
from ..stages.vector import VectorStage, check_rows
from ..vectors.options import DenseVectors, SparseVectors, VectorKind
from ..vectors.store import Rows, payload_of, stored_passages
from .truncation import TruncationCount

__all__ = ["BATCH", "Batch", "Compare", "VectorSource", "WriteBuffer", "fill_buffer", "joined"]

BATCH = 256
"""Passages encoded in one go: enough for batches of even length, few enough that a bar moves."""

# Numbers written in one go: few enough that a search waits little and a server takes the request.
_NUMBERS = 1_000_000
_IN_MEMORY = 64 * 2**20

Compare: TypeAlias = Callable[[Sequence[Passage]], Sequence[frozenset[str] | None]]
"""For each passage, the stages that search another text of it than of the stored one; None where
it is stored as it is."""


@dataclass(frozen=True)
class Batch:
    """A batch of buffered passages.

    Args:
        passages: the passages.
        rows: one row a passage for each kind of vectors, by name.
        replaces: whether the passages replace the stored ones whole; if not, stored vectors of
            other names stay, because what is searched for them did not change.
    """

    passages: list[Passage]
    rows: Mapping[str, Rows]
    replaces: bool = True


class WriteBuffer:
    """A buffer of checked passages and their vectors, in memory while small, else on disk.

    Args:
        kinds: of the vectors of a passage, by name.

    Attributes:
        unchanged: the number of passages that are stored already, and not buffered.

    >>> import numpy as np
    >>> with WriteBuffer({"dense": DenseVectors(2)}) as buffer:
    ...     buffer.append(Batch([Passage("a", "x")], {"dense": np.ones((1, 2), np.float32)}))
    ...     [(batch.passages[0].id, batch.rows["dense"].tolist()) for batch in buffer]
    [('a', [[1.0, 1.0]])]
    """

    def __init__(self, kinds: Mapping[str, VectorKind]) -> None:
        self._kinds = dict(kinds)
        self._passages = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._vectors = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._count = 0
        self.unchanged = 0

    def __enter__(self) -> WriteBuffer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete the buffered passages."""
        self._passages.close()
        self._vectors.close()

    def __len__(self) -> int:
        return self._count

    def append(self, batch: Batch) -> None:
        """Add a batch of passages with their vectors."""
        payloads = [payload_of(passage) for passage in batch.passages]
        line = json.dumps([payloads, list(batch.rows), batch.replaces])
        self._passages.write(line.encode() + b"\n")
        for name, rows in batch.rows.items():
            for array in _packed(self._kinds[name], rows):
                np.save(self._vectors, array, allow_pickle=False)
        self._count += len(batch.passages)

    def __iter__(self) -> Iterator[Batch]:
        self._passages.seek(0)
        self._vectors.seek(0)
        for line in self._passages:
            payloads, names, replaces = json.loads(line)
            rows = {name: _unpacked(self._kinds[name], self._read) for name in names}
            yield Batch(stored_passages(payloads), rows, replaces)

    def _read(self) -> Any:
        return np.load(self._vectors, allow_pickle=False)


def joined(batches: Iterable[Batch], size: int) -> Iterator[Batch]:
    """Yield batches of at least `size` passages, made of whole ones that follow each other.

    Only those that replace passages whole, with vectors of the same names, are joined.

    >>> batches = [Batch([Passage(id_, "x")], {"dense": np.ones((1, 2))}) for id_ in "abc"]
    >>> [len(batch.passages) for batch in joined(batches, 2)]
    [2, 1]
    """
    held: list[Batch] = []
    for batch in batches:
        is_like = not held or (batch.replaces and held[0].rows.keys() == batch.rows.keys())
        if held and (not is_like or sum(len(each.passages) for each in held) >= size):
            yield _joined(held)
            held = []
        held.append(batch)
        if not batch.replaces:
            yield held.pop()
    if held:
        yield _joined(held)


def _joined(batches: Sequence[Batch]) -> Batch:
    passages = [passage for batch in batches for passage in batch.passages]
    rows = {name: _chained([each.rows[name] for each in batches]) for name in batches[0].rows}
    return Batch(passages, rows)


def _chained(parts: Sequence[Rows]) -> Rows:
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    return [row for part in parts for row in part]


def _packed(kind: VectorKind, rows: Any) -> list[Any]:
    """Return rows as arrays to write one after another."""
    if isinstance(kind, DenseVectors):
        return [rows]
    lengths = np.array([len(row[0] if isinstance(row, tuple) else row) for row in rows])
    if isinstance(kind, SparseVectors):
        numbers = np.concatenate([np.array(row[0], np.uint32) for row in rows])
        weights = np.concatenate([np.array(row[1], np.float64) for row in rows])
        return [lengths, numbers, weights]
    return [lengths, np.concatenate(list(rows))]


def _unpacked(kind: VectorKind, read: Callable[[], Any]) -> Rows:
    if isinstance(kind, DenseVectors):
        rows: Rows = read()
        return rows
    ends = read().cumsum()[:-1]
    parts = np.split(read(), ends)
    if isinstance(kind, SparseVectors):
        weights = np.split(read(), ends)
        return [
            (numbers.tolist(), some.tolist()) for numbers, some in zip(parts, weights, strict=True)
        ]
    return parts


@dataclass(frozen=True)
class VectorSource:
    """The vectors of one stage for the passages of an `add`: the caller's, or encoded here.

    Args:
        name: of the vectors in the store.
        stage: the definition.
        kind: of the vectors, from the manifest: the stage may have to load its model for it.
        vectors: the caller's, one row a passage; None to encode.
        truncation: counts the passages that the encoder truncates.

    Raises:
        InvalidInputError: a vector is not valid.
    """

    name: str
    stage: VectorStage
    kind: VectorKind
    vectors: Any = None
    truncation: TruncationCount = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "truncation", TruncationCount.of(self.stage))
        if self.vectors is not None:
            count = len(self.vectors) if isinstance(self.vectors, Sized) else 0
            object.__setattr__(self, "vectors", self.check(self.vectors, count))

    def check(self, rows: Any, count: int) -> Rows:
        """Return rows as the store takes them."""
        return check_rows(self.kind, rows, count)

    def rows(self, chunk: Sequence[Passage], start: int) -> Rows:
        """Return the rows of a chunk of the passages that begins at number `start`.

        Raises:
            InvalidInputError: fewer rows than passages.
        """
        if self.vectors is None:
            texts = self.stage.search_text.texts(chunk)
            return self.check(self.stage.encode_passages(texts), len(chunk))
        rows: Rows = self.vectors[start : start + len(chunk)]
        if len(rows) < len(chunk):
            raise InvalidInputError(
                f"there are more passages than the {len(self.vectors)} vectors: "
                "give one row a passage"
            )
        return rows

    def check_end(self, count: int) -> None:
        """Raise `InvalidInputError` if there are vectors beyond the last of `count` passages."""
        if self.vectors is not None and len(self.vectors) > count:
            raise InvalidInputError(
                f"{len(self.vectors)} vectors for {count} passages: give one row a passage"
            )


def fill_buffer(
    passages: Iterable[Passage],
    sources: Sequence[VectorSource],
    progress: bool | None,
    joint: Mapping[str, tuple[str, JointEncoder]],
    batch_size: int | None = None,
    compare: Compare | None = None,
) -> WriteBuffer:
    """Return a buffer of all the passages, checked, with their vectors.

    A stored passage is encoded for those stages alone that search another text of it now. If it is
    the same altogether, it is not buffered.

    Args:
        passages: any iterable, however long.
        sources: their vectors.
        progress: show a bar; None shows it on a terminal.
        joint: encoders of two kinds of vectors in one pass: the name of the first, to the name of
            the second and the encoder.
        batch_size: texts encoded in one call at most; None for the default.
        compare: compares passages with the stored ones; None to write all passages.

    Raises:
        InvalidInputError: a passage or a vector is not valid; the message says which.
    """
    buffer = WriteBuffer({source.name: source.kind for source in sources})
    try:
        size = BATCH if batch_size is None else min(batch_size, BATCH)
        new = _counted(passages, progress)

        def encode(chunk: list[Passage], names: Container[str] | None = None) -> None:
            own = [source for source in sources if names is None or source.name in names]
            rows = _encoded(chunk, len(buffer), own, joint)
            for part in _parts(chunk, rows, replaces=names is None):
                buffer.append(part)

        if compare is not None:
            every = {source.name for source in sources}
            new = _to_encode(new, compare, buffer, encode, every, size)
        for chunk in chunked(new, size):
            encode(chunk)
        for source in sources:
            source.check_end(len(buffer))
    except BaseException:
        buffer.close()
        raise
    return buffer


def _encoded(
    chunk: list[Passage],
    start: int,
    sources: Sequence[VectorSource],
    joint: Mapping[str, tuple[str, JointEncoder]],
) -> dict[str, Rows]:
    """Encode the rows of each source, in one pass where one model makes two."""
    by_name = {source.name: source for source in sources}
    rows: dict[str, Rows] = {}
    seconds = set()
    for source in sources:
        second, encoder = joint.get(source.name, ("", None))
        other = by_name.get(second)
        if (
            encoder is None
            or other is None
            or source.stage.search_text != other.stage.search_text
            or not (source.vectors is None and other.vectors is None)
        ):
            continue
        made = encoder.encode_passages(source.stage.search_text.texts(chunk))
        for each, some in zip((source, other), made, strict=True):
            rows[each.name] = each.check(some, len(chunk))
        seconds.add(second)
    for source in sources:
        if source.name not in rows:
            rows[source.name] = source.rows(chunk, start)
        # Afterwards, when the models are loaded. Two in one pass truncate alike.
        if source.vectors is None and source.name not in seconds:
            source.truncation.add(source.stage.search_text.texts(chunk))
    return rows


def _to_encode(
    passages: Iterable[Passage],
    compare: Compare,
    buffer: WriteBuffer,
    encode: Callable[[list[Passage], Container[str]], None],
    encoded: Set[str],
    size: int,
) -> Iterator[Passage]:
    """Yield the passages to encode for all of these stages, and encode the others for some."""
    for chunk in chunked(passages, BATCH):
        changed: dict[frozenset[str], list[Passage]] = {}
        for passage, names in zip(chunk, compare(chunk), strict=True):
            if names is None:
                buffer.unchanged += 1
            elif names and encoded <= names:
                yield passage
            else:
                changed.setdefault(names, []).append(passage)
        for names, some in changed.items():
            for part in chunked(some, size):
                encode(part, names)


def _parts(chunk: list[Passage], rows: Mapping[str, Rows], *, replaces: bool) -> Iterator[Batch]:
    """Yield the chunk in parts of a limited size: token vectors are many."""
    start = numbers = 0
    for end in range(1, len(chunk) + 1):
        numbers += sum(np.size(each[end - 1]) for each in rows.values())
        if end == len(chunk) or numbers >= _NUMBERS:
            part = slice(start, end)
            yield Batch(chunk[part], {name: each[part] for name, each in rows.items()}, replaces)
            start, numbers = end, 0


def _counted(passages: Iterable[Passage], progress: bool | None) -> Iterator[Passage]:
    return unique_passages(progress_over(check_passages(passages), "Adding", "passage", progress))
