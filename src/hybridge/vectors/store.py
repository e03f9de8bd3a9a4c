"""One interface over the engines that store passages and their vectors, and what they share.

A store has points: passages with named vectors, each dense, sparse or one a token. Queries are
vectors, not texts. It is the truth of an index; everything else can be rebuilt from it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from operator import index
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InvalidInputError
from ..filters import Filter, IdIn
from ..filters.floats import is_short, stand_in
from ..passages import JSON, Passage
from ..protocols import Vectors
from .options import StoreOptions, VectorKind

__all__ = [
    "Ranking",
    "RemoteStore",
    "Rows",
    "Sparse",
    "Tokens",
    "UnionAnswer",
    "UnionSearch",
    "VectorQuery",
    "VectorStore",
    "check_sparse",
    "check_tokens",
    "check_vectors",
    "in_two_steps",
    "matches",
    "passing",
    "payload_of",
    "ranked",
    "stored_passage",
    "stored_passages",
]

_GREATEST = float(np.finfo(np.float32).max)

Sparse: TypeAlias = tuple[list[int], list[float]]
# A text as one vector a token: shape (tokens, dimension).
Tokens: TypeAlias = list[list[float]]
# The vectors of one name for some passages: a matrix, sparse vectors, or a matrix a passage.
Rows: TypeAlias = Sequence[Any] | Vectors
Ranking: TypeAlias = dict[int, float]
"""Points, the numbers that stand for passages in a store, and their scores, best first."""


@dataclass(frozen=True)
class VectorQuery:
    """A search of a store by one query's vector, among all points or given ones.

    Args:
        name: of the stored vectors.
        vector: the query's: dense, sparse, or one vector a token.
        limit: points returned at most.
        where: only points whose passage passes this filter.
        ids: only these points.
    """

    name: str
    vector: list[float] | Sparse | Tokens
    limit: int
    where: Filter | None = None
    ids: Collection[int] | None = None


@dataclass(frozen=True)
class UnionSearch:
    """One query's search by several kinds of vectors: each finds, and each scores what any found.

    Args:
        finding: one query a stage that finds candidates in the store, with its limit and filter.
        scoring: name and query vector of the stages that only score, e.g. late interaction.
        candidates: points that were found elsewhere, to be scored too.
    """

    finding: Sequence[VectorQuery]
    scoring: Sequence[tuple[str, Any]] = ()
    candidates: Collection[int] = ()


@dataclass(frozen=True)
class UnionAnswer:
    """The answer to a `UnionSearch`.

    Args:
        tops: of each finding stage, its matches: best first, ties in any order, at most its limit.
        scores: of each finding, then each scoring stage: of all candidates; those to which the
            engine gives no score are left out.
    """

    tops: Sequence[Ranking]
    scores: Sequence[dict[int, float]]


class VectorStore(Protocol):
    """A store of passages and vectors. Safe to read from many threads.

    Every failure of the engine is a `StoreError`; the caller checks the arguments.
    """

    options: StoreOptions
    is_remote: bool
    """Whether it is a `RemoteStore`: each call is a request, so that few are made."""

    def point(self, passage_id: str) -> int:
        """Return the number of a passage's id in this store."""
        ...

    def has_vectors(self, name: str) -> bool:
        """Return whether the engine keeps vectors of a name, whatever the options are."""
        ...

    def add_vectors(self, name: str, kind: VectorKind) -> None:
        """Add a name of vectors; no point has one yet."""
        ...

    def remove_vectors(self, name: str) -> None:
        """Drop the vectors of a name from every point."""
        ...

    def upsert(self, passages: Sequence[Passage], vectors: Mapping[str, Rows]) -> None:
        """Add the passages, each replacing the one of the same id.

        Args:
            passages: the passages.
            vectors: a row a passage for each name; a passage without tokens gets no vector.
        """
        ...

    def replace_payloads(self, passages: Sequence[Passage]) -> None:
        """Replace the texts and metadata of passages that exist; their vectors stay."""
        ...

    def set_vectors(
        self, name: str, points: Sequence[int], rows: Rows, *, same_terms: bool = False
    ) -> None:
        """Replace the vectors of a name of points that exist.

        Args:
            name: of the vectors.
            points: the points.
            rows: one a point; one without tokens drops the point's.
            same_terms: whether the rows are sparse, with the numbers of the stored vectors and
                other weights.
        """
        ...

    def drop_vectors(self, name: str, points: Sequence[int]) -> None:
        """Drop the vectors of a name from points that exist, if they have any."""
        ...

    def vector_pages(self, name: str) -> Iterator[dict[int, Any]]:
        """Iterate over all points' vectors of a name, page by page, in the order of the points.

        A point without a sparse vector has an empty one here.
        """
        ...

    def lacking(self, name: str) -> Iterator[list[Passage]]:
        """Iterate over the passages that have no vector of a name, page by page."""
        ...

    def average_length(self, name: str) -> float:
        """Return the mean of the lengths in sparse vectors; 0 if none has one.

        It follows every write of this store. On a server, the writes of others are sampled.
        """
        ...

    def frequencies(self, name: str, numbers: Sequence[int]) -> list[int]:
        """Return how many points have each number in their sparse vectors of a name.

        It follows every write. A server counts at most 100.
        """
        ...

    def delete(self, points: Sequence[int]) -> None:
        """Delete points; those that do not exist are no error."""
        ...

    def get(self, points: Sequence[int]) -> dict[int, Passage]:
        """Return the passages of the points that exist."""
        ...

    def vectors(self, name: str, points: Sequence[int]) -> dict[int, Any]:
        """Return the vectors of a name of those of the points that have one.

        Dense ones are lists, at length 1 where the distance is cosine; sparse ones pairs of
        numbers and weights; tokens lists of lists, in the precision of the store.
        """
        ...

    def existing(self, points: Sequence[int]) -> set[int]:
        """Return those of the points that exist."""
        ...

    def matching(self, where: Filter) -> list[int]:
        """Return all points whose passage passes the filter."""
        ...

    def reads_payloads(self, where: Filter) -> bool:
        """Return whether `matching` would read every payload of a large store, without an index."""
        ...

    def pages(self) -> Iterator[list[Passage]]:
        """Iterate over all passages, page by page, in the order of their points."""
        ...

    def some(self, limit: int, where: Filter | None = None) -> list[Passage]:
        """Return at most `limit` passages, of all or of those that pass a filter in the engine.

        If none passes, none is returned; where the engine cannot decide, others may be.
        """
        ...

    def query(self, queries: Sequence[VectorQuery]) -> list[Ranking]:
        """Return each query's points, best first, ties by id, a sparse query's zeros left out.

        The points of a query with `ids` are in no order.
        """
        ...

    def search(self, searches: Sequence[UnionSearch]) -> list[UnionAnswer]:
        """Return the answers to searches by several kinds of vectors at once; one request."""
        ...

    def is_prepared(self, where: Filter) -> bool:
        """Return whether `prepare` has nothing to do for this filter."""
        ...

    def prepare(self, where: Filter) -> None:
        """Index the fields of a filter; called before its first use, with no search running.

        No search may run, because the translation of a filter depends on the existing indexes. So
        this is short: a server makes the index in the background, and for many passages in this
        process `optimize` makes it. Until then each search reads every payload. A field that no
        passage has is not indexed.
        """
        ...

    def count(self) -> int:
        """Return the number of points."""
        ...

    def token_counts(self, name: str, limit: int) -> list[int]:
        """Return the number of token vectors of at most `limit` passages."""
        ...

    def flush(self) -> None:
        """Return when everything written so far is on disk."""
        ...

    def optimize(self) -> None:
        """Reclaim the space of deleted points, and build the HNSW graph if the options have one.

        Called with no search running: fields that `prepare` left to it are indexed too.
        """
        ...

    def close(self) -> None:
        """Close files and connections."""
        ...


class RemoteStore(VectorStore, Protocol):
    """A store that answers over a network, also to an event loop."""

    async def asearch(self, searches: Sequence[UnionSearch]) -> list[UnionAnswer]:
        """Return what `search` returns."""
        ...

    async def aget(self, points: Sequence[int]) -> dict[int, Passage]:
        """Return what `get` returns."""
        ...


def check_vectors(vectors: ArrayLike, count: int, dimension: int) -> Vectors:
    """Return vectors as one float32 matrix of shape (count, dimension).

    Raises:
        InvalidInputError: another shape, or a number that is not finite; the message says which.

    >>> check_vectors([[1, 0], [0, 1]], count=2, dimension=2).dtype
    dtype('float32')
    """
    try:
        with np.errstate(over="ignore"):  # infinite values raise below
            matrix = np.ascontiguousarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"vectors must be rows of numbers of one length: {error}") from None
    if count == 0 and matrix.size == 0:
        return matrix.reshape(0, dimension)
    if matrix.shape != (count, dimension):
        raise InvalidInputError(
            f"vectors have shape {matrix.shape}; this index needs ({count}, {dimension}): "
            "one row a passage, as long as the encoder's dimension"
        )
    finite = np.isfinite(matrix)
    if not finite.all():
        raise InvalidInputError(
            f"the vector in row {int(np.argmin(finite.all(axis=1)))} holds NaN or infinity: "
            "check what the encoder returned for it"
        )
    return matrix


def check_tokens(tokens: Sequence[ArrayLike], count: int, dimension: int) -> list[Vectors]:
    """Return one float32 matrix of shape (tokens, dimension) a text; a blank text has no token.

    Raises:
        InvalidInputError: not one matrix a text, another shape, or a number that is not finite.

    >>> [matrix.shape for matrix in check_tokens([[[1, 0], [0, 1]], []], count=2, dimension=2)]
    [(2, 2), (0, 2)]
    """
    _check_rows(tokens, count, "matrices of token vectors")
    checked = []
    for i, matrix in enumerate(tokens):
        if not isinstance(matrix, Sized) or isinstance(matrix, str | Mapping):
            raise InvalidInputError(
                f"the token vectors of text {i} must be a matrix, not {type(matrix).__name__}"
            )
        checked.append(check_vectors(matrix, len(matrix), dimension))
    return checked


def check_sparse(rows: Sequence[Sparse], count: int) -> list[Sparse]:
    """Return sparse vectors, numbers ascending, without weights that are 0.

    Raises:
        InvalidInputError: not one a text, numbers and weights of different lengths, a number
            that is no integer from 0 to 2**32 - 1 or comes twice, or a weight that float32 cannot
            hold as a finite number.

    >>> check_sparse([([7, 3], [0.5, 2.0]), ([], [])], count=2)
    [([3, 7], [2.0, 0.5]), ([], [])]
    """
    _check_rows(rows, count, "sparse vectors")
    checked: list[Sparse] = []
    for i, row in enumerate(rows):
        try:
            numbers, weights = row
            pairs = {index(n): float(w) for n, w in zip(numbers, weights, strict=True)}
        except (TypeError, ValueError) as error:
            raise InvalidInputError(
                f"the sparse vector in row {i} must be a pair of numbers and weights, a weight for "
                f"each number, not {row!r:.100} ({error})"
            ) from error
        if len(pairs) != len(numbers):
            raise InvalidInputError(f"the sparse vector in row {i} has a number twice")
        if not all(0 <= number < 2**32 for number in pairs):
            raise InvalidInputError(
                f"the sparse vector in row {i} has a number outside 0 to 2**32 - 1"
            )
        if not all(abs(weight) <= _GREATEST for weight in pairs.values()):
            raise InvalidInputError(
                f"the sparse vector in row {i} holds NaN, or a weight beyond float32: check what "
                "the encoder returned for it"
            )
        nonzero = sorted((number, weight) for number, weight in pairs.items() if weight)
        checked.append(([number for number, _ in nonzero], [weight for _, weight in nonzero]))
    return checked


def _check_rows(rows: object, count: int, what: str) -> None:
    if not isinstance(rows, Sized) or isinstance(rows, str | Mapping):
        raise InvalidInputError(f"{what} must be a list, one a text, not {type(rows).__name__}")
    if len(rows) != count:
        raise InvalidInputError(f"{len(rows)} {what} for {count} texts: give one a text")


def ranked(
    found: Ranking, query: VectorQuery, ids: Callable[[list[int]], Mapping[int, str]]
) -> Ranking:
    """Return points in the order of all stores: best first, ties by id, matches only.

    Args:
        found: points as an engine ranks them, best first, ties in no order.
        query: the query; with `ids`, the points stay in no order.
        ids: returns the passages' ids, called only where points tie.

    >>> names = {1: "c", 2: "b", 3: "a"}
    >>> query = VectorQuery("bm25", ([7], [1.0]), 3)
    >>> ranked({2: 0.5, 3: 0.5, 1: 0.0}, query, lambda points: names)
    {3: 0.5, 2: 0.5}
    """
    if query.ids is not None:
        return found
    found = matches(found, query)
    scores = list(found.values())
    if len(set(scores)) == len(scores):
        return found
    times = Counter(scores)
    names = ids([point for point, score in found.items() if times[score] > 1])
    order = sorted(found, key=lambda point: (-found[point], names.get(point, "")))
    return {point: found[point] for point in order}


def matches(found: Ranking, query: VectorQuery) -> Ranking:
    """Return points as an engine ranks them without those that share nothing with the query.

    >>> matches({2: 0.5, 1: 0.0}, VectorQuery("bm25", ([7], [1.0]), 3))
    {2: 0.5}
    """
    if query.ids is not None or not isinstance(query.vector, tuple) or not found:
        return found
    if next(reversed(found.values())) > 0.0:
        return found
    return {point: score for point, score in found.items() if score > 0.0}


def in_two_steps(
    searches: Sequence[UnionSearch],
    query: Callable[[Sequence[VectorQuery]], Sequence[Ranking]],
) -> list[UnionAnswer]:
    """Return the answers of an engine that first finds, and then scores what others found.

    Args:
        searches: the searches.
        query: returns the engine's matches of each query, best first.

    >>> def by_name(queries):
    ...     return [
    ...         dict.fromkeys(query.ids, 1.0) if query.ids else {len(query.name): 2.0}
    ...         for query in queries
    ...     ]
    >>> [answer] = in_two_steps(
    ...     [UnionSearch([VectorQuery("a", [1.0], 9), VectorQuery("bb", [1.0], 9)])], by_name
    ... )
    >>> answer.tops, answer.scores
    ([{1: 2.0}, {2: 2.0}], [{1: 2.0, 2: 1.0}, {2: 2.0, 1: 1.0}])
    """
    found = iter(query([each for search in searches for each in search.finding]))
    tops = [[next(found) for _ in search.finding] for search in searches]
    completing: list[VectorQuery] = []
    for search, own in zip(searches, tops, strict=True):
        union = set[int]().union(search.candidates, *own)
        for each, top in zip(search.finding, own, strict=True):
            missing = union.difference(top)
            completing.append(VectorQuery(each.name, each.vector, len(missing), ids=missing))
        completing += [
            VectorQuery(name, vector, len(union), ids=union) for name, vector in search.scoring
        ]
    pending = [each for each in completing if each.ids]
    scored = iter(query(pending) if pending else ())
    completed = iter([next(scored) if each.ids else {} for each in completing])
    return [
        UnionAnswer(
            own,
            [top | next(completed) for top in own] + [next(completed) for _ in search.scoring],
        )
        for search, own in zip(searches, tops, strict=True)
    ]


def passing(where: Filter, passages: Iterable[Passage]) -> IdIn:
    """Return a filter by id for the passages that pass `where`, which an engine cannot decide."""
    return IdIn([passage.id for passage in passages if where.matches(passage)])


def payload_of(passage: Passage) -> dict[str, JSON]:
    """Return the payload of a passage.

    Qdrant changes the last bit of every tenth float of 16 or 17 digits. Metadata with such a float
    are stored as text too, and get a stand-in that is equal to it for filters.

    >>> payload_of(Passage("p1", "text", {"year": 2019}))
    {'id': 'p1', 'text': 'text', 'metadata': {'year': 2019}}
    """
    metadata = dict(passage.metadata)
    payload: dict[str, JSON] = {"id": passage.id, "text": passage.text, "metadata": metadata}
    if _has_long_float(metadata):
        payload["exact"] = exact = json.dumps(metadata)
        payload["metadata"] = json.loads(exact, parse_float=lambda text: stand_in(float(text)))
    return payload


def stored_passage(id: str, text: str, metadata: Mapping[str, JSON]) -> Passage:  # noqa: A002
    """Return a passage of what is stored, without the validation it passed when it was written.

    >>> stored_passage("p1", "text", {}) == Passage("p1", "text")
    True
    """
    return stored_passages([{"id": id, "text": text, "metadata": metadata}])[0]


def stored_passages(payloads: Iterable[Mapping[str, Any]]) -> list[Passage]:
    """Return the passages of payloads by `payload_of`; not validated, as by `stored_passage`.

    >>> passage = Passage("p1", "text", {"at": 0.1 + 0.2})
    >>> stored_passages([payload_of(passage)]) == [passage]
    True
    """
    passages = []
    for payload in payloads:
        exact = payload.get("exact")
        passage = object.__new__(Passage)
        object.__setattr__(passage, "id", payload["id"])
        object.__setattr__(passage, "text", payload["text"])
        metadata = payload["metadata"] if exact is None else json.loads(exact)
        object.__setattr__(passage, "metadata", metadata)
        passages.append(passage)
    return passages


def _has_long_float(value: JSON) -> bool:
    match value:
        case float():
            return not is_short(value)
        case list():
            return any(map(_has_long_float, value))
        case dict():
            return any(map(_has_long_float, value.values()))
    return False
