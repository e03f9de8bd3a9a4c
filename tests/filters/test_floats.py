"""Stand-ins against a model of Qdrant's reading of JSON, and the model against Qdrant Edge."""

from __future__ import annotations

import math
import random
from decimal import Decimal

import pytest
import qdrant_edge as edge
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hybridge.filters.floats import is_short, stand_in

INFINITY = math.inf


def rewritten(number: float) -> float:
    """Return the digits as a float, times or divided by a power of ten as a float."""
    if isinstance(number, int):
        return number
    sign, digits, exponent = Decimal(repr(number)).as_tuple()
    assert isinstance(exponent, int)
    significand = float("".join(map(str, digits)))
    if exponent < -308:
        significand, exponent = significand / 1e308, exponent + 308
    power = float(f"1e{abs(exponent)}")
    return (-1.0) ** sign * (significand * power if exponent >= 0 else significand / power)


def order(one: float, other: float) -> int:
    return (one > other) - (one < other)


SHORT = st.builds(
    lambda digits, decimals: float(f"{digits}e-{decimals}"),
    st.one_of(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(-3000, 3000)),
    st.integers(0, 21),
)


@given(SHORT)
def test_short_numbers_are_kept(number):
    assert is_short(number)
    assert rewritten(number) == number
    assert stand_in(number) is number


@pytest.mark.parametrize(
    "number", [0.1 + 0.2, 1e15, 2.0**53, 1e-22, 1.23456789012345e-9, 5e-324, 1e300, 1 / 3]
)
def test_long_numbers(number):
    assert not is_short(number)
    assert not is_short(-number)


@settings(max_examples=1000)
@given(SHORT, st.integers(1, 50), st.sampled_from([-INFINITY, INFINITY]), st.integers(1, 20))
def test_a_stand_in_stays_on_its_side_of_a_short_number(short, steps, towards, times):
    number = short
    for _ in range(steps):
        number = math.nextafter(number, towards)
    held = stand_in(number)
    for _ in range(times):
        held = rewritten(held)
        assert order(held, short) == order(number, short)


@given(st.integers(10**14, 2**51), st.floats(-2, 2), st.integers(1, 20))
def test_a_stand_in_stays_on_its_side_of_an_integer(integer, more, times):
    number = integer + more
    held = stand_in(number)
    for _ in range(times):
        held = rewritten(held)
        assert order(held, integer) == order(number, integer)


@given(st.floats(-(2.0**53), 2.0**53), SHORT)
def test_stand_ins_are_in_order(number, short):
    assume(number != short)
    assert order(stand_in(number), short) == order(number, short)


@pytest.mark.parametrize("number", [10.0**15 + 1, -(2.0**53) + 1, 2.0**52 + 1])
def test_whole_numbers_become_integers(number):
    assert isinstance(stand_in(number), int)
    assert stand_in(number) == number


@pytest.mark.parametrize("number", [2.0**53, -1e300, 1.7976931348623157e308])
def test_what_qdrant_rounds_anyway_is_left(number):
    assert stand_in(number) is number


def test_the_model_is_qdrant_edge(tmp_path):
    chance = random.Random(1)
    numbers = [chance.random() for _ in range(500)]
    numbers += [1.7e9 + chance.random() * 1e8 for _ in range(500)]
    numbers += [chance.uniform(-1, 1) * 10.0 ** chance.randint(-300, 300) for _ in range(500)]
    numbers += [float(chance.randint(10**15, 2**53)) for _ in range(500)]
    config = edge.EdgeConfig(vectors={"v": edge.EdgeVectorParams(1, edge.Distance.Dot)})
    shard = edge.EdgeShard.create(str(tmp_path), config)
    points = [edge.Point(n, {"v": [1.0]}, {"f": number}) for n, number in enumerate(numbers)]
    shard.update(edge.UpdateOperation.upsert_points(points))
    read = shard.retrieve(list(range(len(numbers))), True, False)
    assert {record.id: record.payload["f"] for record in read} == {
        n: rewritten(number) for n, number in enumerate(numbers)
    }
    assert sum(rewritten(number) != number for number in numbers) > 200
    shard.close()
