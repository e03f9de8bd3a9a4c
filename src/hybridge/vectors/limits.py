"""The limits of a collection in Qdrant's strict mode, as on Qdrant Cloud."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..filters import Strictness

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """What requests to a collection must keep to; by default nothing.

    Args:
        results: the most points that a search or a page of points returns.
        searches: the most searches of one request.
        upserts: the most points of one request that writes.
        hnsw_ef: the most candidates that a search of a graph looks at.
        oversampling: the most that a first pass over quantised vectors takes of each point wanted.
        allows_exact: whether a search may look at every vector.
        finds_text: whether filters may find text inside strings.
        filters: of its filters.

    >>> limits = Limits.of({"enabled": True, "max_query_limit": 50, "search_max_hnsw_ef": None})
    >>> limits.results, limits.allows_exact
    (50, True)
    """

    results: int = sys.maxsize
    searches: int = sys.maxsize
    upserts: int = sys.maxsize
    hnsw_ef: int = sys.maxsize
    oversampling: float = sys.float_info.max
    allows_exact: bool = True
    finds_text: bool = True
    filters: Strictness = field(default_factory=Strictness)

    @classmethod
    def of(cls, strict_mode: Mapping[str, Any] | None) -> Limits:
        """Return the limits of a collection's ``strict_mode_config``."""
        stated = {key: value for key, value in (strict_mode or {}).items() if value is not None}
        if not stated.get("enabled"):
            return cls()
        return cls(
            results=stated.get("max_query_limit", cls.results),
            searches=stated.get("search_max_batchsize", cls.searches),
            upserts=stated.get("upsert_max_batchsize", cls.upserts),
            hnsw_ef=stated.get("search_max_hnsw_ef", cls.hnsw_ef),
            oversampling=stated.get("search_max_oversampling", cls.oversampling),
            allows_exact=stated.get("search_allow_exact", True),
            # Newer servers refuse it in strict mode, for it reads every value of the field.
            finds_text=False,
            filters=Strictness(
                needs_index=not stated.get("unindexed_filtering_retrieve", True),
                condition_size=stated.get("condition_max_size", Strictness.condition_size),
                conditions=stated.get("filter_max_conditions", Strictness.conditions),
            ),
        )
