"""Work that outlasts a request: each job in its own thread, with progress that can be followed."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..errors import HybridgeError

__all__ = [
    "BusyError",
    "Job",
    "Jobs",
    "Progress",
    "Report",
    "State",
    "StoppedError",
]

logger = logging.getLogger(__name__)

State: TypeAlias = Literal["running", "done", "failed", "stopped"]


class BusyError(HybridgeError):
    """An error in starting a job while too many are running."""


class StoppedError(HybridgeError):
    """What a job's report raises once the job is to stop."""


@dataclass(frozen=True)
class Progress:
    """A line of progress.

    Args:
        message: for a reader.
        done: how much is done.
        total: of how much; None where that is unknown.
    """

    message: str
    done: int | None = None
    total: int | None = None


Report: TypeAlias = Callable[..., None]


class Job:
    """A function that runs in its own thread, what it reported, and what came of it.

    Args:
        name: what it does, for a reader.

    Attributes:
        id: names it in links; it cannot be guessed.
        state: ``"running"``, then ``"done"``, ``"failed"`` or ``"stopped"``.
        events: what it reported, in order; the last one of a failed job is its error.
        result: what the function returned; None until then.
    """

    def __init__(self, name: str) -> None:
        self.id = secrets.token_urlsafe(12)
        self.name = name
        self.state: State = "running"
        self.events: list[Progress] = []
        self.result: Any = None
        self._stopping = False
        self._changed = threading.Condition()
        self._wakers: set[Callable[[], None]] = set()

    def stop(self) -> None:
        """Ask the job to stop: it does when it reports next."""
        self._stopping = True

    def wait(self, timeout: float | None = None) -> bool:
        """Return whether the job ended within `timeout` seconds; None waits as long as it takes."""
        with self._changed:
            return self._changed.wait_for(lambda: self.state != "running", timeout)

    async def follow(self, start: int = 0) -> AsyncIterator[Progress]:
        """Yield the job's events from number `start` on, those to come included, until it ends."""
        loop, news = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # The loop was closed.
                loop.call_soon_threadsafe(news.set)

        with self._changed:
            self._wakers.add(wake)
        try:
            while True:
                news.clear()
                ended = self.state != "running"  # Before the events: none comes after the end.
                for event in self.events[start:]:
                    start += 1
                    yield event
                if ended:
                    return
                await news.wait()
        finally:
            with self._changed:
                self._wakers.discard(wake)

    def _report(self, message: str, done: int | None = None, total: int | None = None) -> None:
        if self._stopping:
            raise StoppedError(f"the job {self.name!r} was stopped")
        self._add(Progress(message, done, total))

    def _add(self, event: Progress) -> None:
        with self._changed:
            self.events.append(event)
            self._wake()

    def _end(self, state: State) -> None:
        with self._changed:
            self.state = state
            self._wake()

    def _wake(self) -> None:
        self._changed.notify_all()
        for wake in self._wakers:
            wake()

    def _run(self, function: Callable[[Report], Any]) -> None:
        try:
            self.result = function(self._report)
        except StoppedError as error:
            self._add(Progress(str(error)))
            self._end("stopped")
        except HybridgeError as error:
            self._add(Progress(str(error)))
            self._end("failed")
        except Exception:
            logger.exception("the job %r failed", self.name)
            self._add(Progress("an internal error: the server's log has it"))
            self._end("failed")
        else:
            self._end("done")


class Jobs:
    """The jobs of a server: those that run, and the last that ended.

    Args:
        running: how many run at once at most.
        stored: how many are stored at most; the oldest that ended goes first.

    >>> def count(report):
    ...     report("counting", done=1, total=1)
    ...     return 42
    >>> job = Jobs().start("count", count)
    >>> job.wait(), job.state, job.events, job.result
    (True, 'done', [Progress(message='counting', done=1, total=1)], 42)
    """

    def __init__(self, running: int = 4, stored: int = 100) -> None:
        self._most_running = running
        self._stored = stored
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def start(self, name: str, function: Callable[[Report], Any]) -> Job:
        """Start a job and return it.

        Args:
            name: what it does, for a reader.
            function: called in a separate thread with ``report(message, done=None, total=None)``,
                which raises `StoppedError` once the job is to stop. What it returns is the result.

        Raises:
            BusyError: too many jobs are running.
        """
        job = Job(name)
        with self._lock:
            ended = [old.id for old in self._jobs.values() if old.state != "running"]
            if len(self._jobs) - len(ended) >= self._most_running:
                raise BusyError(f"{self._most_running} jobs are running: wait until one has ended")
            for old in ended[: max(0, len(self._jobs) + 1 - self._stored)]:
                del self._jobs[old]
            self._jobs[job.id] = job
        # A daemon: a server that stops does not wait for an hour of training.
        threading.Thread(target=job._run, args=(function,), name=name, daemon=True).start()
        return job

    def get(self, job_id: str) -> Job | None:
        """Return a job by its id; None for one that never was, or is no longer kept."""
        return self._jobs.get(job_id)

    def stop(self, timeout: float) -> None:
        """Ask all jobs to stop, and wait for at most `timeout` seconds each."""
        jobs = list(self._jobs.values())
        for job in jobs:
            job.stop()
        for job in jobs:
            job.wait(timeout)
