"""What processes may do to an index without losing anything: forks, pools, kills, readers.

    python benchmarks/faults.py [forks] [kills] [readers] [unchanged] [opening]
        [--rounds N] [--seconds S]

`forks`: N rounds each of children that write to an index their parent has open, of a pool that
does, and of forks while a thread of the parent writes. `kills`: N times kill -9 of a process that
adds, deletes, changes metadata and optimizes. `readers`: four processes that search and refresh for
S seconds beside one that writes. `unchanged`: all of SciFact, encoded by the real bi-encoder and
added twice. `opening`: what opening an index costs, for writing and for reading only. Without a
name, all.

`unchanged` needs SciFact under HYBRIDGE_DATASETS, and some minutes to encode it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from hybridge import CallableEncoder, HybridgeError, HybridIndex, Passage

DIMENSION = 32
READERS = 4


def hashed(texts: Sequence[str]) -> np.ndarray:
    """A vector a text, of its words: cheap, and the same in every process."""
    rows = np.full((len(texts), DIMENSION), 1e-3, dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.split():
            row[sum(word.encode()) % DIMENSION] += 1.0
    return rows


ENCODER = CallableEncoder(hashed, dimension=DIMENSION, identity="hashed words")


@contextmanager
def new_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "index"


def passages(prefix: str, count: int, **metadata: Any) -> list[Passage]:
    return [Passage(f"{prefix}{n}", f"tide {n} of {prefix}", metadata) for n in range(count)]


# Forks


def forked(work: Callable[[], Any], seconds: int = 60) -> tuple[int, str]:
    """Run something in a child; its exit status, and what it returned or how it was refused."""
    answer, question = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        status = 0
        try:
            told = str(work())
        except HybridgeError as error:
            told = f"refused: {type(error).__name__}"
        except BaseException as error:  # noqa: BLE001 - what is counted
            told, status = f"raw: {type(error).__name__}: {error}", 1
        os.write(question, told.encode())
        os._exit(status)
    os.close(question)
    with os.fdopen(answer, "rb") as file:
        told = file.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), told


def outcome(path: Path, expected: set[str]) -> Counter[str]:
    """What reopening an index shows of what was acknowledged."""
    with HybridIndex.open(path, encoder=ENCODER, read_only=False) as index:
        ids = {passage.id for passage in index}
        lost = len(expected - ids)
        found = {hit.passage.id for hit in index.search(["tide"], max(1, len(ids)))[0]}
    return Counter({"acknowledged": len(expected), "lost": lost, "not found": len(ids - found)})


def forked_writers(path: Path) -> Counter[str]:
    with HybridIndex.create(path, encoder=ENCODER) as index:
        index.add(passages("p", 20))

        def write(name: str) -> int:
            for n in range(10):
                index.add(passages(f"{name}-{n}-", 1))
            return 10

        results = [forked(lambda name=name: write(name)) for name in ("w0", "w1")]  # type: ignore[misc]
        index.add(passages("late", 20))
    expected = {passage.id for prefix in ("p", "late") for passage in passages(prefix, 20)}
    for name, (_, told) in zip(("w0", "w1"), results, strict=True):
        if told == "10":
            expected |= {f"{name}-{n}-0" for n in range(10)}
    return outcome(path, expected) + told_of(results)


def told_of(results: Sequence[tuple[int, str]]) -> Counter[str]:
    return Counter(
        {
            "children": len(results),
            "hangs": sum(status == -signal.SIGALRM for status, _ in results),
            "raw errors": sum(told.startswith("raw") for _, told in results),
            "refused": sum(told.startswith("refused") for _, told in results),
        }
    )


_pooled: HybridIndex


def _pool_add(number: int) -> tuple[int, str]:
    try:
        return 0, f"{_pooled.add(passages(f'w{number}-', 1))}"
    except HybridgeError as error:
        return 0, f"refused: {type(error).__name__}"
    except BaseException as error:  # noqa: BLE001 - what is counted
        return 1, f"raw: {type(error).__name__}: {error}"


def pools(path: Path) -> Counter[str]:
    global _pooled
    with HybridIndex.create(path, encoder=ENCODER) as _pooled:
        _pooled.add(passages("p", 20))
        with multiprocessing.get_context("fork").Pool(2) as pool:
            results = pool.map_async(_pool_add, range(8)).get(timeout=60)
        _pooled.add(passages("late", 20))
    expected = {passage.id for prefix in ("p", "late") for passage in passages(prefix, 20)}
    expected |= {f"w{n}-0" for n, (_, told) in enumerate(results) if told == "1"}
    return outcome(path, expected) + told_of(results)


def forks_while_writing(path: Path, rounds: int) -> Counter[str]:
    index = HybridIndex.create(path, encoder=ENCODER)
    index.add(passages("p", 200))
    stop, written = threading.Event(), set[str]()

    def write() -> None:
        number = 0
        while not stop.is_set():
            batch = passages(f"w{number % 40}-", 50)
            index.add(batch)
            written.update(passage.id for passage in batch)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    chance = random.Random(5)
    calls: list[Callable[[], Any]] = [
        lambda: index.search(["tide"]),
        lambda: index.add(passages("c", 1)),
        lambda: len(index),
        index.close,
    ]
    results = []
    for turn in range(rounds):
        time.sleep(chance.random() * 0.02)
        results.append(forked(calls[turn % len(calls)], seconds=30))
    stop.set()
    writer.join()
    index.close()
    return outcome(path, written | {passage.id for passage in passages("p", 200)}) + told_of(
        results
    )


def forks(rounds: int) -> Table:
    columns = ("children", "acknowledged", "lost", "not found", "hangs", "raw errors", "refused")
    table = Table("", *columns, title=f"Forks, {rounds} rounds")
    totals: dict[str, Counter[str]] = {}
    for name, attempt in (("forked writers", forked_writers), ("pools", pools)):
        totals[name] = Counter()
        for _ in range(rounds):
            with new_path() as path:
                totals[name] += attempt(path)
    with new_path() as path:
        totals["forks while a thread writes"] = forks_while_writing(path, rounds)
    for name, total in totals.items():
        table.add_row(name, *(str(total[column]) for column in columns))
    return table


# Kills

_WRITER = "--killed-writer"


def killed_writer(path: Path, seed: int) -> None:
    """Change an index for ever, telling of each change before it and after it."""
    chance = random.Random(seed)
    while True:
        with HybridIndex.open(path, encoder=ENCODER, read_only=False) as index:
            for step in range(8):
                ids = sorted({f"k{chance.randrange(400)}" for _ in range(20)})
                what = chance.choice(["add", "add", "again", "delete", "metadata", "optimize"])
                stamp = chance.randrange(10**9)
                if what == "metadata":
                    ids = [passage.id for passage in index.get(ids) if passage is not None]
                print(json.dumps([what, ids, stamp]), flush=True)
                if what == "add":
                    text = f"tide of {stamp}"
                    index.add(Passage(id_, f"{text} {id_}", {"stamp": stamp}) for id_ in ids)
                elif what == "again":  # the same texts with other metadata
                    index.add(
                        Passage(passage.id, passage.text, {"stamp": stamp})
                        for passage in index.get(ids)
                        if passage is not None
                    )
                elif what == "delete":
                    index.delete(ids)
                elif what == "metadata":
                    index.update_metadata(ids, {"stamp": stamp})
                elif step % 4 == 0:
                    index.optimize()
                print(json.dumps("done"), flush=True)


def kills(rounds: int) -> Table:
    columns = ("kills", "changes", "lost", "stages that disagree")
    table = Table(
        "", *columns, title="kill -9 in add, delete, update_metadata, optimize, open, close"
    )
    for lexical in ("bm25s", "qdrant"):
        total: Counter[str] = Counter()
        with new_path() as path:
            HybridIndex.create(path, encoder=ENCODER, lexical=lexical).close()  # type: ignore[arg-type]
            stored: dict[str, tuple[str, int]] = {}
            for turn in range(rounds // 2):
                total += _kill(path, stored, turn)
        table.add_row(lexical, *(str(total[column]) for column in columns))
    return table


def _kill(path: Path, stored: dict[str, tuple[str, int]], turn: int) -> Counter[str]:
    command = [sys.executable, __file__, _WRITER, str(path), str(turn)]
    chance = random.Random(turn)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        time.sleep(chance.uniform(0, 0.5))
        writer.kill()
        lines += writer.stdout
    told = [json.loads(line) for line in lines if line.endswith("\n")]
    changes = [entry for entry in told if entry != "done"]
    pending = changes[-1] if told and told[-1] != "done" else None
    for what, ids, stamp in changes:
        if [what, ids, stamp] != pending:
            _apply(stored, what, ids, stamp)
    with HybridIndex.open(path, encoder=ENCODER, read_only=False) as index:
        found = {passage.id: (passage.text, passage.metadata["stamp"]) for passage in index}
        after = dict(stored)
        if pending is not None:
            _apply(after, *pending)
        wrong = [
            id_
            for id_ in stored.keys() | found.keys() | after.keys()
            if found.get(id_) not in (stored.get(id_), after.get(id_))
        ]
        everything = max(1, len(found))
        disagree = 0
        for stage in (index.bm25, index.dense):
            hits = stage.search(["tide"], everything, depth=everything)[0]
            disagree += {hit.passage.id for hit in hits} != found.keys()
        for id_, (text, _) in list(found.items())[:5]:
            best = index.bm25.search([text.rsplit(" ", 1)[1]], 1)[0]
            disagree += not best or best[0].passage.id != id_
    stored.clear()
    stored.update(found)
    return Counter(
        {
            "kills": 1,
            "changes": len(changes),
            "lost": len(wrong),
            "stages that disagree": disagree,
        }
    )


def _apply(stored: dict[str, tuple[str, int]], what: str, ids: list[str], stamp: int) -> None:
    for id_ in ids:
        if what == "add":
            stored[id_] = (f"tide of {stamp} {id_}", stamp)
        elif what == "delete":
            stored.pop(id_, None)
        elif what in ("again", "metadata") and id_ in stored:
            stored[id_] = (stored[id_][0], stamp)


# Readers

_READER = "--reader"


def reader(path: Path) -> None:
    """Search and refresh until a line comes, then tell what the index holds."""
    searches = refreshes = 0
    slowest = 0.0
    with HybridIndex.open(path, encoder=ENCODER, read_only=True) as index:
        print("open", flush=True)
        while not select.select([sys.stdin], [], [], 0)[0]:
            for _ in range(20):
                hits = index.search(["tide of w1"], 50)[0]
                assert len(hits) == min(50, len(index))
                searches += 1
            start = perf_counter()
            index.refresh()
            slowest = max(slowest, perf_counter() - start)
            refreshes += 1
        index.refresh()
        answers = [[h.passage.id, h.score] for h in index.search(["tide 3 of w7"], 50)[0]]
        state = [sorted((p.id, p.text) for p in index), answers]
    print(json.dumps([searches, refreshes, slowest, state]))


def readers(seconds: float) -> Table:
    table = Table(
        "lexical", "writes", "searches", "refreshes", "slowest refresh", "errors", "as the writer",
        title=f"{READERS} processes read while one writes for {seconds:.0f} s",
    )  # fmt: skip
    for lexical in ("bm25s", "qdrant"):
        with (
            new_path() as path,
            HybridIndex.create(path, encoder=ENCODER, lexical=lexical) as index,  # type: ignore[arg-type]
        ):
            index.add(passages("p", 1_000))
            command, pipe = [sys.executable, __file__, _READER, str(path)], subprocess.PIPE
            processes = [
                subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
                for _ in range(READERS)
            ]
            for process in processes:
                assert process.stdout is not None
                process.stdout.readline()
            writes, end = 0, perf_counter() + seconds
            while perf_counter() < end:
                index.add(passages(f"w{writes % 50}-", 50, turn=writes))
                index.delete([f"w{(writes * 7) % 50}-3"])
                writes += 2
            told = [process.communicate("stop\n", timeout=120) for process in processes]
            hits = index.search(["tide 3 of w7"], 50)[0]
            state = [
                sorted([p.id, p.text] for p in index), [[h.passage.id, h.score] for h in hits]
            ]  # fmt: skip
        failed = [error for process, (_, error) in zip(processes, told, strict=True)
                  if process.returncode]  # fmt: skip
        results = [json.loads(out.splitlines()[-1]) for out, _ in told if out.strip()]
        table.add_row(
            lexical,
            str(writes),
            str(sum(result[0] for result in results)),
            str(sum(result[1] for result in results)),
            f"{max((result[2] for result in results), default=0):.2f} s",
            str(len(failed)),
            f"{sum(result[3] == state for result in results)} of {READERS}",
        )
        for error in failed:
            Console(stderr=True).print(error[-2000:])
    return table


# Unchanged passages


def unchanged() -> Table:
    from corpus import judged
    from hybridge.encoders import SentenceTransformerEncoder, as_encoder

    encoder = as_encoder()
    assert isinstance(encoder, SentenceTransformerEncoder)
    encoded = 0
    encode = encoder.encode_passages

    def counting(texts: Sequence[str], **options: Any) -> Any:
        nonlocal encoded
        encoded += len(texts)
        return encode(texts, **options)

    encoder.encode_passages = counting  # type: ignore[method-assign]
    corpus = judged("test")
    table = Table("add", "seconds", "texts encoded", title=f"{len(corpus.passages)} passages twice")
    with new_path() as path, HybridIndex.create(path, encoder=encoder) as index:
        seconds = []
        for name in ("first", "second"):
            encoded, start = 0, perf_counter()
            index.add(corpus.passages, progress=False)
            seconds.append(perf_counter() - start)
            table.add_row(name, f"{seconds[-1]:.2f}", str(encoded))
    table.caption = f"The second is {seconds[0] / seconds[1]:.0f} times as fast."
    return table


# Opening

_OPENER = "--opener"


def opener(path: Path, read_only: bool) -> None:
    """Open an index, search once, and tell what both took."""
    before = peak()
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        start = perf_counter()
        with HybridIndex.open(path, encoder=ENCODER_384, read_only=read_only) as index:
            opened = perf_counter() - start
            index.search(["tide 3"])
            searched = perf_counter() - start
            disk = sum(f.stat().st_blocks * 512 for f in Path(folder).rglob("*") if f.is_file())
            print(json.dumps([opened, searched, disk, peak() - before]))


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def wide(texts: Sequence[str]) -> np.ndarray:
    return np.repeat(hashed(texts), 12, axis=1)


ENCODER_384 = CallableEncoder(wide, dimension=DIMENSION * 12, identity="hashed words, 384")


def opening() -> Table:
    table = Table(
        "passages", "lexical", "opened for", "seconds", "and first search", "memory, MB",
        "temporary files, MB", title="Opening (384 dimensions, 60 words a passage), median of 3",
    )  # fmt: skip
    chance = random.Random(1)
    words = [f"word{n}" for n in range(20_000)]
    for count in (5_000, 50_000):
        texts = [" ".join(chance.choices(words, k=60)) for _ in range(count)]
        for lexical in ("bm25s", "qdrant"):
            with new_path() as path:
                with HybridIndex.create(path, encoder=ENCODER_384, lexical=lexical) as index:  # type: ignore[arg-type]
                    index.add(Passage(f"p{n}", text) for n, text in enumerate(texts))
                for mode in ("writing", "reading", "reading, beside a writer"):
                    writer = None
                    if "beside" in mode:
                        writer = HybridIndex.open(path, encoder=ENCODER_384, read_only=False)
                        writer.add([Passage("another", "one tide")])
                    measured = [_opened(path, mode != "writing") for _ in range(3)]
                    opened, searched, disk, memory = np.median(np.array(measured), axis=0)
                    if writer is not None:
                        writer.close()
                    table.add_row(
                        str(count), lexical, mode, f"{opened:.2f}", f"{searched:.2f}",
                        f"{memory / 1e6:.0f}", f"{disk / 1e6:.0f}",
                    )  # fmt: skip
    return table


def _opened(path: Path, read_only: bool) -> list[float]:
    command = [sys.executable, __file__, _OPENER, str(path), str(int(read_only))]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    measured: list[float] = json.loads(told.splitlines()[-1])
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = ("forks", "kills", "readers", "unchanged", "opening")
    parser.add_argument("what", nargs="*", choices=[*names, []], default=names)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    run: dict[str, Callable[[], Table]] = {
        "forks": lambda: forks(arguments.rounds),
        "kills": lambda: kills(arguments.rounds),
        "readers": lambda: readers(arguments.seconds),
        "unchanged": unchanged,
        "opening": opening,
    }
    for name in arguments.what:
        Console(width=120).print(run[name]())


if __name__ == "__main__":
    if _WRITER in sys.argv:
        killed_writer(Path(sys.argv[2]), int(sys.argv[3]))
    elif _READER in sys.argv:
        reader(Path(sys.argv[2]))
    elif _OPENER in sys.argv:
        opener(Path(sys.argv[2]), bool(int(sys.argv[3])))
    else:
        main()
