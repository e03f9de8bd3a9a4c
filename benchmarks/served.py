"""Hybrid search on a Qdrant server: Hybridge, langchain-qdrant, LlamaIndex, and two bare requests.

    python benchmarks/served.py URL [--key KEY] [--passages 5k] [--queries 300] [--delay 10]
                                [--together 64] [--json OUT] [--cache DIR]

Every system runs in a process of its own and makes a collection ``benchmark-…`` on the server,
which is overwritten; they take turns over small batches of queries. Query vectors are looked up,
never encoded. Then the first of them searches through a proxy that delays everything by
``--delay`` milliseconds each way: one query after another, and ``--together`` at once by
`asearch`. Look at the ratios: milliseconds are a machine's own. Needs the `bench` extra, and
SciFact under HYBRIDGE_DATASETS. URL names the port, as in http://localhost:6333.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from rich.console import Console
from rich.table import Table

import corpus
import measure
from delay import delaying
from hybrid import sizes, times
from hybridge import HybridIndex
from served_ours import Hybridge, encoder_of, server

SYSTEMS = {
    "Hybridge": "served_ours:Hybridge",
    "bare": "served_ours:Bare",
    "langchain-qdrant": "peer_langchain_qdrant:LangChainQdrant",
    "LlamaIndex": "peer_llama_index_qdrant:LlamaIndexQdrant",
}


def main() -> None:
    """Measure, print the tables and, if wanted, write them as JSON."""
    given = _arguments()
    os.environ["HYBRIDGE_SERVED_URL"] = given.url
    os.environ["HYBRIDGE_SERVED_KEY"] = given.key or ""
    console = Console(width=110)
    corpus.embed_scifact(given.cache)
    [(label, size)] = given.passages.items()
    queries = list(corpus.judged("test").queries.values())
    wanted = list(itertools.islice(itertools.cycle(queries), given.queries))
    systems = measured(size, wanted, given.cache)
    console.print(_table(f"{label} passages, one run", systems))
    far = through_delay(size, wanted, given)
    console.print(far)
    if given.json is not None:
        found = {"systems": systems, "delayed": far}
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def measured(size: int, queries: list[str], cache: Path) -> dict[str, Any]:
    """Build every system, and time its searches; milliseconds, and passages a second."""
    systems: dict[str, dict[str, Any]] = {}
    workers: dict[str, measure.Worker] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        for name, system in SYSTEMS.items():
            workers[name] = measure.Worker(system, size, cache, Path(folder))
            build = workers[name].call("build", queries[0])
            build["passages_per_second"] = max(size, corpus.SCIFACT) / build["seconds"]
            searches: dict[str, Any] = {each: {} for each in workers[name].call("names")}
            systems[name] = {"build": build, "searches": searches}
        times(workers, systems, queries)
        for worker in workers.values():
            worker.stop()
    return systems


def through_delay(size: int, queries: Sequence[str], given: argparse.Namespace) -> dict[str, float]:
    """Search through a proxy: milliseconds of a query, and queries a second in two ways."""
    address = urlsplit(given.url)
    encoder = encoder_of(corpus.load(size, given.cache))
    with delaying(str(address.hostname), address.port or 6333, given.delay / 1000) as port:
        place = {**server(), "url": f"http://127.0.0.1:{port}", "collection": Hybridge.collection}
        with HybridIndex.open(encoder=encoder, **place) as index:
            index.search(queries[:1])
            one_by_one = []
            for query in queries[: given.together]:
                begin = perf_counter()
                index.search([query])
                one_by_one.append(perf_counter() - begin)
            together, threads = asyncio.run(_at_once(index, queries[: given.together]))
    return {
        "delay_each_way_ms": given.delay,
        "p50_ms": 1000 * float(np.median(one_by_one)),
        "one_after_another_per_second": len(one_by_one) / sum(one_by_one),
        "at_once_per_second": given.together / together,
        "ratio": sum(one_by_one) / together,
        "threads": threads,
    }


async def _at_once(index: HybridIndex, queries: Sequence[str]) -> tuple[float, int]:
    """Return the seconds that all queries take at once, and the threads there are meanwhile."""
    await asyncio.gather(*(index.asearch([query]) for query in queries))  # connections are made
    begin = perf_counter()
    running = asyncio.gather(*(index.asearch([query]) for query in queries))
    threads = 0
    while not running.done():
        threads = max(threads, threading.active_count())
        await asyncio.sleep(0.005)
    await running
    return perf_counter() - begin, threads


def _table(title: str, systems: Mapping[str, Any]) -> Table:
    table = Table(title=title)
    for column in ("", "p50 ms", "p95 ms", "processor ms", "passages added / s"):
        table.add_column(column, justify="left" if not column else "right")
    for name, system in systems.items():
        added = "" if name == "bare" else f"{system['build']['passages_per_second']:,.0f}"
        for search, figures in system["searches"].items():
            cells = [f"{figures[each]:.1f}" for each in ("p50", "p95", "cpu")]
            table.add_row(f"{name}: {search}", *cells, added)
    return table


def _arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("url", help="of the server, with its port")
    parser.add_argument("--key", help="the server's API key")
    parser.add_argument("--passages", type=sizes, default="5k", metavar="SIZE")
    parser.add_argument("--queries", type=int, default=300, metavar="N")
    parser.add_argument("--delay", type=float, default=10.0, metavar="MS", help="each way")
    parser.add_argument("--together", type=int, default=64, metavar="N", help="searches at once")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all figures to this file")
    parser.add_argument("--cache", type=Path, default=corpus.CACHE, metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
