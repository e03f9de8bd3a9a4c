"""Indexes that adapters make of a framework's documents, and how they are searched."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from numpy.typing import ArrayLike

from ..arguments import check_share
from ..errors import InvalidInputError
from ..frameworks import as_retriever
from ..index import HybridIndex
from ..index.settings import check_stage_weights
from ..index.storage import is_remote
from ..language_models import ExpandedRetriever
from ..passages import Hit, Passage
from ..pipeline import Pipeline
from ..protocols import Encoder, Reranker, Retriever, Where
from ..results import BoostedRetriever, Boosting, FlooredRetriever
from ..results.floor import check_floor
from ..results.stages import mixed_scores
from ..scope import check_scope, scoped
from ..search import check_settings
from ..stages import Stage
from ..vectors import ConnectionOptions
from ..vectors.collection import describe, vector_params
from ..vectors.connection import connect
from .results import arranged

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient, QdrantClient

__all__ = [
    "FutureIndex",
    "check_threshold",
    "configured",
    "connection_options",
    "dense_vector_names",
    "is_persistent",
    "new_index",
]


logger = logging.getLogger(__name__)


def is_persistent(
    path: str | Path | None, url: Any = None, passage_cache: object = False, client: object = None
) -> bool:
    """Return whether the vectors of an index of these options outlive the process.

    >>> is_persistent(None), is_persistent("folder"), is_persistent(None, ":memory:")
    (False, True, False)
    """
    return path is not None or is_remote(url, client) or passage_cache is not False


def connection_options(keywords: MutableMapping[str, Any]) -> ConnectionOptions:
    """Take the options of a connection to a server out of other keywords.

    >>> keywords = {"k": 5, "timeout": 3.0}
    >>> connection_options(keywords), keywords
    ({'timeout': 3.0}, {'k': 5})
    """
    names = ConnectionOptions.__annotations__.keys() & keywords.keys()
    options: Any = {name: keywords.pop(name) for name in sorted(names)}
    return cast(ConnectionOptions, options)


def dense_vector_names(client: QdrantClient | AsyncQdrantClient, collection: str) -> list[str]:
    """Return the names of a collection's dense vectors, "" for the unnamed one.

    Raises:
        IndexNotFoundError: there is no such collection.
    """
    return list(vector_params(describe(connect(client=client), collection)))


def check_threshold(value: float | None, searched: Retriever | None = None) -> float | None:
    """Validate a score threshold: a finite number, or None.

    Where the last scores are a fusion's or a blend's, no threshold parts what is relevant from what
    is not, and a log says so, once.

    Args:
        value: the threshold.
        searched: the retriever whose scores it is for; None if unknown.

    Raises:
        InvalidInputError: anything else.

    >>> check_threshold(1)
    1.0
    """
    if value is None:
        return None
    if not isinstance(value, Real) or isinstance(value, bool) or not isfinite(value):
        raise InvalidInputError(f"score_threshold must be a finite number or None, not {value!r}")
    if searched is not None and (stage := mixed_scores(searched)) is not None:
        _warn_of_threshold(stage)
    return float(value)


@cache
def _warn_of_threshold(stage: str) -> None:
    logger.warning(
        "score_threshold is on the scores of %r, which depend on the list that they are in: the "
        "best hit scores high though nothing is relevant. For a minimum on a stage's own score, "
        'set floor={"dense": 0.3} (said once)',
        stage,
    )


def new_index(
    passages: Sequence[Passage],
    path: str | Path | None,
    *,
    encoder: Encoder | None,
    vectors: ArrayLike | None = None,
    **options: Any,
) -> HybridIndex:
    """Return a new index of these passages; it is closed again if they cannot be added.

    Args:
        passages: validated passages.
        path: a missing or empty folder; None for a temporary index.
        encoder: makes the vectors; None for that of the options' stages, or the default model.
        vectors: the passages' vectors, if known.
        options: those of `HybridIndex.create`.

    Raises:
        HybridgeError: a passage or an argument is not valid.
    """
    index = HybridIndex.create(path, encoder=encoder, **options)
    try:
        index.add(passages, vectors=vectors)
    except BaseException:
        index.close()
        raise
    return index


def configured(
    retriever: Any,
    *,
    rerankers: Iterable[Reranker] = (),
    rerank_depth: int = 50,
    blend: float = 0.5,
    weights: Mapping[str, float] | None = None,
    fusion: Any = None,
    depth: int | None = None,
    late_interaction_weight: float | None = None,
    spelling: bool | None = None,
    query_syntax: bool | None = None,
    scope: Where | None = None,
    expansion: Any = None,
    boosts: Sequence[Boosting] = (),
    floor: Mapping[str, float] | None = None,
    floor_of: Literal["hit", "list"] = "hit",
    vectors: ArrayLike | None = None,
    **results: Any,
) -> Retriever:
    """Return a retriever with its options set, and what its results go through behind it.

    Args:
        retriever: a retriever of Hybridge, or of a framework whose adapter is installed.
        rerankers: in the order they run.
        rerank_depth: candidates each reranker gets.
        blend: a reranker's share in the score, from 0 to 1.
        weights: one a stage; None leaves the retriever's own, here and below.
        fusion: a method's name or object.
        depth: candidates each stage contributes.
        late_interaction_weight: late interaction's share in the score, from 0 to 1.
        spelling: whether words that no passage has are corrected.
        query_syntax: whether operators in queries are read.
        scope: a filter that every search can only narrow, see `hybridge.scope`.
        expansion: of the queries, as for `hybridge.language_models.ExpandedRetriever`; for its
            other settings, give one as the retriever. None expands none, as vectors do.
        boosts: `hybridge.results.Decay` and `Boost`, of as many candidates as rerankers get.
        floor: stage → the least of its scores that stays, see `hybridge.results.FlooredRetriever`;
            None for none. Of a `FutureIndex`, whose stages are not known yet, its form alone is
            checked.
        floor_of: what is held to the floor, each ``"hit"`` or the ``"list"``.
        vectors: of the queries that will be searched, shape (queries, dimension), instead of the
            encoder's; for a `HybridIndex` alone.
        results: options of `arranged`.

    Raises:
        InvalidInputError: a value that is not valid, or an option that the retriever lacks.

    >>> from hybridge import BM25Retriever
    >>> configured(BM25Retriever(), depth=50)
    Traceback (most recent call last):
    ...
    hybridge.errors.InvalidInputError: a BM25Retriever takes no depth: a HybridIndex does
    """
    searched: Any = as_retriever(retriever)
    if late_interaction_weight is not None:
        check_share(late_interaction_weight, "late_interaction_weight")
    options = {
        "weights": weights,
        "fusion": fusion,
        "depth": depth,
        "late_interaction_weight": late_interaction_weight,
        "spelling": spelling,
        "query_syntax": query_syntax,
    }
    chosen = {name: value for name, value in options.items() if value is not None}
    if chosen:
        tuned: Any = getattr(searched, "tuned", None)
        known = inspect.signature(tuned).parameters if callable(tuned) else {}
        for name in chosen:
            if _TUNED.get(name, name) not in known:
                raise InvalidInputError(
                    f"a {type(searched).__name__} takes no {name}: a HybridIndex does"
                )
        chosen = {_TUNED.get(name, name): value for name, value in chosen.items()}
        searched = tuned(**chosen)
    if scope is not None:
        searched = scoped(searched, scope)
    if vectors is not None:
        whole = as_retriever(retriever) if scope is None else scoped(retriever, scope)
        searched = _VectorSearch(whole, {**chosen, "vectors": vectors})
    elif expansion is not None:
        searched = ExpandedRetriever(searched, expansion)
    made: Retriever = Pipeline(searched, *rerankers, depth=rerank_depth, blend=blend)
    if boosts:
        made = BoostedRetriever(made, boosts, depth=rerank_depth)
    if floor is not None:
        check_floor(floor, floor_of)
        if not isinstance(retriever, FutureIndex):
            made = FlooredRetriever(made, floor, of=floor_of)
    return arranged(made, **results)


# What `HybridIndex.tuned` calls some of the options.
_TUNED = {"late_interaction_weight": "blend"}


@dataclass(frozen=True)
class _VectorSearch:
    """A search of an index with further options."""

    index: Any
    options: Mapping[str, Any]

    @property
    def query_syntax(self) -> bool:
        return bool(self.options.get("query_syntax", False))

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        hits: list[list[Hit]] = self.index.search(queries, k, where=where, **self.options)
        return hits

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        hits: list[list[Hit]] = await self.index.asearch(queries, k, where=where, **self.options)
        return hits


@dataclass(frozen=True)
class FutureIndex:
    """Stands for an index that is yet to be made, so that its retriever's options can be checked.

    Args:
        stages: the names of its stages that find candidates.

    >>> FutureIndex().tuned(depth=0)
    Traceback (most recent call last):
    ...
    hybridge.errors.InvalidInputError: depth must be a whole number from 1 to 2147483647, not 0
    """

    stages: Sequence[str] = ("bm25", "dense")

    @classmethod
    def of(cls, stages: Stage | Sequence[Stage] | None) -> FutureIndex:
        """Return what stands for an index of these stages; None for those by default."""
        if stages is None:
            return cls()
        every = [stages] if isinstance(stages, Stage) else stages
        return cls([stage.name for stage in every if getattr(stage, "finds", False)])

    def tuned(
        self,
        *,
        weights: Mapping[str, float] | None = None,
        fusion: Any = None,
        depth: int | None = None,
        blend: float | Mapping[str, float] | None = None,
        spelling: bool | None = None,
        query_syntax: bool | None = None,
    ) -> FutureIndex:
        """Validate the options of `HybridIndex.tuned`."""
        check_settings(
            weights=weights,
            fusion=fusion,
            depth=depth,
            blend=blend,
            spelling=spelling,
            query_syntax=query_syntax,
        )
        if weights is not None:
            check_stage_weights(weights, self.stages)
        return self

    def scoped(self, where: Where) -> FutureIndex:
        """Validate a scope."""
        check_scope(where)
        return self

    def get(self, ids: Iterable[str]) -> list[Passage | None]:
        """Return nothing: there is no passage yet."""
        return [None for _ in ids]

    def matching(self, where: Where) -> list[Passage]:
        """Return nothing: there is no passage yet."""
        return []

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return nothing: there is no passage yet."""
        return [[] for _ in queries]

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return nothing: there is no passage yet."""
        return [[] for _ in queries]
