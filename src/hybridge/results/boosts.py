"""`BoostedRetriever`: newer or chosen passages first, by boosts that are bounded."""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import isfinite
from numbers import Real
from typing import Any, Self

import numpy as np

from ..arguments import check_count
from ..errors import InvalidInputError
from ..filters import as_filter
from ..filters.dates import instant
from ..filters.fields import Field, Path, lookup, parse_field, spell_field
from ..fusion import ConvexCombination
from ..passages import Hit, Passage
from ..protocols import Where
from ..reranking import reordered
from .wrapping import RetrieverWrapper

__all__ = ["Boost", "BoostedRetriever", "Boosting", "Decay", "check_boosts", "check_weight"]

_NORMALIZATION = ConvexCombination("z-score")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365.25 * 86_400}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*(s|min|h|d|w|y)\s*")


class Boosting(ABC):
    """What adds to scores: `Boost`, `Decay`, or your own.

    Attributes:
        weight: the bound: no boost is beyond it, in standard deviations of the list.
    """

    weight: float

    def weighted(self, weight: float) -> Self:
        """Return the same with another weight."""
        other = copy.copy(self)
        object.__setattr__(other, "weight", weight)  # of a frozen dataclass too
        return other

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name in explanations."""

    @abstractmethod
    def boosts(self, passages: Sequence[Passage]) -> list[float]:
        """Return what is added to the score of each candidate: from 0 to `weight`."""


@dataclass(frozen=True)
class Boost(Boosting):
    """A boost of passages that pass a filter; the others stay as they are.

    Args:
        where: the filter.
        weight: what is added, in standard deviations of the list; below 0 it moves them down.

    Raises:
        InvalidInputError: a bad filter, or a weight that is no finite number.

    >>> docs = Boost({"kind": "manual"}, 0.2)
    >>> docs.boosts([Passage("a", "x", {"kind": "manual"}), Passage("b", "y")])
    [0.2, 0.0]
    """

    where: Where
    weight: float

    def __post_init__(self) -> None:
        condition = as_filter(self.where)
        if condition is None:
            raise InvalidInputError("a boost needs a filter, as in Boost({'kind': 'manual'}, 0.2)")
        check_weight(self.weight)

    @property
    def name(self) -> str:
        condition = as_filter(self.where)
        return f"boost {dict(condition.to_dict())}" if condition is not None else "boost"

    def boosts(self, passages: Sequence[Passage]) -> list[float]:
        condition = as_filter(self.where)
        assert condition is not None
        return [float(self.weight) if condition.matches(each) else 0.0 for each in passages]


@dataclass(frozen=True)
class Decay(Boosting):
    r"""A boost of new passages, which decays by a half with each `half_life` of their age.

    .. math:: b(d) = w \cdot 2^{-\max(0,\, t_{\text{now}} - t(d)) / h}

    with the weight :math:`w` and the half-life :math:`h`. A date in the future counts as now. A
    passage without a date, or with one that cannot be read, gets the mean of those that have one:
    nothing at all would count it as old as can be. Where no candidate has a date, none is boosted.

    Args:
        field: the metadata field of the date: a string of ISO 8601, in UTC where it names no zone,
            or a number of seconds since 1970, as of `time.time`. Of several, as in
            ``"versions[].date"``, the latest counts.
        half_life: ``"90d"``, in one of the units s, min, h, d, w and y, a number of seconds, or a
            `timedelta`.
        weight: what a passage of this moment gets, in standard deviations of the list; below 0 it
            moves new ones down.
        now: the moment that ages are counted from, as dates are given; None for each search's own.

    Raises:
        InvalidInputError: a field, half-life, weight or `now` that is not valid.

    >>> news = Decay("date", half_life="1y", weight=0.5, now="2026-01-01")
    >>> dates = ["2026-01-01", "2027-06-01", "2025-01-01T06:00", "soon"]
    >>> passages = [Passage(str(n), "x", {"date": date}) for n, date in enumerate(dates)]
    >>> [round(boost, 3) for boost in news.boosts(passages)]
    [0.5, 0.5, 0.25, 0.417]
    """

    field: Field
    half_life: str | float | timedelta
    weight: float = 0.5
    now: str | float | datetime | None = None

    def __post_init__(self) -> None:
        parse_field(self.field)
        _duration(self.half_life)
        check_weight(self.weight)
        if self.now is not None and _timestamp(self.now) is None:
            raise InvalidInputError(
                f"now must be a date of ISO 8601 or seconds since 1970, not {self.now!r}"
            )

    @property
    def name(self) -> str:
        return f"decay of {spell_field(parse_field(self.field))}"

    def boosts(self, passages: Sequence[Passage]) -> list[float]:
        fixed = None if self.now is None else _timestamp(self.now)
        now = datetime.now(UTC).timestamp() if fixed is None else fixed
        path, half_life = parse_field(self.field), _duration(self.half_life)
        dated = {
            i: self.weight * 2.0 ** (-max(0.0, now - moment) / half_life)
            for i, passage in enumerate(passages)
            if (moment := _latest(passage, path)) is not None
        }
        neutral = float(np.mean(list(dated.values()))) if dated else 0.0
        return [dated.get(i, neutral) for i in range(len(passages))]


class BoostedRetriever(RetrieverWrapper):
    r"""A retriever whose candidates are boosted, as a last stage that traces name "boost".

    .. math:: f(d) = \frac{s(d) - \mu}{\sigma} + \sum_i b_i(d)

    with the scores :math:`s` of the first `depth` hits of the retriever, their mean :math:`\mu` and
    their standard deviation :math:`\sigma`; where all are equal, or there is one, the boosts alone.
    Each boost lies between 0 and its weight. So a passage that is ahead of another by more than the
    sum of the weights, in standard deviations, stays ahead.

    Args:
        retriever: anything that `Pipeline` takes.
        boosts: one or several `Decay`, `Boost`, or other `Boosting`.
        depth: the candidates that are boosted, never fewer than a search's `k`.

    Attributes:
        retriever: the retriever.
        boosts: what was given.
        depth: what was given.

    Raises:
        InvalidInputError: something that is no retriever or no boost, none, or a bad depth; and, of
            a search, boosts of your own that are not one finite number a passage.

    >>> from hybridge import BM25Retriever
    >>> bm25 = BM25Retriever([
    ...     Passage("old", "Release notes of the server", {"date": "2020-05-01"}),
    ...     Passage("new", "Release notes of the new server", {"date": "2025-05-01"}),
    ...     Passage("other", "A server"),
    ... ])
    >>> fresh = BoostedRetriever(bm25, [Decay("date", "1y", weight=1.0, now="2025-06-01")])
    >>> [hits] = fresh.search(["release notes server"])
    >>> [hit.passage.id for hit in hits], [entry.stage for entry in hits[0].trace]
    (['new', 'old', 'other'], ['bm25', 'boost'])
    """

    stage = "boost"
    mixes_scores = True

    def __init__(
        self, retriever: Any, boosts: Boosting | Iterable[Boosting], *, depth: int = 50
    ) -> None:
        super().__init__(retriever)
        self.boosts = check_boosts(boosts)
        self.depth = check_count(depth, "depth")

    def candidates(self, k: int) -> int:
        return max(k, self.depth)

    def parts(self, hits: Sequence[Hit]) -> tuple[list[float], dict[str, list[float]]]:
        """Return the normalised score of each candidate, and what each boost adds to it, by name.

        Args:
            hits: all candidates of a query.
        """
        run = {hit.passage.id: hit.score for hit in hits}
        normalised = _NORMALIZATION.fuse([run], [1.0])
        passages = [hit.passage for hit in hits]
        names = _distinct([boost.name for boost in self.boosts])
        boosts = (_boosts(boost, passages) for boost in self.boosts)
        return (
            [normalised[hit.passage.id] for hit in hits],
            dict(zip(names, boosts, strict=True)),
        )

    def boosted(
        self, hits: Sequence[Hit], normalised: Sequence[float], boosts: Mapping[str, list[float]]
    ) -> list[Hit]:
        """Return all candidates of a query by their boosted scores, ties by id.

        Args:
            hits: all candidates of a query.
            normalised: the first of their `parts`.
            boosts: the second.
        """
        return reordered(self.stage, hits, np.sum([normalised, *boosts.values()], axis=0).tolist())

    def _lists(
        self,
        queries: Sequence[str],
        found: Sequence[Sequence[Hit]],
        k: int,
        where: Where | None,
    ) -> list[list[Hit]]:
        return [self.boosted(hits, *self.parts(hits))[:k] for hits in found]

    def __repr__(self) -> str:
        return f"BoostedRetriever({self.retriever!r}, {self.boosts!r}, depth={self.depth})"


def check_boosts(boosts: Boosting | Iterable[Boosting]) -> tuple[Boosting, ...]:
    """Validate boosts, one or a list, and return them as a tuple.

    Raises:
        InvalidInputError: none, or something that is no boost.

    >>> check_boosts(Boost({"kind": "manual"}, 0.2))
    (Boost(where={'kind': 'manual'}, weight=0.2),)
    """
    listed = [boosts] if isinstance(boosts, Boosting) else boosts
    if not isinstance(listed, Iterable) or isinstance(listed, str | Mapping):
        raise InvalidInputError(f"boosts are a list of Decay and Boost, not {boosts!r:.100}")
    found = tuple(listed)
    if not found:
        raise InvalidInputError("there is no boost: give one, as in [Decay('date', '90d')]")
    for each in found:
        if not isinstance(each, Boosting):
            raise InvalidInputError(f"boosts are a list of Decay and Boost: {each!r:.100} is none")
    return found


def check_weight(weight: float) -> float:
    """Validate a boost's weight, and return it.

    Raises:
        InvalidInputError: it is no finite number.

    >>> check_weight(0.2)
    0.2
    """
    if not isinstance(weight, Real) or isinstance(weight, bool) or not isfinite(weight):
        raise InvalidInputError(
            f"a boost's weight is a finite number of standard deviations, not {weight!r}"
        )
    return float(weight)


def _boosts(boost: Boosting, passages: Sequence[Passage]) -> list[float]:
    """Return what a boost, which may be a user's, adds to the score of each passage."""
    values = boost.boosts(passages) if passages else []
    listed = list(values) if isinstance(values, Iterable) else []
    are_numbers = all(isinstance(value, Real) and isfinite(value) for value in listed)
    if len(listed) != len(passages) or not are_numbers:
        raise InvalidInputError(
            f"{boost.name!r} must give a finite number for each of {len(passages)} passages, not "
            f"{values!r:.100}"
        )
    return list(map(float, listed))


def _duration(value: str | float | timedelta) -> float:
    """Return a duration in seconds."""
    seconds: float | None = None
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, Real) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and (found := _DURATION.fullmatch(value)):
        seconds = float(found[1]) * _SECONDS[found[2]]
    if seconds is None or not isfinite(seconds) or seconds <= 0:
        raise InvalidInputError(
            f"half_life must be a duration above 0 such as '90d', in one of the units "
            f"{', '.join(_SECONDS)}, seconds, or a timedelta, not {value!r}"
        )
    return seconds


def _timestamp(value: object) -> float | None:
    """Return a date as seconds since 1970; None for what is no date."""
    if isinstance(value, Real) and not isinstance(value, bool):
        seconds = float(value)
        return seconds if isfinite(seconds) else None
    if isinstance(value, str | date):
        moment = instant(value)
        return None if moment is None else moment.timestamp()
    return None


def _latest(passage: Passage, path: Path) -> float | None:
    """Return the latest date at a path, in seconds since 1970; None where there is none."""
    found = lookup(passage.metadata, path)
    values = (one for each in found for one in (each if isinstance(each, list) else [each]))
    moments = (moment for value in values if (moment := _timestamp(value)) is not None)
    return max(moments, default=None)


def _distinct(names: Sequence[str]) -> list[str]:
    """Return names with a number at those that come again."""
    return [
        name if name not in names[:i] else f"{name} ({names[:i].count(name) + 1})"
        for i, name in enumerate(names)
    ]
