"""Patience: how often a request is tried, where, and with what pauses. It sends nothing itself."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence

from .addresses import Address
from .refusals import Failure
from .request import Request

__all__ = ["Attempts", "Nodes"]

logger = logging.getLogger(__name__)

_FIRST_PAUSE = 0.1  # seconds; each next is twice as long
_LONGEST_PAUSE = 5.0
_CONNECTING = 5.0  # seconds for an address to take a connection
# An address that never answered is more often wrong than late.
_TRIES_OF_STRANGERS = 5


class Nodes:
    """The addresses of one cluster: the one that answers is kept.

    Args:
        addresses: at least one.
    """

    def __init__(self, addresses: Sequence[Address]) -> None:
        self.addresses = tuple(addresses)
        self.is_known = False  # whether any has ever answered
        self._current = 0

    @property
    def current(self) -> Address:
        """The address for the next request."""
        return self.addresses[self._current]

    def leave(self, address: Address) -> None:
        """Go on to the next address, unless another thread left this one already."""
        if address is self.current:
            self._current = (self._current + 1) % len(self.addresses)


class Attempts:
    """The attempts at one request, from the first to the last.

    Args:
        nodes: where it may go.
        request: what is sent.
        timeout: seconds that one attempt may take.
        deadline: seconds that all may take with their pauses.
        clock: returns the time in seconds.

    >>> nodes = Nodes([Address.parse("http://a"), Address.parse("http://b")])
    >>> attempts = Attempts(nodes, Request("count", "GET", "/"), timeout=30, deadline=60)
    >>> attempts.begin().base
    'http://a:6333'
    >>> attempts.pause_after(Failure("a is away", is_passing=True, is_of_node=True))
    0.0
    >>> attempts.begin().base
    'http://b:6333'
    """

    def __init__(
        self,
        nodes: Nodes,
        request: Request,
        timeout: float,
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.count = 0
        self._nodes = nodes
        self._request = request
        self._timeout = timeout
        self._deadline = deadline
        self._clock = clock
        self._began = clock()
        self._address = nodes.current
        self._since_pause = 0
        self._pauses = 0

    def begin(self) -> Address:
        """Return where the next attempt goes."""
        self.count += 1
        self._since_pause += 1
        self._address = self._nodes.current
        return self._address

    @property
    def left(self) -> float:
        """Seconds until the deadline; never none, so that an attempt fails by itself."""
        return max(self._began + self._deadline - self._clock(), 0.001)

    @property
    def timeouts(self) -> dict[str, float]:
        """Of httpx, in seconds, for the attempt that begins now."""
        left = self.left
        most = min(self._timeout, left)
        return {"connect": min(_CONNECTING, most), "read": most, "write": most, "pool": left}

    def pause_after(self, failure: Failure) -> float:
        """Return the seconds to wait before the next attempt.

        Args:
            failure: of the attempt that has just ended.

        Raises:
            StoreError: it was the last one.
        """
        if failure.is_of_node:
            self._nodes.leave(self._address)
        if failure.status is not None:
            self._nodes.is_known = True
        may_repeat = self._request.is_retried or not failure.is_sent
        if not failure.is_passing or not may_repeat:
            raise failure.error(self._note())
        if failure.is_of_node and self._since_pause < len(self._nodes.addresses):
            logger.info("%s; the next node is tried", failure.message)
            return 0.0
        if not self._nodes.is_known and self._pauses + 1 >= _TRIES_OF_STRANGERS:
            raise failure.error(self._note())
        pause = self._pause(failure)
        if pause >= self._began + self._deadline - self._clock():
            raise failure.error(self._note(failure.retry_after))
        self._pauses += 1
        self._since_pause = 0
        logger.info("%s; the next attempt is in %.1f s", failure.message, pause)
        return pause

    def _pause(self, failure: Failure) -> float:
        if failure.retry_after is not None:
            # Those who were refused together do not come back together.
            return failure.retry_after + random.uniform(0, _FIRST_PAUSE)  # noqa: S311
        longest = min(_FIRST_PAUSE * 2**self._pauses, _LONGEST_PAUSE)
        return random.uniform(longest / 2, longest)  # noqa: S311

    def _note(self, retry_after: float | None = None) -> str:
        asks = "" if retry_after is None else f"; it asks to wait {retry_after:g} s"
        if self.count == 1 and not asks:
            return ""
        attempts = f"{self.count} attempt{'s' if self.count > 1 else ''}"
        took = self._clock() - self._began
        return f"{asks}; given up after {attempts} in {took:.1f} s (deadline={self._deadline:g})"
