"""A client's idea of the average length."""

from __future__ import annotations

from collections.abc import Iterator

from hybridge.vectors.lengths import Lengths
from hybridge.vectors.store import Sparse


def vectors(*lengths: float) -> dict[int, Sparse]:
    return {point: ([0, 7], [length, 0.5]) for point, length in enumerate(lengths)}


def unread() -> Iterator[dict[int, Sparse]]:
    raise AssertionError
    yield {}


def test_own_writes_are_followed_without_reading() -> None:
    lengths = Lengths()
    assert lengths.average(2, [vectors(2, 4)]) == 3
    lengths.count(vectors(9).values())
    assert lengths.average(3, unread()) == 5
    lengths.count(vectors(9, 2).values(), times=-1)
    assert lengths.average(1, unread()) == 4


def test_many_writes_of_others_are_seen() -> None:
    lengths = Lengths()
    assert lengths.average(100, [vectors(*[4] * 100)]) == 4
    assert lengths.average(104, unread()) == 4
    assert lengths.average(110, [vectors(*[4] * 100), vectors(*[15] * 10)]) == 5
    assert lengths.average(40, [vectors(*[15] * 40)]) == 15


def test_of_many_passages_the_first_are_a_sample() -> None:
    def pages() -> Iterator[dict[int, Sparse]]:
        yield vectors(*[3] * 1_500)
        yield vectors(*[5] * 1_500)
        raise AssertionError

    # The mean of 1,500 of length 3 and of 500 of length 5.
    assert Lengths().average(1_000_000, pages()) == 3.5


def test_nothing_there() -> None:
    assert Lengths().average(0, []) == 0
    assert Lengths().average(3, [{1: ([], []), 2: ([7], [0.5])}]) == 0
