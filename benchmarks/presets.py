"""The presets on SciFact: quality, milliseconds a query, and passages encoded a second.

    python benchmarks/presets.py [--cache DIR]

Each preset is used as its users use it, on one thread; a query's time has its encoding, its search
and its reranking in it. Vectors of passages are kept in the cache, which the first run fills in a
quarter of an hour; the rate of encoding is measured anew, over some passages of ordinary length.
Needs the `bench` extra, and SciFact under HYBRIDGE_DATASETS.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter, process_time
from typing import get_args

from rich.console import Console
from rich.table import Table

from corpus import cache_argument, judged
from hybridge import Dense, Encoder, HybridIndex, Passage, preset
from hybridge.encoders import query_cache
from hybridge.evaluation import Collection, evaluate
from hybridge.presets import Preset, PresetName
from measure import DEPTH

MEASURES = ["nDCG@10", "R@100", "MRR@10"]
TIMED_QUERIES = 50
TIMED_PASSAGES = 128


def main() -> None:
    """Print one row a preset."""
    cache = cache_argument(__doc__)
    test = judged("test")
    table = Table("preset", *MEASURES, "ms a query", "passages a second")
    for name in get_args(PresetName):
        chosen = preset(name)
        with filled(chosen, list(test.passages), cache) as index:
            pipeline = chosen.pipeline(index)
            evaluation = evaluate(
                {name: pipeline}, test.queries, test.qrels, MEASURES, k=DEPTH, progress=True
            )
            means = [f"{evaluation.mean(name, measure):.4f}" for measure in MEASURES]
            table.add_row(name, *means, f"{query_time(pipeline, test):.1f}", rate_of(chosen, test))
    Console(width=100).print(table)


def filled(chosen: Preset, passages: list[Passage], cache: Path) -> HybridIndex:
    """Make an index of a preset's stages, with vectors from the cache."""
    index = HybridIndex.create(stages=chosen.stages, passage_cache=cache / "passages")
    index.add(passages, progress=True)
    return index


def encoders_of(chosen: Preset) -> dict[str, Encoder]:
    """Return the encoders of a preset, by the names of their stages."""
    return {stage.name: stage.encoder for stage in chosen.stages if isinstance(stage, Dense)}


def query_time(pipeline: object, test: Collection) -> float:
    """Return the median of the milliseconds of processor time that a new query takes."""
    times = []
    query_cache.clear()
    for query in list(test.queries.values())[: TIMED_QUERIES + 1]:
        start = process_time()
        pipeline.search([query], k=10)  # type: ignore[attr-defined]
        times.append(1000 * (process_time() - start))
    return sorted(times[1:])[TIMED_QUERIES // 2]


def rate_of(chosen: Preset, test: Collection) -> str:
    """Return how many passages a second all encoders of a preset encode together."""
    texts = [passage.text for passage in list(test.passages)[:TIMED_PASSAGES]]
    encoders = encoders_of(chosen).values()
    start = perf_counter()
    for encoder in encoders:
        encoder.encode_passages(texts)
    return f"{len(texts) / (perf_counter() - start):.1f}"


if __name__ == "__main__":
    main()
