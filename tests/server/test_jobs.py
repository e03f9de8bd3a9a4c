"""Jobs: progress, results, failures, stopping, limits, and following from another loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hybridge.errors import InvalidInputError
from hybridge.server.jobs import BusyError, Job, Jobs, Progress


def test_result_and_events():
    def work(report):
        report("half", 1, 2)
        report("whole", done=2, total=2)
        return {"answer": 42}

    job = Jobs().start("work", work)
    assert job.wait(5)
    assert (job.state, job.result) == ("done", {"answer": 42})
    assert job.events == [Progress("half", 1, 2), Progress("whole", 2, 2)]


def test_a_failure_is_told_in_words():
    def fail(report):
        raise InvalidInputError("k=0 is not valid")

    job = Jobs().start("fail", fail)
    job.wait(5)
    assert (job.state, job.events, job.result) == ("failed", [Progress("k=0 is not valid")], None)


def test_an_internal_error_stays_in_the_log(caplog):
    def fail(report):
        raise ZeroDivisionError("secret")

    job = Jobs().start("fail", fail)
    job.wait(5)
    assert job.state == "failed"
    assert "secret" not in job.events[-1].message
    assert "secret" in caplog.text


def test_a_job_stops_at_its_next_report():
    started, go = threading.Event(), threading.Event()

    def work(report):
        report("started")
        started.set()
        go.wait(5)
        report("never")

    jobs = Jobs()
    job = jobs.start("work", work)
    started.wait(5)
    threading.Timer(0.05, go.set).start()
    jobs.stop(timeout=5)
    assert job.state == "stopped"
    assert [event.message for event in job.events] == ["started", "the job 'work' was stopped"]


def test_so_many_run_at_once_and_so_many_are_kept():
    go = threading.Event()
    jobs = Jobs(running=1, stored=2)
    first = jobs.start("first", lambda report: go.wait(5))
    with pytest.raises(BusyError, match="1 jobs are running"):
        jobs.start("second", lambda report: None)
    go.set()
    first.wait(5)
    others = [jobs.start("next", lambda report: None) for _ in range(1)]
    others[0].wait(5)
    third = jobs.start("third", lambda report: None)
    third.wait(5)
    assert jobs.get(first.id) is None
    assert jobs.get(others[0].id) is others[0]
    assert jobs.get(third.id) is third
    assert jobs.get("unknown") is None


async def test_events_are_followed_as_they_come():
    step = threading.Semaphore(0)

    def work(report):
        for number in range(3):
            step.acquire(timeout=5)
            report("step", number)

    async def numbers(job: Job, start: int) -> list[int | None]:
        found = []
        async for event in job.follow(start):
            found.append(event.done)
            step.release()
        return found

    job = Jobs().start("work", work)
    step.release()
    assert await asyncio.wait_for(numbers(job, 0), 5) == [0, 1, 2]
    assert await asyncio.wait_for(numbers(job, 2), 5) == [2]
    assert job._wakers == set()
