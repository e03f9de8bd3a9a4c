"""`HybridIndex`: passages to add, delete, filter and find, by BM25 and by meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from ..arguments import check_count, check_ids
from ..errors import InvalidInputError
from ..filters import as_filter
from ..passages import JSON, Passage, unique_passages
from ..protocols import Where
from .info import describe
from .making import Making
from .searchable import Searchable
from .staging import Column, Staged, dense_column, staged, token_column
from .truncation import truncated_among

__all__ = ["HybridIndex"]

# Texts by which `info` says how many are truncated.
_SAMPLE = 1_000


class HybridIndex(Making, Searchable):
    """A persistent, updatable, filterable index, searched by BM25 and a bi-encoder together.

    Make one with `create`, find it again with `open`; both are context managers. Everything but
    `close` may be called from many threads.

    >>> from hybridge import CallableEncoder
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count("a"), text.count("e")] for text in texts],
    ...     dimension=2, identity="letters",
    ... )
    >>> with HybridIndex.create(encoder=letters) as index:
    ...     index.add([Passage("p1", "Bananas and apples"), Passage("p2", "Green beets")])
    ...     [hit.passage.id for hit in index.search(["apples"], k=1)[0]]
    2
    ['p1']
    """

    _warned_of_truncation: frozenset[str] = frozenset()

    def add(
        self,
        passages: Iterable[Passage],
        *,
        vectors: ArrayLike | None = None,
        token_vectors: Sequence[ArrayLike] | None = None,
        batch_size: int | None = None,
        progress: bool | None = None,
    ) -> int:
        """Add passages; one whose id is there already replaces it.

        Everything is checked and encoded before the first is written, in bounded memory: if one
        is bad, none is written. They are then written in chunks, which searches see one after
        another. When `add` returns, all survive the process. To keep what a very long run has
        done so far, add in slices.

        A passage that is stored with the same text keeps its vectors: it is not encoded again, and
        only its metadata are written, if they changed.

        Args:
            passages: any iterable, however long.
            vectors: the passages' vectors, shape (passages, dimension), if you have them already;
                they replace stored ones.
            token_vectors: the same for late interaction: a matrix a passage, shape (its tokens,
                their dimension), each row of length 1.
            batch_size: how many texts the encoder gets at most in one call, for a server that
                refuses larger requests; None leaves it to the encoder.
            progress: show a bar; None shows it on a terminal.

        Returns:
            How many passages were added.

        Raises:
            InvalidInputError: a passage or a vector is not valid, or an id comes twice; nothing
                was written.
        """
        admitted = self._admit(passages)
        store = self._home.store
        dense, tokens = self._columns(vectors, token_vectors)
        size = None if batch_size is None else check_count(batch_size, "batch_size")
        stored = self._stored if vectors is None and token_vectors is None else None
        with staged(admitted, dense, tokens, progress, self._joint, size, stored) as waiting:
            if len(waiting):
                with self._access.turn():
                    incoming = (passage for batch in waiting for passage in batch.passages)
                    self._in_steps(self._lexical.learn(incoming, len(waiting)))
                    for batch in waiting:
                        self._write(batch)
                    self._in_steps(self._lexical.refresh())
                    store.flush()
            for column in filter(None, (dense, tokens)):
                self._warned_of_truncation |= column.truncation.warn(self._warned_of_truncation)
            return len(waiting) + waiting.unchanged

    def _stored(self, passages: Sequence[Passage]) -> dict[str, Passage]:
        """The stored passages that have the ids of these, by id."""
        found = self.get([passage.id for passage in passages])
        return {passage.id: passage for passage in found if passage is not None}

    def _write(self, batch: Staged) -> None:
        if batch.dense is None:
            self._keep_vectors(batch.passages)
            return
        prepared = self._lexical.prepare(batch.passages)
        with self._changing():
            self._home.store.upsert(batch.passages, batch.dense, prepared.sparse, batch.tokens)
            self._lexical.upsert(batch.passages, prepared)

    def _keep_vectors(self, passages: Sequence[Passage]) -> None:
        """Write passages of which the metadata alone are new."""
        found = self._stored(passages)
        texts = {id_: passage.text for id_, passage in found.items()}
        kept = [passage for passage in passages if texts.get(passage.id) == passage.text]
        with self._changing():
            self._home.store.replace_payloads(kept)
            self._lexical.update_metadata()
        # Deleted, or given another text, since their vectors were found to be there.
        if changed := [passage for passage in passages if texts.get(passage.id) != passage.text]:
            with staged(changed, *self._columns(), progress=False, joint=self._joint) as waiting:
                for batch in waiting:
                    self._write(batch)

    def _columns(
        self, vectors: ArrayLike | None = None, token_vectors: Sequence[ArrayLike] | None = None
    ) -> tuple[Column, Column | None]:
        """The kinds of vectors that a passage has here, given or to be encoded."""
        options = self._home.store.options
        dense = dense_column(vectors, self._encoder, options.dimension)
        if self._token_encoder is None or options.tokens is None:
            if token_vectors is not None:
                raise InvalidInputError(
                    "this index keeps no token_vectors: create it with late_interaction=True"
                )
            return dense, None
        dimension = options.tokens.dimension
        return dense, token_column(token_vectors, self._token_encoder, dimension)

    def update_metadata(
        self,
        ids: Iterable[str],
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        replace: bool = False,
    ) -> int:
        """Change the metadata of passages; their texts and vectors stay. All or nothing.

        Args:
            ids: of the passages.
            metadata: what to set, the same for all passages or one mapping a passage; other keys
                stay.
            replace: drop the other keys.

        Returns:
            How many passages were changed.

        Raises:
            InvalidInputError: an id that is not there or comes twice, not one mapping a passage,
                or metadata that JSON cannot hold; nothing was changed.

        >>> from hybridge import CallableEncoder
        >>> lengths = CallableEncoder(lambda texts: [[len(text)] for text in texts], identity="len")
        >>> with HybridIndex.create(encoder=lengths) as index:
        ...     index.add([Passage("a", "Bread", {"year": 2019, "lang": "en"})])
        ...     index.update_metadata(["a"], {"year": 2020})
        ...     index.get(["a"])[0].metadata
        1
        1
        {'year': 2020, 'lang': 'en'}
        """
        self._admit(())
        names = check_ids(ids)
        given = [metadata] * len(names) if isinstance(metadata, Mapping) else list(metadata)
        if len(given) != len(names):
            raise InvalidInputError(
                f"{len(given)} mappings of metadata for {len(names)} ids: give one for all, or one "
                "an id"
            )
        store = self._home.store
        with self._access.turn(), self._changing():
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
                    for name, new in zip(names, given, strict=True)
                )
            )
            store.replace_payloads(changed)
            self._lexical.update_metadata()
            store.flush()
        return len(changed)

    def delete(self, ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        """Delete passages by their ids or by a filter; ids that are not there are no error.

        Returns:
            How many passages were deleted.

        Raises:
            InvalidInputError: neither or both of `ids` and `where` were given.
        """
        if (ids is None) == (where is None):
            raise InvalidInputError("delete needs either ids or where, to say what to delete")
        self._admit(())
        store, chosen = self._home.store, as_filter(where)
        wanted = [store.point(id_) for id_ in check_ids(() if ids is None else ids)]
        with self._access.turn():
            with self._changing():
                if chosen is not None:
                    store.prepare(chosen)
                    self._access.fields.look(chosen, store.some)
                    points = store.matching(chosen)
                else:
                    points = list(store.existing(wanted))
                if points:
                    self._lexical.delete(points)
                    store.delete(points)
            if points:
                self._in_steps(self._lexical.refresh())
                store.flush()
        return len(points)

    def get(self, ids: Iterable[str]) -> list[Passage | None]:
        """The passages of these ids, None for an id that is not there."""
        store = self._home.store
        points = [store.point(id_) for id_ in check_ids(ids)]
        with self._access.reading():
            found = store.get(points)
        return [found.get(point) for point in points]

    def matching(self, where: Where) -> list[Passage]:
        """The passages that pass a filter, in no particular order.

        Raises:
            InvalidInputError: no filter, or one that is not valid.

        >>> from hybridge import CallableEncoder
        >>> lengths = CallableEncoder(lambda texts: [[len(text)] for text in texts], identity="len")
        >>> with HybridIndex.create(encoder=lengths) as index:
        ...     index.add([Passage("a", "Bread", {"year": 2019}), Passage("b", "Oven")])
        ...     [passage.id for passage in index.matching({"year": {"$gte": 2000}})]
        2
        ['a']
        """
        chosen = as_filter(where)
        if chosen is None:
            raise InvalidInputError("matching needs a filter: iterate over the index for all of it")
        store = self._home.store
        with self._access.reading(chosen):
            found = store.get(store.matching(chosen))
        return list(found.values())

    def __len__(self) -> int:
        with self._access.reading():
            return self._home.store.count()

    def __iter__(self) -> Iterator[Passage]:
        pages = self._home.store.pages()
        while True:
            with self._access.reading():  # for a page at a time, so that the loop's body may write
                page = next(pages, None)
            if page is None:
                return
            yield from page

    def optimize(self) -> None:
        """Tidy up after many writes. It may take long, and searches wait meanwhile.

        Reclaims the room of deleted passages, indexes the metadata fields that searches filtered
        by, and builds the graph and the copies that `hnsw` and `quantization` ask for. With
        ``lexical="qdrant"`` BM25 then weighs by the exact average length, which else may be up to
        2 % off.
        """
        if self._home.is_shared:  # a collection of others is theirs to tidy up
            return
        self._admit(())
        with self._access.turn():
            self._in_steps(self._lexical.refresh(exactly=True))
            with self._changing():
                self._home.store.optimize()

    def info(self) -> dict[str, JSON]:
        """What this index is and holds, as JSON.

        Under ``truncated`` is how many passages have more than the `max_tokens` that the encoder
        reads, out of 1,000 where there are more; None where the encoder has no limit, or does not
        say (`SentenceTransformerEncoder` does).
        """
        self._access.check()
        return describe(self._home, len(self), truncated_among(self._encoder, self._sample()))

    def _sample(self) -> list[str]:
        """The texts of some passages: all, where there are few."""
        with self._access.reading():
            return [passage.text for passage in self._home.store.some(_SAMPLE)]
