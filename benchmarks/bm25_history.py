"""BM25 kept in Qdrant, after many kinds of histories, beside bm25s over the same passages.

    python benchmarks/bm25_history.py [--slice N ...] [--server URL]

SciFact's passages are added by length ascending, descending and shuffled, in one `add` and in
slices; then half of them are deleted, and all are replaced by other texts and by their own again.
Nobody calls `optimize`. For each history: nDCG@10, how far it is from bm25s's over what is left,
how many of the best ten passages are the same, and what `add` and `delete` cost. Then the last of a
word whose other 449 passages were deleted is searched, with both kinds of BM25. Vectors are
constant: no model is needed. SciFact is taken from HYBRIDGE_DATASETS. `--server` takes the url of
a Qdrant server, or ":memory:" (slow), instead of a folder.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import Literal

import numpy as np
from rich.console import Console
from rich.table import Table

from corpus import judged
from hybridge import CallableEncoder, HybridIndex, Passage, Retriever
from hybridge.evaluation import evaluate
from hybridge.lexical import BM25Retriever

SEED = 7
BAR = 0.001
COLLECTION = "bm25-history"


def main() -> None:
    """Prints both tables."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--slice", type=int, nargs="*", default=[1_000, 100], help="passages an add", metavar="N"
    )
    parser.add_argument("--server", metavar="URL", help="a Qdrant server instead of a folder")
    arguments = parser.parse_args()
    passages = [Passage(passage.id, passage.text) for passage in judged("test").passages]
    console = Console(width=120)
    console.print(histories(passages, arguments.slice, arguments.server))
    console.print(last_of_a_word(arguments.server))


def histories(passages: list[Passage], slices: Sequence[int], server: str | None) -> Table:
    """One row a history; the difference from bm25s is to stay below the bar."""
    title = f"BM25 in Qdrant against bm25s: the difference is to stay below {BAR}"
    table = Table("history", "add of", "nDCG@10", "difference", "same ten", "s", title=title)
    shuffled = random.Random(SEED).sample(passages, len(passages))
    half = shuffled[: len(passages) // 2]
    orders: dict[str, list[Passage]] = {
        "shortest first": sorted(passages, key=lambda passage: len(passage.text)),
        "longest first": sorted(passages, key=lambda passage: -len(passage.text)),
        "shuffled": shuffled,
    }
    others = [Passage(p.id, q.text[:200]) for p, q in zip(passages, shuffled, strict=True)]

    def delete_half(index: HybridIndex) -> None:
        index.delete(passage.id for passage in shuffled[len(half) :])

    def replace_all(index: HybridIndex) -> None:
        for texts in (others, passages):
            add(index, texts, 1_000)

    changes: dict[str, tuple[Callable[[HybridIndex], None], list[Passage]]] = {
        "": (lambda _: None, passages),
        ", half deleted": (delete_half, half),
        ", all replaced and restored": (replace_all, passages),
    }
    for order, ordered in orders.items():
        for size in [len(passages), *slices]:
            for change, (make, left) in changes.items():
                if change and size != len(passages):
                    continue
                with created("qdrant", server) as index:
                    began = time.perf_counter()
                    add(index, ordered, size)
                    make(index)
                    took = time.perf_counter() - began
                    table.add_row(
                        order + change, str(size), *compared(index.bm25, left), f"{took:.1f}"
                    )
    return table


def add(index: HybridIndex, passages: Sequence[Passage], size: int) -> None:
    """Adds the passages, so many at a time."""
    for start in range(0, len(passages), size):
        some = passages[start : start + size]
        index.add(some, vectors=np.ones((len(some), 2), np.float32), progress=False)


def compared(retriever: Retriever, passages: Sequence[Passage]) -> Iterator[str]:
    """The quality, its distance from bm25s's, and the share of the first ten that are the same."""
    test = judged("test")
    systems: dict[str, object] = {"qdrant": retriever, "bm25s": BM25Retriever(passages)}
    result = evaluate(
        systems, test.queries, test.qrels, ["nDCG@10"], k=10, batch_size=100, progress=False
    )
    ours, theirs = result.mean("qdrant", "nDCG@10"), result.mean("bm25s", "nDCG@10")
    yield f"{ours:.4f}"
    yield f"{ours - theirs:+.4f}{'' if abs(ours - theirs) < BAR else ' !'}"
    lists = result.lists
    shares = [
        len(set(lists["qdrant"][query]) & set(found)) / len(found)
        for query, found in lists["bm25s"].items()
        if found
    ]
    yield f"{fmean(shares):.1%}"


def last_of_a_word(server: str | None) -> Table:
    """The rank of the one passage that is left of 450 with a word, and its score beside a fresh
    index's."""
    passages = [
        Passage(f"p{n}", ("ferret " if n < 450 else "") + f"alpha w{n % 40} w{n % 7}")
        for n in range(900)
    ]
    left = [passages[0], *passages[450:]]
    table = Table("BM25 by", "rank", "score", "fresh", title="The last of a word")
    for lexical in ("bm25s", "qdrant"):
        scores: list[float] = []
        ranks: list[int] = []
        for history in ((passages, range(1, 450)), (left, ())):
            with created(lexical, server) as index:
                add(index, history[0], 900)
                index.delete(f"p{n}" for n in history[1])
                [hits] = index.bm25.search(["ferret w3"], 900)
                scores.append(next(hit.score for hit in hits if hit.passage.id == "p0"))
                ranks.append([hit.passage.id for hit in hits].index("p0") + 1)
        table.add_row(lexical, str(ranks[0]), f"{scores[0]:.4f}", f"{scores[1]:.4f}")
    return table


def created(lexical: Literal["bm25s", "qdrant"], server: str | None) -> HybridIndex:
    """An empty index whose vectors say nothing."""
    encoder = CallableEncoder(
        lambda texts: np.ones((len(texts), 2), np.float32), dimension=2, identity="ones"
    )
    if server is None or lexical == "bm25s":
        return HybridIndex.create(encoder=encoder, lexical=lexical)
    return HybridIndex.create(
        url=server, collection=COLLECTION, encoder=encoder, lexical=lexical, overwrite=True
    )


if __name__ == "__main__":
    main()
