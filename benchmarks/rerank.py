"""Reranking side by side: Hybridge, LangChain, LlamaIndex and RAGatouille itself.

    python benchmarks/rerank.py [--sections quality speed plaid] [--queries N] [--timed N]
                                [--json OUT] [--cache DIR]

Three sections, all in one run. *quality*: what each way of reranking is worth on SciFact's test
queries. *speed*: the same candidates reranked by every system, each in a process of its own, the
processes taking turns. *plaid*: a PLAID index over all of SciFact, with its memory. Needs the
`bench` and `colbert` extras, SciFact under HYBRIDGE_DATASETS, and scifact-cross-encoder under
HYBRIDGE_MODELS. Look at the ratios: milliseconds are a machine's own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import corpus

SECTIONS = ("quality", "speed", "plaid")
PACKAGES = (
    "hybridge",
    "sentence-transformers",
    "transformers",
    "torch",
    "qdrant-edge-py",
    "ragatouille",
    "colbert-ai",
    "langchain-classic",
    "langchain-community",
    "llama-index-core",
)


def main() -> None:
    """Measures, prints the tables and, if asked, writes the figures as JSON."""
    # Here, for the systems' processes import this module too.
    import report
    from rerank_plaid import plaid
    from rerank_quality import quality
    from rerank_speed import SYSTEMS, speed

    arguments = _arguments(list(SYSTEMS))
    corpus.embed_scifact(arguments.cache)
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is busy (load {load:.1f}): waiting for it stretches slow work most")
    sections: dict[str, Any] = {}
    bars: list[dict[str, Any]] = []
    for section in arguments.sections:
        if section == "quality":
            sections[section], found = quality(arguments.queries, arguments.cache)
        elif section == "speed":
            sections[section], found = speed(arguments.timed, arguments.cache, arguments.only)
        else:
            sections[section], found = plaid(arguments.queries, arguments.passages, arguments.cache)
        bars += found
    report.print_bars(bars)
    if arguments.json is not None:
        results = {
            "machine": f"{platform.machine()}, Python {platform.python_version()}",
            "versions": {package: version(package) for package in PACKAGES},
            "cores": len(os.sched_getaffinity(0)),
            "load": load,
            **sections,
            "bars": bars,
        }
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _arguments(systems: list[str]) -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--sections", nargs="+", choices=SECTIONS, default=SECTIONS, help="what to measure"
    )
    parser.add_argument(
        "--queries", type=int, metavar="N", help="how many queries quality is measured on"
    )
    parser.add_argument(
        "--timed", type=int, default=6, metavar="N", help="how many queries are timed"
    )
    parser.add_argument(
        "--passages", type=int, metavar="N", help="how many passages the PLAID index gets"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all figures to this file")
    parser.add_argument(
        "--cache",
        type=Path,
        default=corpus.CACHE,
        metavar="DIR",
        help="where vectors and checkpoints are kept",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=systems,
        default=systems,
        metavar="SYSTEM",
        help="time just some of these",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
