"""Other frameworks' retrievers as retrievers of Hybridge: their results become hits."""

from __future__ import annotations

import datetime
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from numbers import Real
from typing import Any

from ..arguments import check_k, check_queries
from ..errors import InvalidInputError
from ..frameworks import is_retriever
from ..observation import observed, shifted
from ..passages import JSON, Hit, Passage, StageScore
from ..pipeline import reads_operators
from ..protocols import Where
from ..vectors.store import stored_passage

__all__ = ["ExternalHit", "FrameworkRetriever", "as_json", "decreasing_scores"]

_log = logging.getLogger(__name__)

_DEEPEST = 60  # levels of metadata; a passage takes a few more


@dataclass(frozen=True, slots=True)
class ExternalHit:
    """A document or node that another framework found.

    Args:
        id: its own id, or None.
        text: its text.
        metadata: anything at all.
        score: what its list is sorted by, if known.
    """

    id: object
    text: str
    metadata: Mapping[Any, Any]
    score: object = None


class FrameworkRetriever(ABC):
    """Another framework's retriever as one of Hybridge; a subclass calls the framework.

    The lists keep their order. Their scores are kept where they decrease along the list, and equal
    ones are set apart by the smallest step there is; where scores are missing or contradict the
    order, minus the rank stands in: -1, -2, and so on. A passage found twice keeps its first
    position. Metadata that JSON cannot hold are written as text. An adapter's retriever, which is
    one of Hybridge already, answers itself, with the scores of all its stages.

    Args:
        retriever: the framework's.
        id_key: the metadata field that holds a passage's id; None for the framework's own ids.

    Attributes:
        retriever: the framework's.
        id_key: the metadata field that holds a passage's id, or None.
    """

    def __init__(self, retriever: Any, id_key: str | None) -> None:
        if id_key is not None and (not isinstance(id_key, str) or not id_key):
            raise InvalidInputError(f"id_key must be a metadata field's name, not {id_key!r}")
        self.retriever = retriever
        self.id_key = id_key
        self._stage = type(retriever).__name__
        self._warned = False

    @property
    def query_syntax(self) -> bool:
        """Whether an adapter's retriever reads operators in queries."""
        return is_retriever(self.retriever) and reads_operators(self.retriever)

    @abstractmethod
    def _fetch(self, queries: Sequence[str]) -> Sequence[Sequence[ExternalHit]]:
        """Return the framework's results for each query, best first; no query is blank."""

    @abstractmethod
    async def _afetch(self, queries: Sequence[str]) -> Sequence[Sequence[ExternalHit]]:
        """`_fetch` that does not block the event loop."""

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the first `k` of the retriever's results for each query, in its order.

        Args:
            queries: a list of questions; a blank one finds nothing.
            k: how many passages a query gets at most. The framework's retriever has its own
                number; a warning is logged once if it is smaller.
            where: for Hybridge's own retrievers alone.

        Raises:
            InvalidInputError: an argument is not valid, or a result has no id.
        """
        texts = check_queries(queries)
        if is_retriever(self.retriever):
            return self._renamed(self.retriever.search(texts, k, where=where))
        positions = self._positions(texts, k, where)
        with observed(self._stage, len(texts)) as report:
            with shifted(positions):
                found = self._fetch([texts[i] for i in positions])
            report.hits = lists = self._hits(len(texts), positions, found, k)
        return lists

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """`search` that does not block the event loop."""
        texts = check_queries(queries)
        if is_retriever(self.retriever):
            return self._renamed(await self.retriever.asearch(texts, k, where=where))
        positions = self._positions(texts, k, where)
        with observed(self._stage, len(texts)) as report:
            with shifted(positions):
                found = await self._afetch([texts[i] for i in positions])
            report.hits = lists = self._hits(len(texts), positions, found, k)
        return lists

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._stage})"

    def _positions(self, queries: Sequence[str], k: int, where: Where | None) -> list[int]:
        """Return the positions of the queries that are not blank."""
        check_k(k)
        if where is not None:
            raise InvalidInputError(
                f"{self._stage} takes no filter with a search, as where={where!r} asks: "
                "set its own where it is made"
            )
        return [i for i, query in enumerate(queries) if query.strip()]

    def _hits(
        self, count: int, positions: Sequence[int], found: Sequence[Sequence[ExternalHit]], k: int
    ) -> list[list[Hit]]:
        lists: list[list[Hit]] = [[] for _ in range(count)]
        for i, results in zip(positions, found, strict=True):
            lists[i] = self._ranked(results, k)
            if 0 < len(lists[i]) < k and not self._warned:
                self._warned = True
                _log.warning(
                    "%s gives %d passages where %d are asked for. Unless no more match, that is "
                    "a number it was made with (its k, similarity_top_k or search_kwargs): raise "
                    "it, or what is measured deeper is measured on these alone",
                    *(self._stage, len(lists[i]), k),
                )
        return lists

    def _ranked(self, found: Sequence[ExternalHit], k: int) -> list[Hit]:
        first: dict[str, ExternalHit] = {}
        for each in found:
            first.setdefault(self._id(each.id, each.text, each.metadata), each)
        scores = decreasing_scores([each.score for each in first.values()])
        hits = []
        for rank, (id_, score) in enumerate(islice(zip(first, scores, strict=True), k), start=1):
            each = first[id_]
            metadata = {_text(str(key)): as_json(value) for key, value in each.metadata.items()}
            passage = stored_passage(id_, _text(each.text), metadata)
            hits.append(Hit(passage, score, (StageScore(self._stage, rank, score),)))
        return hits

    def _renamed(self, lists: list[list[Hit]]) -> list[list[Hit]]:
        return lists if self.id_key is None else [list(self._by_id_key(hits)) for hits in lists]

    def _by_id_key(self, hits: Iterable[Hit]) -> Iterable[Hit]:
        """Yield hits of Hybridge under the ids that are in their metadata."""
        first: dict[str, Hit] = {}
        for hit in hits:
            first.setdefault(self._id(None, hit.passage.text, hit.passage.metadata), hit)
        for id_, hit in first.items():
            yield replace(hit, passage=Passage(id_, hit.passage.text, hit.passage.metadata))

    def _id(self, own: object, text: str, metadata: Mapping[Any, Any]) -> str:
        id_ = own if self.id_key is None else metadata.get(self.id_key)
        if id_ is None or id_ == "":
            lacks = "an id" if self.id_key is None else f"{self.id_key!r} in its metadata"
            raise InvalidInputError(
                f"{self._stage} found something without {lacks}, {text[:40]!r}: say which field of "
                f"its metadata holds the id, {type(self).__name__}(retriever, id_key=…). It has "
                f"{sorted(map(str, metadata))}"
            )
        return _text(str(id_))


def decreasing_scores(scores: Sequence[object]) -> list[float]:
    """Return the scores of a list if they decrease along it, else minus the ranks.

    Args:
        scores: of a list, in its order. Equal ones are set apart by the smallest step there is.

    >>> decreasing_scores([0.9, 0.5])
    [0.9, 0.5]
    >>> decreasing_scores([0.5, 0.9]), decreasing_scores([0.9, None])
    ([-1.0, -2.0], [-1.0, -2.0])
    """
    finite = [
        float(score)
        for score in scores
        if isinstance(score, Real) and not isinstance(score, bool) and math.isfinite(score)
    ]
    if len(finite) < len(scores) or any(after > before for before, after in pairwise(finite)):
        return [-float(rank) for rank in range(1, len(scores) + 1)]
    for i in range(1, len(finite)):
        finite[i] = min(finite[i], math.nextafter(finite[i - 1], -math.inf))
    return finite


def as_json(value: object, level: int = 1) -> JSON:
    """Return a value of metadata as JSON; what JSON cannot hold as text, NaN as None.

    >>> as_json({"on": datetime.date(2020, 5, 1), "at": (1, float("nan")), 7: b"raw"})
    {'on': '2020-05-01', 'at': [1, None], '7': "b'raw'"}
    """
    match value:
        case None | bool():
            return value
        case str():
            return _text(value)
        case int() if -(2**63) <= value < 2**63:
            return int(value)
        case float():
            return float(value) if math.isfinite(value) else None
        case datetime.date() | datetime.time():  # datetimes are dates
            return value.isoformat()
        case Mapping() if level < _DEEPEST:
            return {_text(str(key)): as_json(item, level + 1) for key, item in value.items()}
        case list() | tuple() if level < _DEEPEST:
            return [as_json(item, level + 1) for item in value]
        case set() | frozenset():
            return as_json(sorted(value, key=str), level)
    unpacked = getattr(value, "tolist", None)  # numpy's scalars and arrays
    return as_json(unpacked(), level + 1) if callable(unpacked) else _text(str(value))


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which cannot be stored
        return text.encode(errors="replace").decode()
    return text
