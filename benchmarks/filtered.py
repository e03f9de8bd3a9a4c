"""Filtered search in an index with `hnsw=`: what it finds, and what filtering by a new field costs.

    python benchmarks/filtered.py [--passages 100k] [--large 200k] [--queries N] [--url URL]

The vectors are those of `corpus`, SciFact's own moved a little; the queries are SciFact's. Each
filter is a range that keeps a share of the passages: of a field in which the vectors have no part,
and of one which sorts them by direction, as a subject does. One half of the fields is declared with
`filter_fields=`, the other filtered by for the first time after `optimize`. Recall@100 is against
brute force over the matches.

With `--url` the index is on that Qdrant server. Needs SciFact under HYBRIDGE_DATASETS.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import corpus
from hybridge import CallableEncoder, HybridIndex
from hybridge.passages import Passage
from hybridge.vectors import HNSW

SHARES = (0.001, 0.01, 0.1, 0.5)
K = 100
SEED = 5
COLLECTION = "hybridge-benchmark-filtered"

_console = Console(width=120)


class Data:
    """A corpus whose passages have a number for each way of filtering.

    Args:
        size: how many passages.
        count: how many queries.
        cache: where SciFact's vectors are kept.
    """

    def __init__(self, size: int, count: int, cache: Path) -> None:
        loaded = corpus.load(size, cache)
        random = np.random.default_rng(SEED)
        self.vectors = loaded.vectors
        direction = random.standard_normal(self.vectors.shape[1])
        order = np.argsort(np.argsort(self.vectors @ direction))
        self.values = {"any subject": random.permutation(size) / size, "one subject": order / size}
        self.passages = [
            Passage(
                passage.id,
                passage.text,
                {
                    f"{when} {name}": float(round(values[row], 9))
                    for when in ("declared", "new")
                    for name, values in self.values.items()
                },
            )
            for row, passage in enumerate(loaded.passages)
        ]
        self.queries = list(loaded.query_vectors)[-count:]
        self.query_vectors = np.stack([loaded.query_vectors[query] for query in self.queries])
        self.encoder = CallableEncoder(
            lambda texts: np.stack([loaded.query_vectors[text] for text in texts]),
            dimension=self.vectors.shape[1],
            identity="lookup",
        )

    @property
    def declared(self) -> dict[str, Any]:
        """The fields that are known before there is a graph."""
        return {f"declared {name}": "float" for name in self.values}

    def nearest(self, name: str, share: float) -> list[set[str]]:
        """For each query the nearest passages that pass the filter, by brute force."""
        rows = np.flatnonzero(self.values[name] < share)
        scores = self.query_vectors @ self.vectors[rows].T
        tops = rows[np.argsort(-scores, axis=1)[:, :K]]
        return [{self.passages[row].id for row in top} for top in tops]


def main() -> None:
    """Measures, prints the tables and, if asked, writes them as JSON."""
    arguments = _arguments()
    corpus.embed_scifact(arguments.cache)
    data = Data(arguments.passages, arguments.queries, arguments.cache)
    measured = {}
    for quantization in (None, "int8"):
        measured[str(quantization)] = run(data, quantization, arguments.url)
        _print(f"hnsw, quantization={quantization}", measured[str(quantization)])
    large = Data(arguments.large, arguments.queries, arguments.cache)
    measured["new field"] = new_field(large, arguments.url)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


@contextmanager
def filled(data: Data, url: str | None, **options: Any) -> Iterator[HybridIndex]:
    """An index of the corpus, which goes when the block ends."""
    if url is not None:
        options |= {"url": url, "collection": COLLECTION, "overwrite": True}
    with HybridIndex.create(encoder=data.encoder, **options) as index:
        index.add(data.passages, vectors=data.vectors, progress=True)
        yield index


def run(data: Data, quantization: Any, url: str | None) -> list[dict[str, Any]]:
    """Recall and milliseconds of every filter: after the graph was built, and after `optimize`."""
    rows = []
    with filled(
        data, url, hnsw=HNSW(), quantization=quantization, filter_fields=data.declared
    ) as index:
        begin = time.perf_counter()
        index.optimize()
        if url is not None:
            _wait_for(url)
        print(f"graph built in {time.perf_counter() - begin:.0f} s", flush=True)
        for when in ("declared", "new", "new, optimized again"):
            if "again" in when:
                index.optimize()
            for name in data.values:
                for share in SHARES:
                    where = {f"{when.split(',')[0]} {name}": {"$lt": share}}
                    rows.append(
                        {"field": when, "filter": name, "share": share}
                        | _measured(index, data.queries, data.nearest(name, share), where)
                    )
    return rows


def _measured(
    index: HybridIndex, queries: Sequence[str], expected: list[set[str]], where: dict[str, Any]
) -> dict[str, float]:
    recalls, times = [], []
    for query, nearest in zip(queries, expected, strict=True):
        begin = time.perf_counter()
        [hits] = index.dense.search([query], K, where=where)
        times.append(1000 * (time.perf_counter() - begin))
        found = {hit.passage.id for hit in hits}
        recalls.append(len(found & nearest) / len(nearest))
    return {
        "recall@100": float(np.mean(recalls)),
        "least": min(recalls),
        "p50 ms": float(np.median(times)),
        "p95 ms": float(np.percentile(times, 95)),
    }


def new_field(data: Data, url: str | None) -> dict[str, float]:
    """How long a first filter takes, and how long searches wait that run beside it, in seconds."""
    waits: list[float] = []
    stop = threading.Event()
    with filled(data, url) as index:

        def search_on() -> None:
            while not stop.is_set():
                waits.append(_seconds(index, data.queries[0], None))

        _seconds(index, data.queries[0], None)
        beside = threading.Thread(target=search_on)
        beside.start()
        time.sleep(1)
        usual, before = float(np.median(waits)), len(waits)
        first, *later = [
            _seconds(index, data.queries[at], {"new any subject": {"$lt": share}})
            for at, share in enumerate((0.1, 0.1, 0.2, 0.3, 0.4))
        ]
        stop.set()
        beside.join()
        figures = {
            "longest wait beside": max(waits[before:]),
            "usual search": usual,
            "first filtered search": first,
            "same filter again": later[0],
            "longest of other values": max(later[1:]),
        }
        begin = time.perf_counter()
        index.optimize()
        figures["optimize"] = time.perf_counter() - begin
        index.bm25.search([data.queries[0]])
        figures["filtered search then"] = _seconds(
            index, data.queries[0], {"new any subject": {"$lt": 0.15}}
        )
    _console.print(f"\na first filter on a new field, {len(data.passages):,} passages, hybrid")
    for name, seconds in figures.items():
        _console.print(f"  {name}: {seconds:.3f} s")
    return figures


def _seconds(index: HybridIndex, query: str, where: Any) -> float:
    begin = time.perf_counter()
    index.search([query], where=where)
    return time.perf_counter() - begin


def _wait_for(url: str) -> None:
    """Wait until the server has built its graph."""
    from qdrant_client import QdrantClient, models

    client = QdrantClient(url=url)
    while client.get_collection(COLLECTION).status != models.CollectionStatus.GREEN:
        time.sleep(1)
    client.close()


def _print(title: str, rows: Sequence[dict[str, Any]]) -> None:
    table = Table(title=title)
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()))
    _console.print(table)


def _arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    for name, default, help_ in (
        ("--passages", "100k", "how many passages the graph is built over"),
        ("--large", "200k", "how many passages there are when a new field is filtered by"),
    ):
        parser.add_argument(name, type=_size, default=default, metavar="SIZE", help=help_)
    parser.add_argument("--queries", type=int, default=50, metavar="N", help="queries a filter")
    parser.add_argument("--url", help="a Qdrant server to measure instead of the embedded engine")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all figures to this file")
    parser.add_argument("--cache", type=Path, default=corpus.CACHE, metavar="DIR")
    return parser.parse_args()


def _size(text: str) -> int:
    """A number of passages, at least SciFact's.

    >>> _size("100k")
    100000
    """
    return max(1000 * int(text[:-1]) if text.endswith("k") else int(text), corpus.SCIFACT + 1)


if __name__ == "__main__":
    main()
