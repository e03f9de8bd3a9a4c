"""Patience with a clock of its own: nothing is sent and nothing waits."""

from __future__ import annotations

import pytest

from hybridge.errors import StoreError
from hybridge.vectors.addresses import Address
from hybridge.vectors.attempts import Attempts, Nodes
from hybridge.vectors.connection import Request
from hybridge.vectors.refusals import Failure

SEARCH = Request("search", "POST", "/collections/beets/points/query/batch", {})
BROKEN = Failure("broke off", is_passing=True, is_of_node=True)
BUSY = Failure("busy", 429, is_passing=True, is_sent=False)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def nodes(count: int, *, known: bool = True) -> Nodes:
    made = Nodes([Address.parse(f"http://node{number}") for number in range(count)])
    made.is_known = known
    return made


def attempts(
    clock: Clock, of: Nodes, request: Request = SEARCH, timeout: float = 30, deadline: float = 60
) -> Attempts:
    return Attempts(of, request, timeout, deadline, clock)


def pauses(clock: Clock, tried: Attempts, failure: Failure) -> list[float]:
    """Fail until the end, and return the seconds waited each time."""
    waited = []
    while True:
        tried.begin()
        try:
            waited.append(tried.pause_after(failure))
        except StoreError:
            return waited
        clock.now += waited[-1]


def test_each_pause_is_about_twice_the_last_and_all_end_by_the_deadline(clock: Clock) -> None:
    waited = pauses(clock, attempts(clock, nodes(1)), BROKEN)
    longest = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2] + [5.0] * len(waited[6:])
    assert all(most / 2 <= each <= most for each, most in zip(waited, longest, strict=True))
    assert 50 < sum(waited) < 60
    assert len(set(waited)) == len(waited)  # clients that failed together part


def test_the_next_node_is_tried_at_once_and_the_one_that_answers_is_kept(clock: Clock) -> None:
    of = nodes(3)
    tried = attempts(clock, of)
    went = []
    for _ in range(2):
        went.append(tried.begin().base)
        assert tried.pause_after(BROKEN) == 0.0
    went.append(tried.begin().base)
    assert tried.pause_after(BROKEN) > 0.0  # all were tried
    went.append(tried.begin().base)
    assert went == [f"http://node{number}:6333" for number in (0, 1, 2, 0)]
    tried.pause_after(BROKEN)
    assert attempts(clock, of).begin().base == "http://node1:6333"


def test_each_next_attempt_is_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="hybridge")
    tried = attempts(clock, nodes(2))
    for _ in range(2):
        tried.begin()
        tried.pause_after(BROKEN)
    first, second = (record.getMessage() for record in caplog.records)
    assert first == "broke off; the next node is tried"
    assert second == "broke off; the next attempt is in 0.1 s"


def test_a_node_is_left_once_by_many_requests(clock: Clock) -> None:
    of = nodes(3)
    both = [attempts(clock, of), attempts(clock, of)]
    for tried in both:
        tried.begin()
    for tried in both:
        tried.pause_after(BROKEN)
    assert of.current.base == "http://node1:6333"


def test_a_server_that_wants_rest_gets_it_at_the_same_node(clock: Clock) -> None:
    of = nodes(2)
    tried = attempts(clock, of)
    tried.begin()
    pause = tried.pause_after(Failure("busy", 429, is_passing=True, retry_after=7.0))
    assert 7.0 <= pause <= 7.1
    assert tried.begin().base == "http://node0:6333"


def test_a_rest_beyond_the_deadline_ends_at_once(clock: Clock) -> None:
    tried = attempts(clock, nodes(1))
    tried.begin()
    clock.now += 1
    expected = r"^busy; it asks to wait 60 s; given up after 1 attempt in 1\.0 s \(deadline=60\)$"
    with pytest.raises(StoreError, match=expected) as caught:
        tried.pause_after(Failure("busy", 429, "Retry after 60s", is_passing=True, retry_after=60))
    assert (caught.value.status, caught.value.reason) == (429, "Retry after 60s")


def test_what_cannot_succeed_is_tried_once(clock: Clock) -> None:
    tried = attempts(clock, nodes(2))
    tried.begin()
    with pytest.raises(StoreError, match=r"^wrong$"):
        tried.pause_after(Failure("wrong", 400))


@pytest.mark.parametrize(("failure", "repeats"), [(BROKEN, False), (BUSY, True)])
def test_what_must_not_be_done_twice_is_repeated_only_if_it_was_not_done(
    clock: Clock, failure: Failure, repeats: bool
) -> None:
    creation = Request("create a collection", "PUT", "/collections/x", {}, is_retried=False)
    tried = attempts(clock, nodes(2), creation)
    tried.begin()
    if repeats:
        assert tried.pause_after(failure) > 0
    else:
        with pytest.raises(StoreError):
            tried.pause_after(failure)


def test_addresses_that_never_answered_are_given_up_soon(clock: Clock) -> None:
    tried = attempts(clock, nodes(2, known=False))
    waited = pauses(clock, tried, BROKEN)
    assert sum(waited) < 2
    assert tried.count == 10  # five rounds of both


def test_one_answer_of_any_kind_makes_them_known(clock: Clock) -> None:
    of = nodes(1, known=False)
    tried = attempts(clock, of)
    tried.begin()
    tried.pause_after(Failure("not yet", 503, is_passing=True, is_of_node=True))
    assert of.is_known


def test_an_attempt_takes_no_longer_than_what_is_left(clock: Clock) -> None:
    tried = attempts(clock, nodes(1), timeout=30, deadline=40)
    assert tried.timeouts == {"connect": 5.0, "read": 30.0, "write": 30.0, "pool": 40.0}
    clock.now += 37
    assert tried.timeouts == {"connect": 3.0, "read": 3.0, "write": 3.0, "pool": 3.0}
    clock.now += 37
    assert set(tried.timeouts.values()) == {0.001}
