"""The queries of a search of an index: read, corrected, and encoded for its stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from .encoders.caching import query_cache
from .query_syntax import parse
from .spelling import Corrected
from .steps import Hold, Holdable, Steps, Work

if TYPE_CHECKING:
    from .colbert.joint import JointEncoder
    from .stages.stage import OpenStage
    from .vectors.store import Ranking, VectorQuery

__all__ = ["Queries", "QueryBatch", "ReadBatch", "encoded", "read_queries"]


class QueryBatch:
    """Queries that are searched for together, by one filter.

    Args:
        rows: the encoded queries, by stage.
        count: their number.
    """

    def __init__(self, rows: Mapping[str, Sequence[Any]], count: int) -> None:
        self.rows = rows
        self.count = count

    def begin(self, stage: OpenStage) -> Any:
        """Return a stage's search for them."""
        return stage.begin(self.rows[stage.name])

    def corrected(self, stage: str) -> Sequence[str | None] | None:
        """Return each as a stage read it, None for one as it was asked.

        None for all if the stage read none: it got their vectors from the caller.
        """
        return None

    def words(self) -> Sequence[VectorQuery]:
        """Return searches that each find a point if a word is known to the store."""
        return ()

    def reread(self, words: Sequence[VectorQuery], found: Sequence[Ranking]) -> Steps[bool]:
        """Take over the answers to `words`; return whether the queries now read otherwise."""
        yield from ()
        return False


class Queries:
    """All queries of a search.

    Where a server counts the words, queries are first searched for as they are written, with the
    question for their words beside it: most words are known, and cost no request then.

    Args:
        texts: as they were asked.
        stages: that search for them.
        readers: returns all stages of the index, of which the first that has words corrects.
        lock: of the index.
        joint: see `encoded`.
        vectors: their vectors that the caller had, by stage.
        is_remote: whether the store is on a server, so that an event loop may await the encoders.
        spelling: whether words that no passage has are corrected.
        query_syntax: whether operators are read, and taken out of the text.
    """

    def __init__(
        self,
        texts: Sequence[str],
        stages: Sequence[OpenStage],
        readers: Callable[[], Iterable[OpenStage]],
        lock: Holdable,
        *,
        is_remote: bool,
        joint: Mapping[str, tuple[str, JointEncoder]] | None = None,
        vectors: Mapping[str, Sequence[Any]] | None = None,
        spelling: bool = True,
        query_syntax: bool = False,
    ) -> None:
        self.texts = texts
        self._stages = stages
        self._readers = readers
        self._lock = lock
        self._is_remote = is_remote
        self._joint = joint or {}
        self.vectors = vectors or {}
        self._spelling = spelling
        self._query_syntax = query_syntax
        self.counting: OpenStage | None = None  # the stage whose store counts the words
        self.read: dict[int, Corrected] = {}
        self.rows: dict[str, dict[int, Any]] = {stage.name: {} for stage in stages}

    def encode(self, positions: Sequence[int]) -> Steps[None]:
        """Read and encode the queries in some positions."""
        read = [Corrected(self.texts[i]) for i in positions]
        if self._spelling:
            with (yield Hold(self._lock)) if self._is_remote else self._lock.reading():
                for stage in self._readers():
                    if self._is_remote and stage.words_are_in_store:
                        self.counting = stage
                        break
                    if (speller := stage.speller) is not None:
                        read = [speller.correct(self.texts[i]) for i in positions]
                        break
        yield from self._encode(positions, read)

    def _encode(self, positions: Sequence[int], read: Sequence[Corrected]) -> Steps[None]:
        if self._query_syntax:
            read = _without_operators(read)
        texts = [query.read for query in read]
        known = {name: [rows[i] for i in positions] for name, rows in self.vectors.items()}
        if self._is_remote:
            encode = partial(encoded, self._stages, texts, known, self._joint)
            unknown = [stage for stage in self._stages if stage.name not in known]
            rows = yield Work(encode, lambda: all(one.encodes_quickly(texts) for one in unknown))
        else:
            rows = encoded(self._stages, texts, known, self._joint)
        self.read.update(zip(positions, read, strict=True))
        for stage, own in zip(self._stages, rows, strict=True):
            self.rows[stage.name].update(zip(positions, own, strict=True))

    def reread(self, positions: Sequence[int]) -> Steps[bool]:
        """Correct the queries in some positions; return whether that changed one of them."""
        read = yield Work(partial(self._corrected, positions))
        if not any(query.changes for query in read):
            return False
        yield from self._encode(positions, read)
        return True

    def _corrected(self, positions: Sequence[int]) -> list[Corrected]:
        speller = None if self.counting is None else self.counting.speller
        return [] if speller is None else [speller.correct(self.texts[i]) for i in positions]


class ReadBatch(QueryBatch):
    """Some of a search's queries.

    Args:
        queries: all of them, encoded.
        positions: of these.
    """

    def __init__(self, queries: Queries, positions: Sequence[int]) -> None:
        self._queries = queries
        self._positions = positions
        self.count = len(positions)

    def begin(self, stage: OpenStage) -> Any:
        rows = self._queries.rows[stage.name]
        return stage.begin([rows[i] for i in self._positions])

    def corrected(self, stage: str) -> Sequence[str | None] | None:
        if stage in self._queries.vectors:
            return None
        read = (self._queries.read[i] for i in self._positions)
        return [query.corrected if query.changes else None for query in read]

    def words(self) -> Sequence[VectorQuery]:
        counting = self._queries.counting
        if counting is None:
            return ()
        return counting.uncounted(self._queries.texts[i] for i in self._positions)

    def reread(self, words: Sequence[VectorQuery], found: Sequence[Ranking]) -> Steps[bool]:
        assert self._queries.counting is not None
        self._queries.counting.count(words, found)
        return False if all(found) else (yield from self._queries.reread(self._positions))


def read_queries(
    queries: Sequence[str],
    stages: Iterable[OpenStage],
    reading: Callable[[], AbstractContextManager[None]],
    *,
    spelling: bool,
    query_syntax: bool = False,
) -> list[Corrected]:
    """Return each query as all stages read it.

    Its spelling is corrected first, which leaves phrases and words with a sign as they are.

    Args:
        queries: as they were asked.
        stages: of the index; the first one that has words corrects.
        reading: returns a context in which the index does not change.
        spelling: whether words that no passage has are corrected.
        query_syntax: whether operators are read, and taken out of the text.
    """
    read = list(map(Corrected, queries))
    if spelling and queries:
        with reading():
            spellers = (stage.speller for stage in stages)
            speller = next((found for found in spellers if found is not None), None)
            if speller is not None:
                read = list(map(speller.correct, queries))
    return _without_operators(read) if query_syntax else read


def _without_operators(read: Sequence[Corrected]) -> list[Corrected]:
    return [replace(each, plain=parse(each.text).text) for each in read]


def encoded(
    stages: Sequence[OpenStage],
    queries: list[str],
    known: Mapping[str, Sequence[Any]],
    joint: Mapping[str, tuple[str, JointEncoder]],
) -> list[Sequence[Any]]:
    """Encode the queries for each stage, in one pass where two stages share a model.

    Args:
        stages: stages of the index, or BM25 with other parameters.
        queries: none of them blank.
        known: the encoded queries of some stages, by name.
        joint: the encoders of two stages: the name of the first, to the name of the second one
            and the encoder.
    """
    made = dict(known)
    by_name: dict[str, Any] = {stage.name: stage for stage in stages}
    for first, (second, encoder) in joint.items():
        pair = {first, second}
        if pair <= by_name.keys() and not pair & made.keys():
            rows = query_cache.encode_jointly(encoder.encoders, queries, encoder.encode_queries)
            for name, some in zip((first, second), rows, strict=True):
                made[name] = by_name[name].encoded(some, len(queries))
    return [made[stage.name] if stage.name in made else stage.encode(queries) for stage in stages]
