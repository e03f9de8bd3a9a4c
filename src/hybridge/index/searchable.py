"""What an index finds: by its stages together, by each alone, and tuned for a call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from ..analyzer import Analyzer
from ..arguments import check_count, check_k, check_queries, check_share
from ..colbert.joint import joint_encoder
from ..colbert.tokens import TokenEncoder
from ..filters import as_filter
from ..fusion import Fusion, from_config, get_fusion
from ..lexical.parameters import BM25Parameters, check_bm25
from ..passages import Hit
from ..protocols import Encoder, Where
from .home import Home
from .late import LateStage, check_has_late
from .lifecycle import Lifecycle
from .plan import Plan
from .search import hybrid_hits, spread
from .settings import check_stage_weights
from .stages import DenseStage, Stage
from .tuned import TunedIndex, check_tuning
from .views import DenseRetriever, LateReranker, StageRetriever

__all__ = ["Searchable"]


class Searchable(Lifecycle):
    """The half of `HybridIndex` that searches."""

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

    @property
    def defaults(self) -> dict[str, Any]:
        """The options of a search that is given none: keywords of `tuned`."""
        manifest = self._home.manifest
        options: dict[str, Any] = {
            "fusion": self._fusion,
            "weights": dict(manifest.weights),
            "depth": manifest.depth,
            "bm25": BM25Parameters.from_config(manifest.bm25),
        }
        return options if self._late is None else {**options, "blend": manifest.blend}

    def tuned(
        self,
        *,
        weights: Mapping[str, float] | None = None,
        fusion: str | Fusion | None = None,
        depth: int | None = None,
        blend: float | None = None,
        bm25: BM25Parameters | None = None,
    ) -> TunedIndex:
        """This index as a `Retriever` whose every search has these options; see `search`.

        Raises:
            InvalidInputError: a value that is not valid.
        """
        options = check_tuning(weights=weights, fusion=fusion, depth=depth, blend=blend, bm25=bm25)
        self._plan(1, **options)
        return TunedIndex(self, options)

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
        bm25: BM25Parameters | None = None,
        vectors: ArrayLike | None = None,
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
            bm25: `hybridge.lexical.BM25Parameters` instead of the index's own, where
                ``lexical="bm25s"``; the first search with others scores all passages anew.
            vectors: the queries' vectors, shape (queries, dimension), if you have them already.

        Raises:
            InvalidInputError: an argument is not valid.
        """
        plan = self._plan(k, depth=depth, weights=weights, fusion=fusion, blend=blend, bm25=bm25)
        chosen = as_filter(where)

        def answer(encoded: Sequence[Sequence[Any]]) -> list[list[Hit]]:
            with self._access.reading(chosen):
                return hybrid_hits(plan, encoded, self._home.store, chosen)

        self._access.check()
        asked = check_queries(queries)
        given = None if vectors is None else self._dense.encoded(vectors, len(asked))

        def encode(places: list[int]) -> list[Sequence[Any]]:
            known = None if given is None else [given[at] for at in places]
            return self._encode(plan.encoding, [asked[at] for at in places], known)

        return spread(asked, encode, answer)

    def _plan(
        self,
        k: int,
        *,
        depth: int | None = None,
        weights: Mapping[str, float] | None = None,
        fusion: str | Fusion | None = None,
        blend: float | None = None,
        bm25: BM25Parameters | None = None,
    ) -> Plan:
        """What a search with these options is to do."""
        manifest = self._home.manifest
        method = self._fusion if fusion is None else get_fusion(fusion)
        if weights is not None:
            weighed: Mapping[str, float] = check_stage_weights(weights)
        elif getattr(method, "weighted", True):
            weighed = manifest.weights
        else:
            weighed = dict.fromkeys(manifest.weights, 1.0)
        lexical = self._lexical if bm25 is None else self._lexical.reweighed(check_bm25(bm25))
        stages = [stage for stage in (lexical, self._dense) if weighed[stage.name] > 0]
        part = manifest.blend if blend is None else check_share(blend, "blend")
        check_has_late(self._late, part)
        return Plan(
            k=check_k(k),
            depth=max(k, check_count(manifest.depth if depth is None else depth, "depth")),
            stages=stages,
            shares=[weighed[stage.name] for stage in stages],
            fusion=method,
            late=self._late if part > 0 else None,
            blend=part,
        )

    def _encode(
        self, stages: Sequence[Stage], queries: list[str], vectors: Sequence[Any] | None = None
    ) -> list[Sequence[Any]]:
        """The queries as each stage compares them, read once where two stages share a model."""
        made: dict[str, Sequence[Any]] = {}
        dense, late = self._dense, self._late
        if vectors is not None:
            made[dense.name] = vectors
        elif self._joint is not None and late is not None and {dense, late} <= set(stages):
            pooled, tokens = self._joint.encode_queries(queries)
            made[dense.name] = dense.encoded(pooled, len(queries))
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
        bm25: BM25Parameters | None = None,
        vectors: ArrayLike | None = None,
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
            bm25=bm25,
            vectors=vectors,
        )

    def refresh(self) -> None:
        """Follow what others wrote since the index was opened, or refreshed.

        An index that is open for reading only takes a new copy of its writer's state; one that is
        attached to a collection reads all passages again for BM25. Any other is always up to date.
        Searches go on meanwhile.
        """
        with self._access.turn():
            store = self._home.current()
            if store is self._home.store and not self._home.is_shared:
                return
            put_in_place = self._lexical.renewed(store)
            with self._access.writing():
                self._home.follow(store)
                put_in_place()
