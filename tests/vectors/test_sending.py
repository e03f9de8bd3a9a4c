"""Many points are sent in bounded requests, several at a time."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import orjson
import pytest

from hybridge.errors import StoreError
from hybridge.vectors.sending import Bounds, InterruptedWriteError, in_requests, send_all


def decoded(points: list[orjson.Fragment]) -> Any:
    return orjson.loads(orjson.dumps(points))


def test_requests_are_bounded_by_points_and_bytes() -> None:
    points = ["a" * 40, "b" * 40, "c" * 40, "d", "e", "f", "g"]
    requests = list(in_requests(points, Bounds(points=3, size=100)))
    # 42 bytes each, with the quotes: two fit 100.
    assert list(map(decoded, requests)) == [points[:2], points[2:5], points[5:]]


def test_a_point_beyond_all_bounds_goes_alone() -> None:
    requests = list(in_requests(["a", "b" * 50, "c"], Bounds(size=10)))
    assert list(map(decoded, requests)) == [["a"], ["b" * 50], ["c"]]


def test_several_requests_are_under_way_and_no_more() -> None:
    meeting = threading.Barrier(3, timeout=5)
    lock = threading.Lock()
    under_way, most, sent = 0, 0, []

    def send(some: list[orjson.Fragment]) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        meeting.wait()  # each waits for two others
        with lock:
            sent.extend(decoded(some))
            under_way -= 1

    send_all(send, range(12), Bounds(points=1, at_once=3))
    assert most == 3
    assert sorted(sent) == list(range(12))


def test_points_are_made_while_others_are_sent() -> None:
    made: list[int] = []
    is_made = threading.Event()

    def points() -> Any:
        for number in range(3):
            made.append(number)
            if number == 2:
                is_made.set()
            yield number

    def send(some: list[orjson.Fragment]) -> None:
        assert is_made.wait(5)

    send_all(send, points(), Bounds(points=1, at_once=2))
    assert made == [0, 1, 2]


def test_after_a_failure_the_rest_is_not_sent() -> None:
    sent: list[int] = []

    def send(some: list[orjson.Fragment]) -> None:
        numbers = decoded(some)
        sent.extend(numbers)
        if 4 in numbers:
            raise StoreError("the disk is full", status=507, reason="full")

    with pytest.raises(InterruptedWriteError, match="the disk is full") as error:
        send_all(send, range(100), Bounds(points=2, at_once=1))
    assert sent == [0, 1, 2, 3, 4, 5]
    assert (error.value.written, error.value.status, error.value.reason) == (4, 507, "full")
    again = pickle.loads(pickle.dumps(error.value))
    assert (str(again), again.written, again.status) == ("the disk is full", 4, 507)


def test_another_error_is_raised_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        send_all(lambda some: 1 / 0, range(3), Bounds())


def test_nothing_is_sent_for_no_points() -> None:
    send_all(lambda some: pytest.fail("sent"), [], Bounds())
