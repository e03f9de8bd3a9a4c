"""A collection's strict mode: which requests a server refuses, and in which words."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hybridge.vectors.local import Refused

if TYPE_CHECKING:
    from .engine import Collection

__all__ = ["Bucket", "check", "check_index"]

_DISK = 73  # percent in use


@dataclass
class Bucket:
    """Tokens for requests: as many as a minute's limit, filled in a minute."""

    size: int
    tokens: float = 0.0
    filled: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.tokens = float(self.size)

    def take(self, cost: int, what: str) -> None:
        """Take tokens.

        Raises:
            Refused: there are too few; with ``retry_after`` in seconds where there will be enough.
        """
        now = time.monotonic()
        self.tokens = min(self.size, self.tokens + (now - self.filled) * self.size / 60)
        self.filled = now
        if cost > self.size:
            raise Refused(
                429,
                f"Rate limiting exceeded: {what} rate limit exceeded: request larger than rate "
                "limiter capacity, please try to split your request",
            )
        if cost > self.tokens:
            seconds = math.ceil((cost - self.tokens) * 60 / self.size)
            refused = Refused(
                429,
                f"Rate limiting exceeded: {what} rate limit exceeded: Operation requires {cost} "
                f"tokens but only {self.tokens:.1f} were available. Retry after {seconds}s",
            )
            refused.retry_after = seconds  # type: ignore[attr-defined]
            raise refused
        self.tokens -= cost


def check_index(collection: Collection, path: str) -> None:
    """Refuse a payload index too many."""
    most = (collection.strict or {}).get("max_payload_index_count")
    if most is not None and path not in collection.schema and len(collection.schema) >= most:
        raise Refused(
            400,
            f"Bad request: Collection already has the maximum number of payload indices ({most}). "
            "Help: Please delete an existing index before creating a new one.",
        )


def check(
    collection: Collection, method: str, verb: list[str], body: Any, *, is_read: bool
) -> None:
    """Refuse a request for points that strict mode forbids.

    Raises:
        Refused: a limit is passed, or a filter or search is not allowed.
    """
    rules = collection.strict or {}
    if not rules.get("enabled"):
        return
    body = body or {}
    searches = body.get("searches", [body])
    points = body.get("points", [])
    if "searches" in body:
        _limit(len(searches), rules.get("search_max_batchsize"), "search batch size")
    if [method, *verb] == ["PUT", "points"]:
        _limit(len(points), rules.get("upsert_max_batchsize"), "upsert limit")
        _check_room(rules)
    if verb == ["points", "vectors"]:
        _limit(len(points), rules.get("upsert_max_batchsize"), "update limit")
    for search in searches:
        _check_search(collection, rules, search, is_read=is_read)
    _take(collection, rules, searches, points, is_read=is_read)


def _check_room(rules: dict[str, Any]) -> None:
    most = rules.get("max_disk_usage_percent")
    if most is not None and most <= _DISK:
        raise _refused(
            f"Disk usage is at {_DISK}% of total capacity, exceeding the configured limit of "
            f"{most}%",
            "Reduce disk usage (e.g. delete points or drop collections) or raise "
            "`max_disk_usage_percent` in strict mode.",
        )


def _check_search(
    collection: Collection, rules: dict[str, Any], search: Any, *, is_read: bool
) -> None:
    prefetches = search.get("prefetch") or []
    for prefetch in [prefetches] if isinstance(prefetches, dict) else prefetches:
        _check_search(collection, rules, prefetch, is_read=is_read)
    if rules.get("search_allow_exact") is False and not prefetches:
        _check_full_scan(collection, search)
    if "limit" in search or "query" in search:
        _limit(search.get("limit", 10), rules.get("max_query_limit"), "limit")
    if search.get("filter"):
        _check_filter(collection, rules, search["filter"], is_read=is_read)
    params = search.get("params") or {}
    oversampling = (params.get("quantization") or {}).get("oversampling")
    if oversampling is not None:
        _limit(oversampling, rules.get("search_max_oversampling"), "oversampling")
    if params.get("hnsw_ef") is not None:
        _limit(params["hnsw_ef"], rules.get("search_max_hnsw_ef"), "hnsw_ef")
    if rules.get("search_allow_exact") is False and (params.get("exact") or search.get("exact")):
        raise _refused("Exact search disabled!", "Set exact=false.")


def _check_full_scan(collection: Collection, search: Any) -> None:
    query, name = search.get("query"), search.get("using") or ""
    is_vector = isinstance(query, list) or (
        isinstance(query, dict) and not {"fusion", "rrf", "formula", "order_by"} & query.keys()
    )
    if not is_vector or name in collection.params.get("sparse_vectors", {}):
        return
    vectors = collection.params["vectors"]
    own = (vectors if "size" in vectors else vectors.get(name, {})).get("hnsw_config") or {}
    links = own.get("m", collection.settings["hnsw_config"]["m"])
    filtered = {each.get("key") for each in _conditions(search.get("filter") or {})}
    if links == 0 and not (filtered & collection.tenants):
        raise _refused(
            "Request is forbidden" + (f" on '{name}'" if name else "") + " because global vector "
            "indexing is disabled (hnsw_config.m = 0)",
            "Use tenant-specific filter, enable global vector indexing or enable strict mode "
            "`search_allow_exact` option",
        )


def _check_filter(
    collection: Collection, rules: dict[str, Any], where: Any, *, is_read: bool
) -> None:
    conditions = list(_conditions(where))
    most = rules.get("filter_max_conditions")
    if most is not None and len(conditions) > most:
        raise _refused(
            f"Filter condition limit reached ({len(conditions)} > {most})",
            "Reduce the amount of conditions of your filter.",
        )
    size, most = max(map(_size, conditions), default=0), rules.get("condition_max_size")
    if most is not None and size > most:
        raise _refused(
            f"Condition size limit reached ({size} > {most})", "Reduce the size of your condition."
        )
    rule = "unindexed_filtering_retrieve" if is_read else "unindexed_filtering_update"
    if rules.get(rule) is not False:
        return
    for condition in conditions:
        kinds = _kinds(condition)
        if kinds and collection.schema.get(condition["key"]) not in kinds:
            raise _refused(
                f'Index required but not found for "{condition["key"]}" of one of the following '
                f"types: [{', '.join(sorted(kinds))}]",
                "Create an index for this key or use a different filter.",
            )


def _conditions(where: Any) -> Iterator[Any]:
    for clause in ("must", "should", "must_not", "min_should"):
        conditions = where.get(clause) or []
        if clause == "min_should" and conditions:
            conditions = conditions["conditions"]
        for condition in [conditions] if isinstance(conditions, dict) else conditions:
            if {"must", "should", "must_not", "min_should"} & condition.keys():
                yield from _conditions(condition)
            else:
                yield condition


def _size(condition: Any) -> int:
    match = condition.get("match") or {}
    return len(condition.get("has_id") or match.get("any") or match.get("except") or [None])


def _kinds(condition: Any) -> set[str]:
    """Return the types of payload indexes of which one decides a condition; none for no field."""
    if "range" in condition:
        ends = [end for end in condition["range"].values() if end is not None]
        if any(isinstance(end, str) for end in ends):
            return {"datetime"}
        return {"float", "integer"}
    match = condition.get("match")
    if match is None:
        return set()
    if {"text", "phrase", "text_any"} & match.keys():
        return {"text"}
    [value, *_] = match.get("any") or match.get("except") or [match.get("value")]
    if isinstance(value, bool):
        return {"bool"}
    if isinstance(value, int):
        return {"integer"}
    return {"keyword", "uuid"} if _is_uuid(value) else {"keyword"}


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _take(
    collection: Collection, rules: dict[str, Any], searches: Any, points: Any, *, is_read: bool
) -> None:
    rule, what = ("read_rate_limit", "Read") if is_read else ("write_rate_limit", "Write")
    most = rules.get(rule)
    if most is not None:
        bucket = collection.buckets.setdefault(rule, Bucket(most))
        bucket.take(len(searches) if is_read else max(1, len(points)), what)


def _limit(value: float, most: float | None, name: str) -> None:
    if most is not None and value > most:
        raise _refused(
            f'Limit exceeded {value:g} > {most:g} for "{name}"',
            f'Reduce the "{name}" parameter to or below {most:g}.',
        )


def _refused(what: str, cure: str) -> Refused:
    return Refused(400, f"Bad request: {what}. Help: {cure}")
