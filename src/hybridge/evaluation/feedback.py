"""What users clicked, and their thumbs up and down, as a judged collection."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real

from ..arguments import check_count, check_share
from ..errors import InvalidInputError
from .collection import Collection
from .records import Record, Source, read_records, source_name

__all__ = ["CLICKS", "THUMBS", "load_clicks", "load_thumbs"]

logger = logging.getLogger(__name__)

CLICKS = ("query", "passage", "position", "clicked")
THUMBS = ("query", "passage", "thumb")

_YES = {"1", "true", "yes", "up", "+1", "👍"}
_NO = {"0", "false", "no", "down", "-1", "👎"}


def load_clicks(
    source: Source,
    *,
    propensities: Sequence[float] | None = None,
    min_impressions: int = 1,
    min_rate: float = 0.1,
) -> Collection:
    r"""Load clicks as judgements, corrected for the position at which a passage was shown.

    A record is one passage shown to one user. People look at the top of a list more than at its
    end, so the share of clicks says as much about the old ranking as about the passage. Of a
    passage shown at the positions :math:`k_1 \dots k_n` for a query, the rate is its clicks over
    the looks that these positions lead one to expect,

    .. math:: r = \frac{\sum_i c_i}{\sum_i p(k_i)}

    where :math:`p(k)` is the propensity, the probability that a user looks at position :math:`k`.
    The passage is relevant (1) if it was clicked, its rate is `min_rate` or more, and it was shown
    `min_impressions` times or more. It is not relevant (0) if its rate is lower, and at least so
    many looks were expected. Any other passage has no judgement: perhaps no user saw it.

    Clicks stay weaker than labels. A passage that was never shown has no judgement, so the system
    that was logged looks better than it is; people trust a high position, and click what has a
    promising title. The propensities are best measured, by swapping results at random. N. Craswell
    et al., *An Experimental Comparison of Click Position-Bias Models*, WSDM 2008 (the model that a
    click is a look and a liking); T. Joachims, A. Swaminathan and T. Schnabel, *Unbiased
    Learning-to-Rank with Biased Feedback*, WSDM 2017 (propensities, and :math:`1 / k` for them).

    Args:
        source: a table, JSONL, or records in memory: ``query`` (its text), ``passage`` (its id),
            ``position`` from 1, ``clicked``. A table's first line names the columns.
        propensities: of positions 1, 2 …, each above 0 and at most 1; 1 / position by default.
            Equal ones correct nothing.
        min_impressions: how often a passage must be shown for a query.
        min_rate: the rate that makes a passage relevant, from 0 to 1.

    Returns:
        no passages, the queries that have a relevant passage, each with its text as its id, and
        the judgements. Without positions nothing can be corrected, and a warning says so; another
        one says that the propensities are assumed.

    Raises:
        InvalidInputError: a record is no such impression, a position has no propensity, or no
            passage is relevant; the message names file and line.

    >>> shown = [("why?", "p1", 1, 0), ("why?", "p2", 2, 1), ("why?", "p3", 3, 0)]
    >>> load_clicks(shown, propensities=[1, 0.5, 0.3]).qrels
    {'why?': {'p1': 0, 'p2': 1}}
    """
    check_count(min_impressions, "min_impressions")
    check_share(min_rate, "min_rate")
    expected = None if propensities is None else _check_propensities(propensities)
    shown: defaultdict[tuple[str, str], Counter[int | None]] = defaultdict(Counter)
    clicks: Counter[tuple[str, str]] = Counter()
    for record in read_records(source, CLICKS):
        pair = record.text("query"), record.id("passage")
        shown[pair][_position(record, expected)] += 1
        clicks[pair] += _yes_or_no(record, "clicked")
    name = source_name(source, "the clicks")
    _warn_of_position_bias(name, shown.values(), expected)
    grades: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for pair, positions in shown.items():
        query, passage = pair
        looks = sum(n * _propensity(k, expected) for k, n in positions.items())
        is_relevant = clicks[pair] > 0 and clicks[pair] / looks >= min_rate
        if positions.total() >= min_impressions if is_relevant else looks >= min_impressions:
            grades[query][passage] = int(is_relevant)
    return _collection(grades, {query for query, _ in shown}, name)


def load_thumbs(source: Source, *, min_votes: int = 1) -> Collection:
    """Load thumbs up and down as judgements, by the majority of a passage's votes for a query.

    A passage is relevant (1) with more thumbs up than down, and not relevant (0) with fewer; a tie
    is no judgement. People vote on what they were shown, so a passage that was never shown has no
    judgement, and the system that was logged looks better than it is. A thumb for a whole answer
    says little about each of its passages.

    Args:
        source: a table, JSONL, or records in memory: ``query`` (its text), ``passage`` (its id),
            ``thumb`` (1 or -1, up or down, true or false; 0 is down). A table's first line names
            the columns.
        min_votes: how many votes a passage must have for a query.

    Returns:
        no passages, the queries that have a relevant passage, each with its text as its id, and
        the judgements.

    Raises:
        InvalidInputError: a record is no such vote, or no passage is relevant; the message names
            file and line.

    >>> load_thumbs([("why?", "p1", 1), ("why?", "p2", -1), ("who?", "p2", -1)]).qrels
    {'why?': {'p1': 1, 'p2': 0}}
    """
    check_count(min_votes, "min_votes")
    ups: Counter[tuple[str, str]] = Counter()
    votes: Counter[tuple[str, str]] = Counter()
    for record in read_records(source, THUMBS):
        pair = record.text("query"), record.id("passage")
        ups[pair] += _yes_or_no(record, "thumb")
        votes[pair] += 1
    grades: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (query, passage), total in votes.items():
        up = ups[query, passage]
        if total >= min_votes and 2 * up != total:
            grades[query][passage] = int(2 * up > total)
    name = source_name(source, "the thumbs")
    return _collection(grades, {query for query, _ in votes}, name)


def _collection(
    grades: Mapping[str, Mapping[str, int]], queries: set[str], name: str
) -> Collection:
    qrels = {query: judged for query, judged in grades.items() if any(judged.values())}
    if not qrels:
        raise InvalidInputError(
            f"{name}: none of {len(queries)} queries has a relevant passage: gather more, or lower "
            "the thresholds"
        )
    if len(qrels) < len(queries):
        logger.warning(
            "%s: %d of %d queries have no relevant passage, and are left out",
            *(name, len(queries) - len(qrels), len(queries)),
        )
    return Collection((), {query: query for query in qrels}, qrels)


def _warn_of_position_bias(
    name: str, shown: Iterable[Mapping[int | None, int]], expected: Sequence[float] | None
) -> None:
    if any(None in positions for positions in shown):
        logger.warning(
            "%s has clicks without positions: users click what stands on top, so these judgements "
            "favour the ranking that was logged; log each passage's position",
            name,
        )
    elif expected is None:
        logger.warning(
            "%s: users click what stands on top, which is corrected by assuming that 1 / position "
            "of them look at a position; give measured propensities if there are some",
            name,
        )


def _position(record: Record, expected: Sequence[float] | None) -> int | None:
    """Return the position of an impression; None where it was not logged."""
    value = record.fields.get("position")
    if value is None or value == "":
        return None
    position = _whole(value)
    if position is None or position < 1:
        raise InvalidInputError(
            f"{record.where}: 'position' must be a whole number from 1, not {value!r}"
        )
    if expected is not None and position > len(expected):
        raise InvalidInputError(
            f"{record.where}: position {position} has no propensity, there are {len(expected)}"
        )
    return position


def _propensity(position: int | None, expected: Sequence[float] | None) -> float:
    if position is None:
        return 1.0
    return 1 / position if expected is None else expected[position - 1]


def _check_propensities(propensities: Sequence[float]) -> list[float]:
    if not isinstance(propensities, Iterable):
        raise InvalidInputError(
            f"propensities must be a list, of positions 1, 2 and so on, not {propensities!r}"
        )
    for each in propensities:
        if not isinstance(each, Real) or isinstance(each, bool) or not 0 < each <= 1:
            raise InvalidInputError(
                f"propensities must be numbers above 0 and at most 1, not {each!r}"
            )
    return [float(each) for each in propensities]


def _whole(value: object) -> int | None:
    """Return a whole number, which pandas makes "1.0" in a column with gaps; None of others."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    number = str(value).removesuffix(".0") if isinstance(value, str | float) else ""
    return int(number) if number.isdecimal() else None


def _yes_or_no(record: Record, name: str) -> bool:
    value = record.value(name)
    word = str(value).lower().removesuffix(".0")
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise InvalidInputError(
        f"{record.where}: {name!r} must be 1 or {'-1' if name == 'thumb' else '0'}, true or false, "
        f"not {value!r:.80}"
    )
