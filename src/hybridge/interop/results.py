"""The retrievers around a retriever that an adapter's options ask for."""

from __future__ import annotations

from ..errors import InvalidInputError
from ..filters.fields import Field
from ..protocols import Retriever
from ..results import DistinctRetriever, GroupedRetriever, Links, ParentRetriever

__all__ = ["arranged"]

# An option that says how another one is meant.
_BESIDE = {"per_group": "group_by", "window": "parents", "merge": "parents"}


def arranged(
    retriever: Retriever,
    *,
    distinct: bool | float | None = None,
    group_by: Field | None = None,
    per_group: int | None = None,
    parents: Field | Links | None = None,
    window: int | None = None,
    merge: float | None = None,
) -> Retriever:
    """Return a retriever with those around it whose options are set, innermost first.

    Args:
        retriever: a retriever of Hybridge.
        distinct: near duplicates are left out; a number is the similarity from which on.
        group_by: the field whose values make the groups that `k` counts.
        per_group: hits of one group at most; 1 by default.
        parents: the field of the parent's id: parents are returned in place of their children.
        window: neighbors on each side to return, instead of parents.
        merge: the share of a parent's children above which it is returned, else they are.

    Raises:
        InvalidInputError: a value that is not valid, or one that says how another is meant, which
            is not set.

    >>> from hybridge import BM25Retriever
    >>> arranged(BM25Retriever(), window=1)
    Traceback (most recent call last):
    ...
    hybridge.errors.InvalidInputError: window=1 says how parents is meant: set parents as well
    """
    values = {"per_group": per_group, "window": window, "merge": merge}
    others = {"group_by": group_by, "parents": parents}
    for name, other in _BESIDE.items():
        if values[name] is not None and others[other] is None:
            raise InvalidInputError(
                f"{name}={values[name]!r} says how {other} is meant: set {other} as well"
            )
    made = retriever
    if distinct is True:
        made = DistinctRetriever(made)
    elif distinct is not None and distinct is not False:
        made = DistinctRetriever(made, distinct)
    if group_by is not None:
        made = GroupedRetriever(made, group_by, per_group=1 if per_group is None else per_group)
    if parents is not None:
        made = ParentRetriever(made, parents, window=window, merge=merge)
    return made
