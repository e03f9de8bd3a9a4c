"""Chooses the default fusion: hundreds of settings on SciFact's train queries, judged on test.

    python benchmarks/tune_fusion.py [--cache DIR] [--late]

Prints each fusion with equal weights of both stages and the index's own depth and BM25, then what
`hybridge.tuning.tune` chooses of all settings, and how long it took; vectors are looked up. Test
queries are touched once, at the end, for the default and for the choice. Needs the `bench` extra,
and SciFact under HYBRIDGE_DATASETS.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from corpus import CACHE, embed_scifact, judged, load
from hybridge.tuning import Setting, Tuning, tune
from rerank_index import hybrid_index, kept_tokens


def main() -> None:
    """Prints the fusions side by side, and the tuning."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cache", type=Path, default=CACHE, metavar="DIR", help="where SciFact's vectors are kept"
    )
    parser.add_argument(
        "--late", action="store_true", help="keep token vectors, and tune their blend as well"
    )
    arguments = parser.parse_args()
    embed_scifact(arguments.cache)
    corpus, train = load(0, arguments.cache), judged("train")
    tokens = kept_tokens(arguments.cache) if arguments.late else None
    with hybrid_index(corpus, tokens) as index:
        began, worked = time.perf_counter(), time.process_time()
        tuning = tune(index, train.queries, train.qrels, test=judged("test"))
        took, work = time.perf_counter() - began, time.process_time() - worked
    console = Console(width=120)
    console.print(fusions(tuning))
    console.print(tuning)
    console.print(f"{took:.0f} s, of which the processor worked {work:.0f} s")


def fusions(tuning: Tuning) -> Table:
    """The trials that differ from the default by their fusion alone, with equal weights."""
    table = Table("fusion", tuning.measure, title="SciFact train: equal weights", box=None)
    equal = {"bm25": 0.5, "dense": 0.5}

    def alike(setting: Setting) -> Setting:
        return replace(setting, fusion=tuning.default.fusion, weights=equal)

    for trial in tuning.trials:
        share = trial.setting.value("weights")
        if share in {0.5, None} and alike(trial.setting) == alike(tuning.default):
            table.add_row(str(trial.setting.value("fusion")), f"{trial.score:.4f}")
    return table


if __name__ == "__main__":
    main()
