"""The protocols of retrievers, scorers, rerankers and encoders, with batched methods.

Any object with these methods works everywhere in Hybridge, without inheritance.
`hybridge.testing` tests an implementation against the rules that types cannot express.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .passages import Hit

if TYPE_CHECKING:
    from .filters import Filter

__all__ = ["Encoder", "Reranker", "Retriever", "Scorer", "Vectors", "Where"]

Vectors: TypeAlias = NDArray[np.float32]
Where: TypeAlias = "Filter | Mapping[str, Any]"


@runtime_checkable
class Retriever(Protocol):
    """A retriever: a list of queries in, a list of ranked lists out."""

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the best `k` passages for each query, best first, ties by id.

        Only passages that pass `where` are returned.
        """
        ...

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Run `search` without blocking the event loop."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """A retriever that also scores candidates of other stages, for fusion with completed scores.

    A scorer that is fused with retrievers over other passages should also have a method
    ``get(ids)`` that returns None for each unknown id; without it, fusion scores one id at a time.
    """

    def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
        """Return the exact score of each passage of `ids[i]` for `queries[i]`.

        Raises:
            InvalidInputError: an unknown id.
        """
        ...


@runtime_checkable
class Reranker(Protocol):
    """A reranker: queries and their candidates in, ranked lists out."""

    def rerank(
        self,
        queries: Sequence[str],
        candidates: Sequence[Sequence[Hit]],
        k: int | None = None,
    ) -> list[list[Hit]]:
        """Return each query's candidates, best first, with one more trace entry.

        `k` cuts the lists; None keeps all candidates.
        """
        ...

    async def arerank(
        self,
        queries: Sequence[str],
        candidates: Sequence[Sequence[Hit]],
        k: int | None = None,
    ) -> list[list[Hit]]:
        """Run `rerank` without blocking the event loop."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """A bi-encoder: it encodes queries and passages as vectors.

    Attributes:
        identity: the model's name and its prompts; two encoders with one identity produce the same
            vectors. An index stores it, and compares it when it is opened.
        dimension: the length of a vector.
    """

    @property
    def identity(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        """Return float32 vectors of shape (len(queries), dimension)."""
        ...

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        """Return float32 vectors of shape (len(texts), dimension)."""
        ...
