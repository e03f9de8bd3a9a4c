"""`hybridge serve` under 16 clients, beside 16 threads that search the same index without a server.

    python benchmarks/serving.py [--seconds 60] [--clients 16] [--passages 5183]

SciFact, BM25 and the default bi-encoder, 10 passages an answer. The server is the command's own
process, the clients are threads of another one, each with one connection and one question at a time
by `POST /api/search`; without a server, as many threads of one process call `index.search`. Both
ask the same questions, each of them once before the clock starts, so that all vectors are
remembered. The answers are compared with those of `index.search`.

*First answer* is from when the server says its address, with the model loaded, to the first answer.
*Memory* is the server's own (USS) after it all, less that of the process of the threads.

Needs SciFact under HYBRIDGE_DATASETS.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

import corpus
from hybridge import HybridIndex

K = 10
_console = Console(width=100)

Ask = Callable[[str], None]


def main() -> None:
    """Measures, prints the table and, if asked, writes it as JSON."""
    given = _arguments()
    corpus.embed_scifact(given.cache)
    data = corpus.load(given.passages, given.cache)
    queries = list(data.query_vectors)[: given.queries]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "index"
        with HybridIndex.create(folder) as index:
            index.add(data.passages, vectors=data.vectors)
        spawn = multiprocessing.get_context("spawn")
        with spawn.Pool(1) as pool:
            alone = pool.apply(_in_process, (folder, queries, given.clients, given.seconds))
        with spawn.Pool(1) as pool:
            served = _served(pool, folder, queries, given)
    expected = alone.pop("ids")
    wrong = sum(served["ids"][query] != ids for query, ids in expected.items())
    del served["ids"]
    served["errors"] += wrong
    measured = {"in one process": alone, "server": served}
    _print(measured)
    if given.json is not None:
        given.json.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


def _in_process(folder: Path, queries: Sequence[str], threads: int, seconds: float) -> Any:
    """Measure threads that call `index.search`."""
    with HybridIndex.open(folder, read_only=True) as index:
        ids = {q: [hit.passage.id for hit in index.search([q], K)[0]] for q in queries}

        def ask(query: str) -> None:
            index.search([query], K)

        figures = _load([ask] * threads, queries, seconds)
        return {**figures, "memory": _memory(os.getpid()), "ids": ids}


def _served(pool: Any, folder: Path, queries: Sequence[str], given: argparse.Namespace) -> Any:
    """Measure clients of a server."""
    script = "from hybridge.cli import main; main()"
    command = [sys.executable, "-c", script, "serve", str(folder), "--port", "0"]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            started = time.perf_counter()
            port = int(line.split("/")[2].rpartition(":")[2])
            _Client(port).ask(queries[0])
            first = time.perf_counter()
            figures = pool.apply(_clients, (port, queries, given.clients, given.seconds))
            figures["memory"] = _memory(process.pid)
        finally:
            process.terminate()
    return {**figures, "started": started - began, "first": first - started}


def _clients(port: int, queries: Sequence[str], clients: int, seconds: float) -> Any:
    client = _Client(port)
    ids = {query: client.ask(query) for query in queries}
    asks: list[Ask] = [_Client(port, check=False).ask for _ in range(clients)]
    return {**_load(asks, queries, seconds), "ids": ids}


class _Client:
    """A connection that asks one question at a time; it costs little, for it shares the cores.

    Args:
        port: of the server.
        check: whether answers are read, and not just their status.
    """

    def __init__(self, port: int, check: bool = True) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._check = check

    def ask(self, query: str) -> list[str]:
        body = json.dumps({"query": query, "k": K}).encode()
        head = (
            "POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._received()
        start, _, content = answer.partition(b"\r\n\r\n")
        if not start.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(start.decode())
        length = int(start.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        parts, had = [content], len(content)
        while had < length:
            parts.append(self._received())
            had += len(parts[-1])
        if not self._check:
            return []
        [result] = json.loads(b"".join(parts))["results"]
        return [hit["passage"]["id"] for hit in result["hits"]]

    def _received(self) -> bytes:
        part = self._socket.recv(1 << 18)
        if not part:
            raise ConnectionError("the server ended the connection")
        return part


def _load(asks: Sequence[Callable[[str], Any]], queries: Sequence[str], seconds: float) -> Any:
    """Let each of `asks` ask one question after another, in a thread of its own."""
    times: list[float] = []
    errors: list[str] = []
    go = threading.Barrier(len(asks) + 1)
    end = [0.0]

    def work(ask: Callable[[str], Any], number: int) -> None:
        own = []
        position = number * len(queries) // len(asks)
        go.wait()
        while (began := time.perf_counter()) < end[0]:
            try:
                ask(queries[position % len(queries)])
            except (OSError, ValueError) as error:
                errors.append(repr(error))
                break
            own.append(time.perf_counter() - began)
            position += 1
        times.extend(own)

    threads = [threading.Thread(target=work, args=(ask, number)) for number, ask in enumerate(asks)]
    for thread in threads:
        thread.start()
    end[0] = (began := time.perf_counter()) + seconds
    go.wait()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    return {
        "errors": len(errors),
        "searches": len(times),
        "median": median(times) * 1000,
        "p95": quantiles(times, n=20)[-1] * 1000,
        "per_second": len(times) / took,
    }


def _memory(process: int) -> float:
    """Return a process's own memory in MB."""
    return float(psutil.Process(process).memory_full_info().uss) / 1e6


def _print(measured: dict[str, dict[str, float]]) -> None:
    alone, served = measured["in one process"], measured["server"]
    table = Table(title="SciFact, BM25 + dense, vectors remembered")
    for column in ("", "errors", "searches/s", "median ms", "p95 ms", "memory MB"):
        table.add_column(column, justify="right" if column else "left")
    for name, each in measured.items():
        table.add_row(
            name,
            f"{each['errors']:.0f}",
            f"{each['per_second']:.0f}",
            f"{each['median']:.1f}",
            f"{each['p95']:.1f}",
            f"{each['memory']:.0f}",
        )
    _console.print(table)
    _console.print(f"The server says its address after {served['started']:.1f} s.")
    above = served["memory"] - alone["memory"]
    for text, value, met in (
        ("errors", f"{served['errors']:.0f}", served["errors"] == 0),
        ("p95 / median", f"{(tail := served['p95'] / served['median']):.2f}", tail <= 3),
        (
            "throughput / in one process",
            f"{(share := served['per_second'] / alone['per_second']):.2f}",
            share >= 0.6,
        ),
        ("first answer, s", f"{served['first']:.2f}", served["first"] < 1),
        ("memory above the index, MB", f"{above:.0f}", above < 150),
    ):
        _console.print(f"{'met   ' if met else 'MISSED'}  {text}: {value}")


def _arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of load, each time")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--passages", type=int, default=corpus.SCIFACT)
    parser.add_argument("--queries", type=int, default=300, help="different ones")
    parser.add_argument(
        "--cache", type=Path, default=corpus.CACHE, metavar="DIR", help="where vectors are kept"
    )
    parser.add_argument("--json", type=Path, help="a file for the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
