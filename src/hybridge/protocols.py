"""What a stage must offer to take part: the verbs of the contract, all of them batched.

Anything with these methods works everywhere Hybridge does; nothing has to be inherited.
`hybridge.testing` checks an implementation against the rules that the types cannot say.
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
    """Finds passages: a list of queries in, a list of ranked lists out."""

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """The best `k` passages for each query, best first, ties by id, only what matches."""
        ...

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """`search` that does not block the event loop."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """Scores given passages: what fusion needs to complete a candidate that another found.

    One that is fused with retrievers over other passages has better a method ``get(ids)``, too,
    which gives None for each id that it does not hold: else it is asked for these one by one.
    """

    def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
        """The exact score of each of `ids[i]` for `queries[i]`, whether it would be found or not.

        Raises:
            InvalidInputError: an id that is not in the collection.
        """
        ...


@runtime_checkable
class Reranker(Protocol):
    """Reorders candidates: queries and their ranked lists in, ranked lists out."""

    def rerank(
        self,
        queries: Sequence[str],
        candidates: Sequence[Sequence[Hit]],
        k: int | None = None,
    ) -> list[list[Hit]]:
        """Each query's candidates, best first, cut to `k` where given, one more trace entry."""
        ...

    async def arerank(
        self,
        queries: Sequence[str],
        candidates: Sequence[Sequence[Hit]],
        k: int | None = None,
    ) -> list[list[Hit]]:
        """`rerank` that does not block the event loop."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """Turns text into vectors: a bi-encoder.

    Attributes:
        identity: names the model and how it is prompted; two encoders with one identity give the
            same vectors. It is kept with an index and compared when the index is opened.
        dimension: the length of a vector.
    """

    @property
    def identity(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        """One row of float32 a query: shape (len(queries), dimension)."""
        ...

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        """One row of float32 a text: shape (len(texts), dimension)."""
        ...
