"""`HybridIndex`: passages to add, delete, filter and find, by BM25 and by meaning."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from ..analyzer import Analyzer
from ..arguments import check_count, check_ids, check_k, check_queries, check_share
from ..colbert.joint import joint_encoder
from ..colbert.tokens import TokenEncoder
from ..errors import InvalidInputError
from ..filters import as_filter
from ..fusion import Fusion, from_config, get_fusion
from ..passages import JSON, Hit, Passage
from ..protocols import Encoder, Where
from .home import Home
from .info import describe
from .late import LateStage, check_has_late
from .lifecycle import Lifecycle
from .search import hybrid_hits, spread
from .settings import check_stage_weights
from .stages import DenseStage, Stage
from .staging import dense_column, staged, token_column
from .views import DenseRetriever, LateReranker, StageRetriever

__all__ = ["HybridIndex"]


class HybridIndex(Lifecycle):
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

    def __init__(
        self,
        home: Home,
        encoder: Encoder,
        analyzer: Analyzer,
        token_encoder: TokenEncoder | None = None,
    ) -> None:
        """Not for users: `create` and `open` check what this takes for granted."""
        super().__init__(home, encoder, analyzer, token_encoder)
        manifest = home.manifest
        self._fusion = from_config(manifest.fusion)
        self._dense = DenseStage(home.store, encoder)
        tokens = manifest.store.tokens
        self._late = self._joint = None
        if token_encoder is not None and tokens is not None:
            self._late = LateStage(home.store, token_encoder, tokens.dimension)
            self._joint = joint_encoder(encoder, token_encoder)
        stages: list[Stage] = [self._lexical, self._dense]
        self._stages = {stage.name: stage for stage in stages}

    @property
    def bm25(self) -> StageRetriever:
        """The BM25 half alone, a `Retriever` and `Scorer`."""
        return StageRetriever(self, self._lexical)

    @property
    def dense(self) -> DenseRetriever:
        """The bi-encoder's half alone, a `Retriever` and `Scorer`."""
        return DenseRetriever(self, self._dense)

    @property
    def late_interaction(self) -> LateReranker | None:
        """Late interaction alone, a `Reranker` and `Retriever`; None without token vectors."""
        return None if self._late is None else LateReranker(self, self._late)

    def add(
        self,
        passages: Iterable[Passage],
        *,
        vectors: ArrayLike | None = None,
        token_vectors: Sequence[ArrayLike] | None = None,
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
        with staged(admitted, dense, tokens, progress, self._joint) as waiting:
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

    def search(
        self,
        queries: Sequence[str],
        k: int = 10,
        *,
        where: Where | None = None,
        depth: int | None = None,
        weights: Mapping[str, float] | None = None,
        fusion: str | Fusion | None = None,
        blend: float | None = None,
    ) -> list[list[Hit]]:
        """The best `k` passages for each query, best first, with what every stage thought.

        Args:
            queries: a list of questions; a blank one finds nothing.
            k: how many passages a query gets at most.
            where: only passages that pass this filter, an object or a dict.
            depth: candidates each stage contributes; at least `k`, the index's own by default.
            weights: one weight a stage, by default the index's own; one of weight 0 is left out.
            fusion: a method's name or object instead of the index's own.
            blend: late interaction's share in the score, instead of the index's own; 0 leaves it
                out.

        Raises:
            InvalidInputError: an argument is not valid.
        """
        manifest = self._home.manifest
        depth = max(check_k(k), check_count(manifest.depth if depth is None else depth, "depth"))
        method = self._fusion if fusion is None else get_fusion(fusion)
        chosen = as_filter(where)
        if weights is not None:
            weighed: Mapping[str, float] = check_stage_weights(weights)
        elif getattr(method, "weighted", True):
            weighed = manifest.weights
        else:
            weighed = dict.fromkeys(manifest.weights, 1.0)
        stages = [stage for name, stage in self._stages.items() if weighed[name] > 0]
        shares = [weighed[stage.name] for stage in stages]
        part = manifest.blend if blend is None else check_share(blend, "blend")
        check_has_late(self._late, part)
        judges = [self._late] if self._late is not None and part > 0 else []

        def answer(encoded: Sequence[Sequence[Any]]) -> list[list[Hit]]:
            with self._access.reading(chosen):
                store = self._home.store
                first = encoded[: len(stages)]
                late = judges[0].begin(encoded[-1]) if judges else None
                return hybrid_hits(
                    stages, first, shares, method, store, k, depth, chosen, late, part
                )

        self._access.check()
        return spread(
            check_queries(queries), lambda some: self._encode([*stages, *judges], some), answer
        )

    def _encode(self, stages: Sequence[Stage], queries: list[str]) -> list[Sequence[Any]]:
        """The queries as each stage compares them, read once where two stages share a model."""
        made: dict[str, Sequence[Any]] = {}
        dense, late = self._dense, self._late
        if self._joint is not None and late is not None and {dense, late} <= set(stages):
            vectors, tokens = self._joint.encode_queries(queries)
            made[dense.name] = dense.encoded(vectors, len(queries))
            made[late.name] = late.encoded(tokens, len(queries))
        return [made.get(stage.name) or stage.encode(queries) for stage in stages]

    async def asearch(
        self,
        queries: Sequence[str],
        k: int = 10,
        *,
        where: Where | None = None,
        depth: int | None = None,
        weights: Mapping[str, float] | None = None,
        fusion: str | Fusion | None = None,
        blend: float | None = None,
    ) -> list[list[Hit]]:
        """`search` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(
            self.search,
            queries,
            k,
            where=where,
            depth=depth,
            weights=weights,
            fusion=fusion,
            blend=blend,
        )

    def refresh(self) -> None:
        """Read all passages again for BM25: after others wrote to an attached collection.

        An index of one's own is always up to date. Searches go on meanwhile.
        """
        with self._writer:
            self._access.check()
            put_in_place = self._lexical.renewed()
            with self._access.writing():
                put_in_place()

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
