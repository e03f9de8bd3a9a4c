"""What the adapters of other frameworks share: lists found elsewhere become hits."""

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

from .arguments import check_k, check_queries
from .errors import InvalidInputError
from .foreign import is_retriever
from .observation import observed, shifted
from .passages import JSON, Hit, Passage, StageScore, stored_passage
from .protocols import Where

__all__ = ["Bridge", "Found", "as_json", "falling"]

_log = logging.getLogger(__name__)

_DEEPEST = 60  # levels of metadata; a passage takes a few more


@dataclass(frozen=True, slots=True)
class Found:
    """A document or node as another framework found it.

    Args:
        id: its own id, or None.
        text: what is in it.
        metadata: anything at all.
        score: what its list is sorted by, if that is told.
    """

    id: object
    text: str
    metadata: Mapping[Any, Any]
    score: object = None


class Bridge(ABC):
    """Another framework's retriever as one of Hybridge; a subclass says how it is asked.

    The lists keep their order. Their scores are kept where they fall with it, and those that tie
    are set apart by the smallest step there is; where there are none, or they say another order,
    minus the rank stands in: -1, -2, and so on. A passage found twice keeps its first place.
    Metadata that JSON cannot hold is written as text. A retriever that is one of Hybridge in the
    framework's clothes answers itself, with all that its stages thought.

    Args:
        retriever: the framework's.
        id_key: the metadata field that holds a passage's id; None for the framework's own ids.

    Attributes:
        retriever: what was given.
        id_key: what was given.
    """

    def __init__(self, retriever: Any, id_key: str | None) -> None:
        if id_key is not None and (not isinstance(id_key, str) or not id_key):
            raise InvalidInputError(f"id_key must be a metadata field's name, not {id_key!r}")
        self.retriever = retriever
        self.id_key = id_key
        self._stage = type(retriever).__name__
        self._warned = False

    @abstractmethod
    def _ask(self, queries: Sequence[str]) -> Sequence[Sequence[Found]]:
        """What the framework's retriever finds for each query, best first; none is blank."""

    @abstractmethod
    async def _aask(self, queries: Sequence[str]) -> Sequence[Sequence[Found]]:
        """`_ask` that does not block the event loop."""

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """The first `k` of what the retriever finds for each query, in its order.

        Args:
            queries: a list of questions; a blank one finds nothing.
            k: how many passages a query gets at most. How many are looked for is the framework's
                retriever's own affair; the log says once if it gives fewer.
            where: for Hybridge's own retrievers alone.

        Raises:
            InvalidInputError: an argument is not valid, or what was found has no id.
        """
        asked = check_queries(queries)
        if is_retriever(self.retriever):
            return self._renamed(self.retriever.search(asked, k, where=where))
        places = self._places(asked, k, where)
        with observed(self._stage, len(asked)) as report:
            with shifted(places):
                found = self._ask([asked[at] for at in places])
            report.hits = lists = self._hits(len(asked), places, found, k)
        return lists

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """`search` that does not block the event loop."""
        asked = check_queries(queries)
        if is_retriever(self.retriever):
            return self._renamed(await self.retriever.asearch(asked, k, where=where))
        places = self._places(asked, k, where)
        with observed(self._stage, len(asked)) as report:
            with shifted(places):
                found = await self._aask([asked[at] for at in places])
            report.hits = lists = self._hits(len(asked), places, found, k)
        return lists

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._stage})"

    def _places(self, asked: Sequence[str], k: int, where: Where | None) -> list[int]:
        """Where the queries are that something can be found for."""
        check_k(k)
        if where is not None:
            raise InvalidInputError(
                f"{self._stage} takes no filter with a search, as where={where!r} asks: "
                "set its own where it is made"
            )
        return [at for at, query in enumerate(asked) if query.strip()]

    def _hits(
        self, count: int, places: Sequence[int], found: Sequence[Sequence[Found]], k: int
    ) -> list[list[Hit]]:
        lists: list[list[Hit]] = [[] for _ in range(count)]
        for at, some in zip(places, found, strict=True):
            lists[at] = self._ranked(some, k)
            if 0 < len(lists[at]) < k and not self._warned:
                self._warned = True
                _log.warning(
                    "%s gives %d passages where %d are asked for. Unless no more match, that is "
                    "a number it was made with (its k, similarity_top_k or search_kwargs): raise "
                    "it, or what is measured deeper is measured on these alone",
                    *(self._stage, len(lists[at]), k),
                )
        return lists

    def _ranked(self, found: Sequence[Found], k: int) -> list[Hit]:
        first: dict[str, Found] = {}
        for each in found:
            first.setdefault(self._id(each.id, each.text, each.metadata), each)
        scores = falling([each.score for each in first.values()])
        hits = []
        for rank, (id_, score) in enumerate(islice(zip(first, scores, strict=True), k), start=1):
            each = first[id_]
            metadata = {_text(str(key)): as_json(value) for key, value in each.metadata.items()}
            passage = stored_passage(id_, _text(each.text), metadata)
            hits.append(Hit(passage, score, (StageScore(self._stage, rank, score),)))
        return hits

    def _renamed(self, lists: list[list[Hit]]) -> list[list[Hit]]:
        return lists if self.id_key is None else [list(self._known(hits)) for hits in lists]

    def _known(self, hits: Iterable[Hit]) -> Iterable[Hit]:
        """Hits of Hybridge under the ids that are in their metadata."""
        first: dict[str, Hit] = {}
        for hit in hits:
            first.setdefault(self._id(None, hit.passage.text, hit.passage.metadata), hit)
        for id_, hit in first.items():
            yield replace(hit, passage=Passage(id_, hit.passage.text, hit.passage.metadata))

    def _id(self, own: object, text: str, metadata: Mapping[Any, Any]) -> str:
        given = own if self.id_key is None else metadata.get(self.id_key)
        if given is None or given == "":
            lacks = "an id" if self.id_key is None else f"{self.id_key!r} in its metadata"
            raise InvalidInputError(
                f"{self._stage} found something without {lacks}, {text[:40]!r}: say which field of "
                f"its metadata holds the id, {type(self).__name__}(retriever, id_key=…). It has "
                f"{sorted(map(str, metadata))}"
            )
        return _text(str(given))


def falling(scores: Sequence[object]) -> list[float]:
    """Scores that fall along a list: those given, or minus the rank where they do not serve.

    Args:
        scores: of a list, in its order. Equal ones are set apart by the smallest step there is.

    >>> falling([0.9, 0.5])
    [0.9, 0.5]
    >>> falling([0.5, 0.9]), falling([0.9, None])
    ([-1.0, -2.0], [-1.0, -2.0])
    """
    given = [
        float(score)
        for score in scores
        if isinstance(score, Real) and not isinstance(score, bool) and math.isfinite(score)
    ]
    if len(given) < len(scores) or any(after > before for before, after in pairwise(given)):
        return [-float(rank) for rank in range(1, len(scores) + 1)]
    for at in range(1, len(given)):
        given[at] = min(given[at], math.nextafter(given[at - 1], -math.inf))
    return given


def as_json(value: object, level: int = 1) -> JSON:
    """A value of metadata as JSON; what JSON cannot hold is written as text, NaN as None.

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
