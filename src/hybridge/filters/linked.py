"""Which filters a search through an HNSW graph answers rightly."""

from __future__ import annotations

from .comparisons import Comparison
from .conditions import Eq
from .indexes import index_fields
from .language import And, Filter

__all__ = ["linked_index"]


def linked_index(where: Filter) -> tuple[str, str] | None:
    """Return the payload index whose links in a graph lead to all that `where` matches.

    Where a field has a payload index, Qdrant builds a graph with links among the passages of each
    value, and of each stretch of numbers or dates. A search for one value or one range follows
    them. Through several values or fields there may be no way: of a graph of 100,000 passages with
    all their links, ``In`` over values that have few passages each found 1 % of the nearest
    passages, and two conditions joined by ``And`` 94 %.

    Args:
        where: the filter.

    Returns:
        the index's path and kind, as of `index_fields`; None where a search must compare all
        matches.

    >>> from hybridge.filters import Gte, In, Lt
    >>> linked_index(Gte("year", 2010) & Lt("year", 2020))
    ('metadata.year', 'float')
    >>> linked_index(In("topic", ["law", "trade"])), linked_index(Eq("topic", "law") & Gte("n", 1))
    (None, None)
    """
    parts = where.filters if isinstance(where, And) else (where,)
    is_value = len(parts) == 1 and isinstance(parts[0], Eq) and parts[0].value is not None
    if not is_value and not all(isinstance(part, Comparison) for part in parts):
        return None
    indexes = list(index_fields(where).items())
    return indexes[0] if len(indexes) == 1 else None
