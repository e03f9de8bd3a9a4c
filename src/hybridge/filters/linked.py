"""Which filters a search through an HNSW graph answers rightly."""

from __future__ import annotations

from collections.abc import Set

from .comparisons import Comparison
from .conditions import Eq
from .indexes import index_fields
from .language import And, Filter

__all__ = ["is_linked"]


def is_linked(where: Filter | None, indexes: Set[tuple[str, str]]) -> bool:
    """Return whether a graph leads to all that `where` matches.

    Where a field has a payload index, Qdrant builds a graph with links among the passages of each
    value, and of each stretch of numbers or dates. A search for one value or one range follows
    them. Through several values or fields there may be no way: in a graph of 100,000 passages with
    all such links, ``In`` over values of few passages each found 1 % of the nearest passages, and
    two conditions joined by ``And`` 94 %.

    Args:
        where: the filter; None where all passages match.
        indexes: path and kind of each payload index that the graph was built with.

    >>> from hybridge.filters import Gte, In, Lt
    >>> indexes = {("metadata.year", "float"), ("metadata.topic", "keyword")}
    >>> is_linked(Gte("year", 2010) & Lt("year", 2020), indexes), is_linked(Eq("n", 1), indexes)
    (True, False)
    >>> is_linked(In("topic", ["law", "art"]), indexes)
    False
    """
    if where is None:
        return True
    parts = where.filters if isinstance(where, And) else (where,)
    is_value = len(parts) == 1 and isinstance(parts[0], Eq) and parts[0].value is not None
    if not is_value and not all(isinstance(part, Comparison) for part in parts):
        return False
    wanted = index_fields(where).items()
    return len(wanted) == 1 and wanted <= indexes
