"""Which floats Qdrant keeps to the last bit, and what stands in a payload for the others.

Qdrant reads the JSON of a payload as digits times a power of ten, in floats. That is exact for
short numbers; of 16 or 17 digits it moves every tenth to a neighbour, onto 0.3 or across it. Since
it does so again whenever a segment is rewritten, the cure is to store no such number: a store
keeps the true one elsewhere and gives Qdrant a `stand_in`, which filters with short bounds cannot
tell from it.

The reading is Clinger's fast path (How to Read Floating Point Numbers Accurately, 1990), taken
where it does not apply.
"""

from __future__ import annotations

__all__ = ["is_short", "stand_in"]


def is_short(number: float) -> bool:
    """Whether Qdrant keeps a number: below 10**15, at most 15 digits and 21 decimal places.

    >>> is_short(0.3), is_short(0.1 + 0.2), is_short(1e-10), is_short(1e-100)
    (True, False, True, False)
    """
    # From 10**15 on, the ".0" that JSON appends to a whole number can be a digit too many.
    return abs(number) < 1e15 and float(f"{number:.15g}") == number == float(f"{number:.21f}")


def stand_in(number: float) -> float:
    """What compares with every short number, and with integers below 2**53, as `number` does.

    It stays on its side of them however often Qdrant rewrites it. (Fractions from 2**51 on may not:
    there are too few floats between the integers.) Short numbers stand for themselves, and so do
    those from 2**53 on, where Qdrant rounds integers as well.

    >>> stand_in(0.1 + 0.2), stand_in(2.5)
    (0.3000000000000005, 2.5)
    """
    if is_short(number) or abs(number) >= 2**53:
        return number
    if number.is_integer():
        return int(number)
    # Half-way between the short number that its digits begin with and the next one.
    exponent = int(f"{number:.17e}".partition("e")[2])
    places = min(max(14 - exponent, 0), 21)
    digits = f"{number:.60f}"
    return float(digits[: digits.index(".") + 1 + places] + "5")
