"""The target of tuning: a first-stage retriever with its options, and the rerankers behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import InvalidInputError
from ..fused import FusedRetriever
from ..index import HybridIndex
from ..index.cached_search import CachedSearch
from ..index.tuned import TunedIndex
from ..lexical.parameters import BM25Parameters
from ..pipeline import Pipeline
from ..protocols import Reranker, Retriever
from ..results import BoostedRetriever, Boosting, DeepRetriever, FlooredRetriever
from ..stages.bm25 import BM25
from .cached_fused_search import CachedFusedSearch
from .setting import Setting

__all__ = ["Target"]


@dataclass(frozen=True)
class Target:
    """The parts of a retriever that are tuned.

    Boosts stand around the rerankers, and rerankers behind the retriever of candidates.

    Args:
        index: the retriever of candidates.
        default: its present setting.
        bm25: the BM25 parameters of `default`; None without.
        rerankers: of the pipeline; none otherwise.
        fixed: options of the search that stay.
        boosts: of the `BoostedRetriever`; none otherwise.
        boost_depth: candidates that are boosted; 0 without.
    """

    index: HybridIndex | FusedRetriever
    default: Setting
    bm25: BM25Parameters | None
    rerankers: tuple[Reranker, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    boosts: tuple[Boosting, ...] = ()
    boost_depth: int = 0

    @classmethod
    def of(cls, retriever: object) -> Target:
        """Return the parts of a retriever.

        Raises:
            InvalidInputError: the retriever cannot be tuned.
        """
        if isinstance(retriever, BoostedRetriever):
            inside = retriever.retriever
            if isinstance(inside, BoostedRetriever):
                raise InvalidInputError(
                    "of boosts around boosts only one can be tuned: give all in one list"
                )
            inner = cls.of(inside)
            weights = tuple(float(boost.weight) for boost in retriever.boosts)
            return replace(
                inner,
                default=replace(inner.default, boost_weights=weights),
                boosts=retriever.boosts,
                boost_depth=retriever.depth,
            )
        if isinstance(retriever, FlooredRetriever):
            raise InvalidInputError(
                "a floor is not tuned by a measure of the order: tune what is inside, "
                "floored.retriever, and find the floor by hybridge.tuning.calibrate_floor"
            )
        if isinstance(retriever, Pipeline):
            inner = cls._of_index(retriever.retriever, "a Pipeline over ")
            default = replace(
                inner.default,
                rerank_depths=tuple(retriever.depths),
                rerank_blends=tuple(retriever.blends),
            )
            return replace(inner, default=default, rerankers=tuple(retriever.rerankers))
        return cls._of_index(retriever)

    @classmethod
    def _of_index(cls, retriever: Any, around: str = "") -> Target:
        if isinstance(retriever, FusedRetriever):
            return cls._of_fused(retriever)
        if isinstance(retriever, DeepRetriever):
            raise InvalidInputError(
                f"a {type(retriever).__name__} has nothing to tune: tune what it searches, the "
                f"{type(retriever.retriever).__name__}, and put it around the tuned one"
            )
        index, own = retriever, {}
        if isinstance(retriever, TunedIndex):
            index, own = retriever.index, dict(retriever.options)
        if not isinstance(index, HybridIndex):
            named = (
                f"the class {retriever.__name__}"
                if isinstance(retriever, type)
                else type(retriever).__name__
            )
            raise InvalidInputError(
                "what can be tuned is a HybridIndex, what its tuned() returns, a FusedRetriever, "
                f"a Pipeline over one of these, or boosts around it, not {around}{named}"
            )
        options = {**index.defaults, **own}
        bm25 = options.get("bm25")
        words = [s for s in index._stages.definitions.values() if isinstance(s, BM25)]
        changes = bm25 is not None and all(stage.lexical == "bm25s" for stage in words)
        blend = options.get("blend")
        if isinstance(blend, Mapping) and len(blend) == 1 == len(index._stages.late):
            [blend] = blend.values()
        if not getattr(options["fusion"], "weighted", True):
            options["weights"] = own.get("weights")
        default = Setting(
            fusion=options["fusion"],
            weights=options["weights"],
            depth=options["depth"],
            blend=None if isinstance(blend, Mapping) else blend,
            k1=bm25.k1 if bm25 is not None and changes else None,
            b=bm25.b if bm25 is not None and changes else None,
            stages=tuple(index.defaults["weights"]),
        )
        fixed: dict[str, Any] = {"blend": dict(blend)} if isinstance(blend, Mapping) else {}
        for reading in ("spelling", "query_syntax"):
            if reading in own:
                fixed[reading] = own[reading]
        return cls(index, default, bm25, fixed=fixed)

    @classmethod
    def _of_fused(cls, retriever: FusedRetriever) -> Target:
        if not isinstance(retriever.depth, int):
            raise InvalidInputError(
                f"tuning tries one depth for all members, not {retriever.depth}: give the "
                "FusedRetriever one number, as in retriever.tuned(depth=100)"
            )
        default = Setting(
            retriever.fusion,
            dict(retriever.weights),
            retriever.depth,
            stages=tuple(retriever.weights),
        )
        return cls(retriever, default, None)

    @property
    def possible(self) -> list[str]:
        """The optional parameters that this retriever has."""
        default = self.default
        names = [name for name in ("blend", "k1", "b") if getattr(default, name) is not None]
        names += ["rerank_depths", "rerank_blends"] if self.rerankers else []
        return [*names, *(["boost_weights"] if self.boosts else [])]

    @property
    def reason(self) -> str:
        """The reason why it has no others."""
        around = {
            "no reranker is behind it": not self.rerankers,
            "no boost is around it": not self.boosts,
        }
        if isinstance(self.index, FusedRetriever):
            members = "the members of a FusedRetriever keep their own settings"
            return ", ".join([members, *(reason for reason, holds in around.items() if holds)])
        lacks = {
            "the index keeps no token vectors, or several stages of them": self.default.blend
            is None,
            "its lexical='qdrant' keeps BM25's weights as they were stored": self.default.k1
            is None,
            **around,
        }
        return ", ".join(reason for reason, holds in lacks.items() if holds)

    def options(self, setting: Setting) -> dict[str, Any]:
        """Return the keywords of `tuned` for a setting."""
        options = {**self.fixed, "fusion": setting.fusion, "depth": setting.depth}
        if setting.weights is not None:
            options["weights"] = dict(setting.weights)
        if setting.blend is not None:
            options["blend"] = setting.blend
        if self.bm25 is not None and setting.k1 is not None and setting.b is not None:
            options["bm25"] = replace(self.bm25, k1=setting.k1, b=setting.b)
        return options

    @property
    def is_empty(self) -> bool:
        """Whether it is an index without passages."""
        return isinstance(self.index, HybridIndex) and not len(self.index)

    def cached(self, queries: Sequence[str]) -> CachedSearch | CachedFusedSearch:
        """Return the cached searches of these queries, with any options."""
        if isinstance(self.index, FusedRetriever):
            return CachedFusedSearch(self.index, queries)
        return CachedSearch(
            self.index,
            queries,
            spelling=self.fixed.get("spelling", True),
            query_syntax=self.fixed.get("query_syntax", False),
        )

    def build(self, setting: Setting) -> Retriever:
        """Return the retriever with a setting."""
        tuned: Retriever = self.index.tuned(**self.options(setting))
        if self.rerankers:
            depths, blends = setting.rerank_depths, setting.rerank_blends
            tuned = Pipeline(tuned, *self.rerankers, depth=depths, blend=blends)
        return self.boosted(tuned, setting) if self.boosts else tuned

    def boosted(self, retriever: Retriever, setting: Setting) -> Retriever:
        """Return a retriever with the boosts of a setting, the first ones where it has fewer."""
        weights = setting.boost_weights
        boosts = [boost.weighted(each) for boost, each in zip(self.boosts, weights, strict=False)]
        return BoostedRetriever(retriever, boosts, depth=self.boost_depth)
