"""An index in a process that was forked from the one that opened it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.errors import ForkedError, HybridgeError, IndexLockedError

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

Forked = Callable[[Callable[[], Any]], Any]


def _tides(count: int, prefix: str = "p") -> list[Passage]:
    return [Passage(f"{prefix}{n}", f"tide {n}") for n in range(count)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index"


CALLS: dict[str, Callable[[HybridIndex], Any]] = {
    "search": lambda index: index.search(["tide"]),
    "asearch": lambda index: asyncio.run(index.asearch(["tide"])),
    "where": lambda index: index.search(["tide"], where={"year": 1}),
    "bm25": lambda index: index.bm25.search(["tide"]),
    "score": lambda index: index.dense.score(["tide"], [["p1"]]),
    "vectors": lambda index: index.dense.vectors(["p1"]),
    "tuned": lambda index: index.tuned(depth=5).search(["tide"]),
    "add": lambda index: index.add([Passage("x", "y")]),
    "delete": lambda index: index.delete(["p1"]),
    "update_metadata": lambda index: index.update_metadata(["p1"], {"n": 1}),
    "optimize": lambda index: index.optimize(),
    "refresh": lambda index: index.refresh(),
    "get": lambda index: index.get(["p1"]),
    "len": len,
    "iter": list,
    "info": lambda index: index.info(),
}


@pytest.mark.parametrize("place", ["folder", "temporary", "read only", ":memory:"])
def test_every_call_is_refused_naming_who_opened_it(
    forked: Forked, words: CallableEncoder, path: Path, place: str
) -> None:
    options: dict[str, Any] = {"folder": {"path": path}, ":memory:": {"url": ":memory:"}}
    index = HybridIndex.create(encoder=words, **options.get(place, {}))
    if place == "read only":
        HybridIndex.create(path, encoder=words).close()
        index = HybridIndex.open(path, encoder=words, read_only=True)
    else:
        index.add(_tides(3))

    def refusals() -> dict[str, str]:
        told = {}
        for name, call in CALLS.items():
            try:
                told[name] = f"answered {call(index)}"
            except ForkedError as error:
                told[name] = str(error)
        return told

    told = forked(refusals)
    remedy = "HybridIndex.create" if place in ("temporary", ":memory:") else "HybridIndex.open"
    assert {
        name: said
        for name, said in told.items()
        if f"opened by process {os.getpid()}" not in said or remedy not in said
    } == {}
    with index:
        assert len(index) == (0 if place == "read only" else 3)


def test_closing_it_in_a_child_leaves_it_to_the_parent(
    forked: Forked, words: CallableEncoder, path: Path
) -> None:
    with HybridIndex.create(path, encoder=words) as index:
        index.add(_tides(3))
        forked(index.close)
        index.add(_tides(3, "late"))
        with pytest.raises(IndexLockedError):
            HybridIndex.open(path, encoder=words, read_only=False)
    with HybridIndex.open(path, encoder=words) as index:
        assert len(index) == 6


# A child ends as any process does: its interpreter runs what runs at exit and drops all objects.
ENDING = """
import os, sys
from pathlib import Path
from hybridge import CallableEncoder, HybridIndex, Passage

def contents():
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}

encoder = CallableEncoder(lambda texts: [[len(text), 1.0] for text in texts], identity="length")
path = None if sys.argv[1] == "temporary" else Path(sys.argv[1])
index = HybridIndex.create(path, encoder=encoder)
index.add([Passage(f"p{n}", f"tide {n}") for n in range(200)])
folder = index._storage._path
before = contents()
child = os.fork()
if child == 0:
    sys.exit()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert contents() == before
index.add([Passage(f"late{n}", f"late tide {n}") for n in range(10)])
assert len(index) == 210
index.close()
if path is None:
    assert not folder.exists()
else:
    with HybridIndex.open(path, encoder=encoder) as again:
        assert len(again) == 210
"""


@pytest.mark.parametrize("kept", [True, False])
def test_a_child_that_ends_takes_nothing_along(path: Path, kept: bool) -> None:
    place = str(path) if kept else "temporary"
    subprocess.run([sys.executable, "-c", ENDING, place], check=True, timeout=60)


def test_a_child_can_open_it_for_reading(
    forked: Forked, words: CallableEncoder, path: Path
) -> None:
    with HybridIndex.create(path, encoder=words) as index:
        index.add(_tides(30))

        def found() -> list[str]:
            with HybridIndex.open(path, encoder=words) as mine:
                assert mine.is_read_only
                return [hit.passage.id for hit in mine.search(["tide 7"], 3)[0]]

        assert forked(found) == [hit.passage.id for hit in index.search(["tide 7"], 3)[0]]


@pytest.mark.slow
def test_a_pool_is_told_instead_of_losing_what_it_adds(words: CallableEncoder, path: Path) -> None:
    global _pooled
    with HybridIndex.create(path, encoder=words) as index:
        index.add(_tides(3))
        _pooled = index
        with multiprocessing.get_context("fork").Pool(2) as pool:
            answers = pool.map(_add_one, range(8))
        assert set(answers) == {"ForkedError"}
        assert len(index) == 3


_pooled: HybridIndex


def _add_one(number: int) -> str:
    try:
        _pooled.add([Passage(f"w{number}", "from a worker")])
    except HybridgeError as error:
        return type(error).__name__
    return "added"


def test_a_fork_at_any_moment_of_a_write_hangs_nobody(words: CallableEncoder, path: Path) -> None:
    index = HybridIndex.create(path, encoder=words)
    index.add(_tides(200))
    stop = threading.Event()
    acknowledged: list[str] = []

    def write() -> None:
        number = 0
        while not stop.is_set():
            index.add(_tides(50, f"w{number % 40}-"))
            acknowledged.append(f"w{number % 40}-")
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    chance = random.Random(5)
    calls = [CALLS[name] for name in ("search", "add", "len", "refresh")]
    codes = []
    for turn in range(24):
        time.sleep(chance.random() * 0.02)
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            try:
                calls[turn % len(calls)](index)
            except ForkedError:
                os._exit(7)
            os._exit(1)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    stop.set()
    writer.join()
    assert codes == [7] * 24
    expected = {f"p{n}" for n in range(200)}
    expected |= {f"{prefix}{n}" for prefix in set(acknowledged) for n in range(50)}
    index.close()
    with HybridIndex.open(path, encoder=words) as again:
        assert {passage.id for passage in again} == expected
