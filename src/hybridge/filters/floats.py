"""The floats that Qdrant stores exactly, and the replacement of the others in a payload.

Qdrant reads the JSON of a payload as digits times a power of ten, in floats (Clinger's fast path,
How to Read Floating Point Numbers Accurately, 1990, beyond its limits). That is exact for short
numbers, but moves one in ten floats of 16 or 17 digits, such as `time.time()` or a similarity, to a
neighbour, and again whenever a segment is rewritten: a filter would disagree with memory. So a
store writes a `stand_in` for such a float, and the true number beside it.
"""

from __future__ import annotations

__all__ = ["is_short", "stand_in"]


def is_short(number: float) -> bool:
    """Test whether Qdrant stores a number exactly: below 10**15, 15 digits, 21 decimal places.

    >>> is_short(0.3), is_short(0.1 + 0.2), is_short(1e-10), is_short(1e-100)
    (True, False, True, False)
    """
    # From 10**15 on, the ".0" that JSON appends to a whole number can be a digit too many.
    return abs(number) < 1e15 and float(f"{number:.15g}") == number == float(f"{number:.21f}")


def stand_in(number: float) -> float:
    """Return a number that compares with short numbers and integers below 2**53 as `number` does.

    It does so however often Qdrant rewrites it, for fractions below 2**51. Short numbers stay as
    they are, and so do numbers from 2**53 on, where Qdrant rounds integers as well.

    >>> stand_in(0.1 + 0.2), stand_in(2.5)
    (0.3000000000000005, 2.5)
    """
    if is_short(number) or abs(number) >= 2**53:
        return number
    if number.is_integer():
        return int(number)
    # Half-way between the short number that its digits begin with and the next one.
    exponent = int(f"{number:.17e}".partition("e")[2])
    decimals = min(max(14 - exponent, 0), 21)
    digits = f"{number:.60f}"
    return float(digits[: digits.index(".") + 1 + decimals] + "5")
