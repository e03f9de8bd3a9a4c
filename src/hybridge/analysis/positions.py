"""What a word is to a phrase: the positions it takes, and the terms that begin at each.

Most words take one position and have one term. A joined word, such as "XR-500", takes one position
a part; the term of the whole, ``xr500``, begins at the first and spans them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

__all__ = ["NO_TERM", "Position", "Word", "positions_of"]

Position: TypeAlias = tuple[tuple[str, int], ...]
"""The terms that begin at a position, each with the number of positions it spans."""

Word: TypeAlias = tuple[Position, ...]

NO_TERM = "\0"
"""Stands before a stop word, which has no term, so that it is no other word's."""


def positions_of(
    spans: Iterable[tuple[str, range]], terms_of: Callable[[str], Sequence[str]]
) -> Word:
    """Return the positions of a word.

    Args:
        spans: its forms, and the positions of each.
        terms_of: from a form to its terms.

    >>> spans = [("XR", range(0, 1)), ("500", range(1, 2)), ("XR500", range(0, 2))]
    >>> positions_of(spans, lambda form: [form.lower()])
    ((('xr', 1), ('xr500', 2)), (('500', 1),))
    >>> positions_of([("The", range(1))], lambda form: [])
    ((('\\x00the', 1),),)
    """
    found: dict[int, dict[tuple[str, int], None]] = {}
    for form, span in spans:
        terms = terms_of(form)
        if not terms and len(span) == 1:
            terms = [NO_TERM + form.casefold()]
        begins = found.setdefault(span.start, {})
        begins.update(dict.fromkeys((term, len(span)) for term in terms))
    return tuple(tuple(found[i]) for i in range(len(found)))
