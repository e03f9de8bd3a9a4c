"""What points of a Qdrant collection are called: by Qdrant, by passages, and by numbers between.

Qdrant knows UUIDs and unsigned integers of 64 bits; a store deals in plain numbers. A UUID is its
128 bits, and the integer `n` is ``-1 - n``, so that no two ids share a number.
"""

from __future__ import annotations

from uuid import UUID

__all__ = ["NOWHERE", "id_of", "name_of", "number_of", "point_named"]

_INTEGERS = 2**64
# The number of what can be no point's name: no point has it.
NOWHERE = -_INTEGERS - 1


def number_of(id_: int | str | UUID) -> int:
    """The number of the point that Qdrant calls `id_`.

    >>> number_of(0), number_of("00000000-0000-0000-0000-000000000007")
    (-1, 7)
    """
    return -1 - id_ if isinstance(id_, int) else UUID(str(id_)).int


def id_of(number: int) -> int | UUID | None:
    """What Qdrant calls the point of this number; None for `NOWHERE`.

    >>> id_of(-1), id_of(7), id_of(NOWHERE)
    (0, UUID('00000000-0000-0000-0000-000000000007'), None)
    """
    if number >= 0:
        return UUID(int=number)
    return None if number == NOWHERE else -1 - number


def name_of(number: int) -> str:
    """What the passage at the point of this number is called, where Qdrant's id is all there is.

    >>> name_of(-1), name_of(7)
    ('0', '00000000-0000-0000-0000-000000000007')
    """
    return str(id_of(number))


def point_named(name: str) -> int:
    """The number whose `name_of` is `name`; `NOWHERE` if there is none.

    One point has one name: other ways to write a UUID or an integer name nothing.

    >>> point_named("0"), point_named("00000000-0000-0000-0000-000000000007")
    (-1, 7)
    >>> {point_named(name) for name in ("p1", "007", "-1", str(2**64))} == {NOWHERE}
    True
    """
    try:
        # No integer of more digits fits, and Python refuses to read very many.
        number = number_of(int(name) if len(name) <= 20 else name)
    except ValueError:
        return NOWHERE
    return number if number >= -_INTEGERS and name_of(number) == name else NOWHERE
