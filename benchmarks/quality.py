"""Hybridge, LangChain and LlamaIndex in one evaluation: SciFact's test queries, quality and time.

    python benchmarks/quality.py [--late] [--plot PICTURE] [--cache DIR]

All of them are asked by `hybridge.evaluation.evaluate`, the frameworks' retrievers through their
bridges. They are built as for benchmarks/hybrid.py, and their quality is the same to the last
digit. Query vectors are looked up, never encoded; only late interaction encodes its queries. Times
are of 100 passages each, all in one process: benchmarks/hybrid.py gives every system its own.

Needs the `bench` extra, both integrations, and SciFact under HYBRIDGE_DATASETS.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

import peer_langchain
import peer_llama_index
from corpus import CACHE, SCIFACT, Corpus, embed_scifact, judged, load
from hybridge.evaluation import Evaluation, evaluate
from langchain_hybridge import BridgedRetriever as LangChainBridge
from llama_index.retrievers.hybridge import BridgedRetriever as LlamaIndexBridge
from lookup import Lookup
from measure import DEPTH
from rerank_index import hybrid_index, kept_tokens

MEASURES = ["nDCG@10", "R@100", "MRR@10"]
OURS = "Hybridge"
LABELS = {"reciprocal_rerank": "by ranks", "relative_score": "by scores"}


def main() -> None:
    """Evaluates, prints the tables and, if asked, draws the picture."""
    arguments = _arguments()
    embed_scifact(arguments.cache)
    corpus, test = load(SCIFACT, arguments.cache), judged("test")
    index = hybrid_index(corpus)
    retrievers = {"BM25": index.bm25, "dense": index.dense, OURS: index, **peers(corpus)}
    if arguments.late:
        retrievers[f"{OURS}, late"] = hybrid_index(corpus, kept_tokens(arguments.cache))
    evaluation = evaluate(
        retrievers, test.queries, test.qrels, MEASURES, k=DEPTH, baseline=OURS, progress=True
    )
    console = Console()
    console.print(evaluation)
    for measure in MEASURES[:2]:
        console.print(differences(evaluation, measure))
    if arguments.plot is not None:
        from hybridge.plots import quality_latency

        quality_latency(evaluation).save(arguments.plot)


def peers(corpus: Corpus) -> dict[str, object]:
    """The frameworks' hybrid retrievers over the corpus, whose ids are in their metadata."""
    lookup = Lookup(corpus)
    ensemble = peer_langchain.ensemble(peer_langchain.documents_of(corpus), lookup)
    fusion = peer_llama_index.fusing(peer_llama_index.nodes_of(corpus), lookup)
    modes = {mode: fusion(mode, DEPTH) for mode in peer_llama_index.MODES}
    return {
        "LangChain": LangChainBridge(ensemble, id_key="id"),
        **{
            f"LlamaIndex, {LABELS[mode.value]}": LlamaIndexBridge(retriever, id_key="id")
            for mode, retriever in modes.items()
        },
    }


def differences(evaluation: Evaluation, measure: str) -> Table:
    """How far each retriever is from ours by a measure, and how surely."""
    title = f"{measure} against {OURS}: corrected p, queries won/tied/lost"
    table = Table(title=title, title_justify="left", box=None)
    for column in ("", "difference", "95 %", "p", "w/t/l"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for found in evaluation.compare(measure=measure):
        low, high = found.interval
        table.add_row(
            found.retriever,
            f"{found.difference:+.4f}",
            f"{low:+.3f} to {high:+.3f}",
            f"{found.corrected:.4f}",
            f"{found.wins}/{found.ties}/{found.losses}",
        )
    return table


def _arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--late", action="store_true", help="with an index that keeps token vectors, too"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="PICTURE", help="draw quality against latency, .png or .svg"
    )
    parser.add_argument(
        "--cache", type=Path, default=CACHE, metavar="DIR", help="where SciFact's vectors are kept"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
