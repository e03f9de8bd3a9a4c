"""Locks and folders in forked children, by real forks."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hybridge.errors import ForkedError
from hybridge.forking import (
    ForkBarrier,
    ForkSafeLock,
    TemporaryFolder,
    check_process,
    renew_in_children,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

Forked = Callable[[Callable[[], Any]], Any]


@contextmanager
def held_elsewhere(lock: ForkSafeLock) -> Iterator[None]:
    """Another thread holds the lock meanwhile."""
    taken, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            leave.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    try:
        yield
    finally:
        leave.set()
        thread.join()


def is_free(lock: ForkSafeLock) -> bool:
    """Whether another thread can take it at once."""
    got = threading.Event()

    def take() -> None:
        with lock:
            got.set()

    threading.Thread(target=take, daemon=True).start()
    return got.wait(0.3)


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_lock_that_another_thread_holds_is_free_in_a_child_and_held_in_the_parent(
    forked: Forked, reentrant: bool
) -> None:
    lock = ForkSafeLock(reentrant=reentrant)
    with held_elsewhere(lock):
        assert forked(lambda: is_free(lock))
        assert not is_free(lock)
    assert is_free(lock)


@pytest.mark.parametrize("awaited", [False, True])
def test_a_child_forked_inside_a_block_leaves_it_and_takes_the_lock_again(awaited: bool) -> None:
    code = (
        "import os\n"
        "from hybridge.forking import ForkSafeLock\n"
        f"lock = ForkSafeLock(awaited={awaited})\n"
        "with lock:\n"
        "    child = os.fork()\n"
        "with lock:\n"
        "    pass\n"
        "if child:\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_reentrant_lock_is_taken_twice_by_its_thread_and_by_no_other() -> None:
    lock = ForkSafeLock(reentrant=True)
    with lock, lock:
        assert not is_free(lock)
    assert is_free(lock)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_is_a_free_lock_of_the_same_kind(copied: Callable[[Any], Any]) -> None:
    lock = ForkSafeLock(reentrant=True)
    with lock:
        other = copied(lock)
        assert other is not lock
        with other, other:
            assert not is_free(other)


def test_a_fork_waits_for_a_lock_that_is_awaited(forked: Forked) -> None:
    lock = ForkSafeLock(awaited=True)
    done: list[int] = []
    begun = threading.Event()

    def change() -> None:
        with lock:
            begun.set()
            for step in range(20):
                time.sleep(0.01)
                done.append(step)

    thread = threading.Thread(target=change)
    thread.start()
    begun.wait()
    assert forked(lambda: (len(done), is_free(lock))) == (20, True)
    thread.join()
    assert is_free(lock)


def test_a_fork_waits_for_a_lock_without_keeping_another_from_its_holder(forked: Forked) -> None:
    outer, inner = ForkSafeLock(awaited=True), ForkSafeLock(awaited=True)
    stop = threading.Event()

    def nest() -> None:
        while not stop.is_set():
            with outer:
                time.sleep(0.001)
                with inner:
                    time.sleep(0.001)

    thread = threading.Thread(target=nest)
    thread.start()
    try:  # a fork that got stuck would wait for a minute
        assert [forked(lambda: is_free(outer) and is_free(inner)) for _ in range(20)] == [True] * 20
    finally:
        stop.set()
        thread.join()


def test_threads_that_fork_at_once_do_not_wait_for_each_other(forked: Forked) -> None:
    locks = [ForkSafeLock(awaited=True) for _ in range(50)]
    free: list[bool] = []

    def fork() -> None:
        free.extend(forked(lambda: all(map(is_free, locks))) for _ in range(5))

    threads = [threading.Thread(target=fork) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert free == [True] * 20


def test_an_object_is_renewed_in_each_child_once_its_locks_are_free(forked: Forked) -> None:
    class Counter:
        def __init__(self) -> None:
            self.lock = ForkSafeLock()
            self.renewed = 0

        def renew(self) -> None:
            with self.lock:
                self.renewed += 1

    counter = Counter()
    renew_in_children(counter)
    with held_elsewhere(counter.lock):
        assert forked(lambda: counter.renewed) == 1
        assert forked(lambda: counter.renewed) == 1
        assert counter.renewed == 0


def test_what_one_process_opened_is_refused_in_another(forked: Forked) -> None:
    process = os.getpid()
    check_process(process, "the index", "open it here")

    def child() -> tuple[int, str]:
        with pytest.raises(ForkedError) as caught:
            check_process(process, "the index", "open it here")
        return os.getpid(), str(caught.value)

    pid, message = forked(child)
    assert f"process {process} " in message
    assert f"process {pid}," in message
    assert message.endswith("open it here")


@pytest.mark.parametrize("how", ["sys.exit()", "os._exit(0)", "del folder"])
def test_a_temporary_folder_survives_the_children_of_its_process_and_goes_with_it(how: str) -> None:
    code = (
        "import os, sys\n"
        "from hybridge.forking import TemporaryFolder\n"
        "folder = TemporaryFolder()\n"
        "path = folder.path\n"
        "(path / 'file').write_text('kept')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        f"    {how}\n"
        "    sys.exit()\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert (path / 'file').read_text() == 'kept'\n"
        "print(path)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert not Path(done.stdout.strip()).exists()


def test_a_temporary_folder_goes_when_it_is_collected() -> None:
    folder = TemporaryFolder()
    path = folder.path
    assert path.is_dir()
    del folder
    assert not path.exists()


def test_a_fork_waits_for_the_calls_of_a_barrier_and_lets_no_other_begin(forked: Forked) -> None:
    barrier, lock = ForkBarrier(), ForkSafeLock(awaited=True)
    entered, leave, begun = threading.Event(), threading.Event(), threading.Event()
    log: list[str] = []

    def call() -> None:
        with barrier:
            entered.set()
            leave.wait()
            log.append("the first call returned")

    def later() -> None:
        with lock, barrier:  # as a thread that holds a lock over its calls: forks wait for it first
            begun.set()

    def within_child() -> list[str]:
        with barrier:
            return list(log)

    first, second = threading.Thread(target=call), threading.Thread(target=later)
    first.start()
    entered.wait()
    threading.Timer(0.2, leave.set).start()
    threading.Timer(0.1, second.start).start()
    assert forked(within_child) == ["the first call returned"]
    assert begun.wait(5)
    first.join()
    second.join()
