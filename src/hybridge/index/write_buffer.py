"""The buffer of one `add`, which holds its passages until all of them are validated.

An `add` may get more than fits in memory, and must write nothing if its last passage is invalid. So
all passages are checked and encoded first, and wait in a temporary file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Any

import numpy as np

from ..arguments import check_passages
from ..colbert.joint import JointEncoder
from ..errors import InvalidInputError
from ..iteration import chunked, progress_over
from ..passages import Passage, unique_passages
from ..stages.vector import VectorStage, check_rows
from ..vectors.options import DenseVectors, SparseVectors, VectorKind
from ..vectors.store import Rows, passage_of, payload_of
from .truncation import TruncationCount

__all__ = ["Batch", "VectorSource", "WriteBuffer", "fill_buffer"]

# Passages encoded in one go: enough for batches of even length, few enough that a bar moves.
_CHUNK = 256
# Numbers written in one go: few enough that a search waits little and a server takes the request.
_NUMBERS = 1_000_000
_IN_MEMORY = 64 * 2**20


@dataclass(frozen=True)
class Batch:
    """A batch of buffered passages.

    Args:
        passages: the passages.
        rows: one row a passage for each kind of vectors, by name; None if the stored vectors stay,
            because only the metadata changed.
    """

    passages: list[Passage]
    rows: Mapping[str, Rows] | None


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
        """Add a batch of passages with all of their vectors."""
        payloads = [payload_of(passage) for passage in batch.passages]
        line = json.dumps([payloads, batch.rows is not None])
        self._passages.write(line.encode() + b"\n")
        if batch.rows is not None:
            for name, kind in self._kinds.items():
                for array in _packed(kind, batch.rows[name]):
                    np.save(self._vectors, array, allow_pickle=False)
        self._count += len(batch.passages)

    def __iter__(self) -> Iterator[Batch]:
        self._passages.seek(0)
        self._vectors.seek(0)
        for line in self._passages:
            payloads, has_rows = json.loads(line)
            rows = None
            if has_rows:
                rows = {name: _unpacked(kind, self._read) for name, kind in self._kinds.items()}
            yield Batch([passage_of(payload) for payload in payloads], rows)

    def _read(self) -> Any:
        return np.load(self._vectors, allow_pickle=False)


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
            texts = [passage.text for passage in chunk]
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
    stored: Callable[[Sequence[Passage]], Mapping[str, Passage]] | None = None,
) -> WriteBuffer:
    """Return a buffer of all the passages, checked, with their vectors.

    A passage that is stored with the same text is not encoded: it is buffered without vectors, or
    not at all if its metadata are the same too.

    Args:
        passages: any iterable, however long.
        sources: their vectors.
        progress: show a bar; None shows it on a terminal.
        joint: encoders of two kinds of vectors in one pass: the name of the first, to the name of
            the second and the encoder.
        batch_size: texts encoded in one call at most; None for the default.
        stored: looks up the stored passages of the same ids; None to write all passages.

    Raises:
        InvalidInputError: a passage or a vector is not valid; the message says which.
    """
    buffer = WriteBuffer({source.name: source.kind for source in sources})
    try:
        size = _CHUNK if batch_size is None else min(batch_size, _CHUNK)
        checked = _counted(passages, progress)
        incoming = checked if stored is None else _to_encode(checked, stored, buffer)
        for chunk in chunked(incoming, size):
            for part in _parts(chunk, _encoded(chunk, len(buffer), sources, joint)):
                buffer.append(part)
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
    texts = [passage.text for passage in chunk]
    by_name = {source.name: source for source in sources}
    rows: dict[str, Rows] = {}
    seconds = set()
    for source in sources:
        second, encoder = joint.get(source.name, ("", None))
        other = by_name.get(second)
        if (
            encoder is None
            or other is None
            or not (source.vectors is None and other.vectors is None)
        ):
            continue
        made = encoder.encode_passages(texts)
        for each, some in zip((source, other), made, strict=True):
            rows[each.name] = each.check(some, len(chunk))
        seconds.add(second)
    for source in sources:
        if source.name not in rows:
            rows[source.name] = source.rows(chunk, start)
        # Afterwards, when the models are loaded. Two in one pass truncate alike.
        if source.vectors is None and source.name not in seconds:
            source.truncation.add(texts)
    return rows


def _to_encode(
    passages: Iterable[Passage],
    stored: Callable[[Sequence[Passage]], Mapping[str, Passage]],
    buffer: WriteBuffer,
) -> Iterator[Passage]:
    """Yield the passages with a new text, and buffer those with new metadata only."""
    for chunk in chunked(passages, _CHUNK):
        found = stored(chunk)
        same_text = [p for p in chunk if p.id in found and found[p.id].text == p.text]
        changed = [p for p in same_text if _spelled(found[p.id]) != _spelled(p)]
        buffer.unchanged += len(same_text) - len(changed)
        if changed:
            buffer.append(Batch(changed, None))
        texts = {passage.id for passage in same_text}
        yield from (passage for passage in chunk if passage.id not in texts)


def _spelled(passage: Passage) -> str:
    return json.dumps(
        dict(passage.metadata)
    )  # as text, because 1, 1.0 and True are equal in Python


def _parts(chunk: list[Passage], rows: Mapping[str, Rows]) -> Iterator[Batch]:
    """Yield the chunk in parts of a limited size: token vectors are many."""
    start = numbers = 0
    for end in range(1, len(chunk) + 1):
        numbers += sum(np.size(each[end - 1]) for each in rows.values())
        if end == len(chunk) or numbers >= _NUMBERS:
            part = slice(start, end)
            yield Batch(chunk[part], {name: each[part] for name, each in rows.items()})
            start, numbers = end, 0


def _counted(passages: Iterable[Passage], progress: bool | None) -> Iterator[Passage]:
    return unique_passages(progress_over(check_passages(passages), "Adding", "passage", progress))
