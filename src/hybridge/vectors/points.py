"""The ids of points in a Qdrant collection: Qdrant's, the passages', and the store's numbers.

Qdrant has UUIDs and unsigned integers of 64 bits; a store has plain numbers. A UUID is its 128
bits, and the integer `n` is ``-1 - n``, so that no two ids share a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

__all__ = ["NOWHERE", "id_of", "ids_of", "name_of", "number_of", "point_named"]

_INTEGERS = 2**64
# The number of a string that is no point's name: no point has it.
NOWHERE = -_INTEGERS - 1


def number_of(id_: int | str | UUID) -> int:
    """Return the number of the point with Qdrant's id `id_`.

    >>> number_of(0), number_of("00000000-0000-0000-0000-000000000007")
    (-1, 7)
    """
    if isinstance(id_, int):
        return -1 - id_
    return int(str(id_).replace("-", ""), 16)  # a search reads hundreds, and UUID takes long


def id_of(number: int) -> int | str | None:
    """Return Qdrant's id of the point of this number; None for `NOWHERE`.

    >>> id_of(-1), id_of(7), id_of(NOWHERE)
    (0, '00000000-0000-0000-0000-000000000007', None)
    """
    if number >= 0:
        digits = f"{number:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return None if number == NOWHERE else -1 - number


def ids_of(numbers: Iterable[int]) -> list[int | str]:
    """Return Qdrant's ids of the points of these numbers, without `NOWHERE`."""
    return [id_ for id_ in map(id_of, numbers) if id_ is not None]


def name_of(number: int) -> str:
    """Return the passage's id at the point of this number, if it is Qdrant's id.

    >>> name_of(-1), name_of(7)
    ('0', '00000000-0000-0000-0000-000000000007')
    """
    return str(id_of(number))


def point_named(name: str) -> int:
    """Return the number whose `name_of` is `name`; `NOWHERE` if there is none.

    One point has one name: other spellings of a UUID or an integer are no names.

    >>> point_named("0"), point_named("00000000-0000-0000-0000-000000000007")
    (-1, 7)
    >>> {point_named(name) for name in ("p1", "007", "-1", str(2**64))} == {NOWHERE}
    True
    """
    try:
        # No integer of more digits fits, and Python limits their number.
        number = -1 - int(name) if len(name) <= 20 else UUID(name).int
    except ValueError:
        return NOWHERE
    return number if number >= -_INTEGERS and name_of(number) == name else NOWHERE
