"""`HybridIndex`: passages to add, delete, filter and find, by BM25 and by meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from numpy.typing import ArrayLike

from ..arguments import check_count, check_ids
from ..errors import InvalidInputError
from ..filters import as_filter
from ..passages import JSON, Passage
from ..protocols import Where
from .info import describe
from .making import Making
from .searchable import Searchable
from .staging import dense_column, staged, token_column

__all__ = ["HybridIndex"]


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

        Args:
            passages: any iterable, however long.
            vectors: the passages' vectors, shape (passages, dimension), if you have them already.
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
        self._access.check()
        store = self._home.store
        dense = dense_column(vectors, self._encoder, store.options.dimension)
        tokens = None
        if self._token_encoder is not None and store.options.tokens is not None:
            dimension = store.options.tokens.dimension
            tokens = token_column(token_vectors, self._token_encoder, dimension)
        elif token_vectors is not None:
            raise InvalidInputError(
                "this index keeps no token_vectors: create it with late_interaction=True"
            )
        admitted = self._home.admit(passages)
        size = None if batch_size is None else check_count(batch_size, "batch_size")
        with staged(admitted, dense, tokens, progress, self._joint, size) as waiting:
            if not len(waiting):
                return 0
            with self._writer:
                with self._changing():
                    incoming = (passage for some in waiting for passage in some.passages)
                    self._lexical.learn(incoming, len(waiting))
                for some in waiting:
                    prepared = self._lexical.prepare(some.passages)
                    with self._changing():
                        store.upsert(some.passages, some.dense, prepared.sparse, some.tokens)
                        self._lexical.upsert(some.passages, prepared)
                store.flush()
            return len(waiting)

    def delete(self, ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        """Delete passages by their ids or by a filter; ids that are not there are no error.

        Returns:
            How many passages were deleted.

        Raises:
            InvalidInputError: neither or both of `ids` and `where` were given.
        """
        if (ids is None) == (where is None):
            raise InvalidInputError("delete needs either ids or where, to say what to delete")
        self._home.admit(())
        store, chosen = self._home.store, as_filter(where)
        wanted = [store.point(id_) for id_ in check_ids(() if ids is None else ids)]
        with self._writer, self._changing():
            if chosen is not None:
                store.prepare(chosen)
                points = store.matching(chosen)
            else:
                points = list(store.existing(wanted))
            if points:
                store.delete(points)
                self._lexical.delete(points)
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

        Reclaims the room of deleted passages and builds the graph and the copies that `hnsw` and
        `quantization` ask for. With ``lexical="qdrant"`` it also brings BM25 up to date, which
        else counts deleted passages and weighs by the average length of earlier ones.
        """
        with self._writer:
            with self._changing():
                self._lexical.refresh()
            self._home.store.optimize()

    def info(self) -> dict[str, JSON]:
        """What this index is and holds, as JSON."""
        self._access.check()
        return describe(self._home, len(self))
