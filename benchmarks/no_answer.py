"""Floors: how often an off-topic question finds nothing, and how many answers that costs.

    python benchmarks/no_answer.py [--cache DIR]

SciFact's 300 test claims are asked of SciFact, and so are the 195 questions about the Python
language that the demo has, which no abstract answers. The minimum of a stage is chosen by
`hybridge.tuning.calibrate_floor` on half of the claims and 100 of the questions, and measured on
what is left of both, by `hybridge.evaluation.no_answer`, at k = 10: for one split, and
as the mean and the worst of 20 at random. The stages: cosine, and the probability of the packaged
cross-encoder over the first 10; each hit is held to the minimum, or the list. SciFact is taken from
HYBRIDGE_DATASETS, its vectors from the cache.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.table import Table

from corpus import SCIFACT, cache_argument, embed_scifact, judged, load
from hybridge import CallableEncoder, CrossEncoderReranker, HybridIndex, Pipeline, Retriever
from hybridge.evaluation import no_answer
from hybridge.passages import Hit
from hybridge.protocols import Where
from hybridge.tuning import calibrate_floor

OFF_TOPIC = 100  # questions that a minimum is chosen by
SPLITS = 20
MODEL = "cross-encoder/ms-marco-MiniLM-L12-v2"


def main() -> None:
    """Prints a table, a row a stage and split."""
    cache = cache_argument(__doc__)
    embed_scifact(cache)
    corpus = load(SCIFACT, cache)
    encoder = CallableEncoder(
        lambda texts: np.stack([corpus.query_vectors[text] for text in texts]),
        dimension=corpus.vectors.shape[1],
        identity="cached",
    )
    with HybridIndex.create(encoder=encoder) as index:
        index.add(corpus.passages, vectors=corpus.vectors)
        reranked = Pipeline(index, CrossEncoderReranker(MODEL, max_length=192), depth=10)
        kept = {"dense": Kept(index), "cross-encoder": Kept(reranked)}
        for stage in ("dense", "cross-encoder"):
            for of in ("hit", "list"):
                Console(width=110).print(table(kept[stage], stage, of))


def table(retriever: Any, stage: str, of: Literal["hit", "list"]) -> Table:
    """Returns the figures of a floor on a stage."""
    figures = np.array([split(retriever, stage, of, seed) for seed in range(SPLITS)])
    shown = Table(f"{stage}, of each {of}", "minimum", "nothing found", "answers lost", "answered")
    for name, row in (
        ("the first split", figures[0]),
        (f"mean of {SPLITS} splits", figures.mean(axis=0)),
        ("least nothing found", figures[figures[:, 1].argmin()]),
        ("most answers lost", figures[figures[:, 2].argmax()]),
    ):
        shown.add_row(name, f"{row[0]:.3f}", *(f"{100 * share:.1f} %" for share in row[1:]))
    return shown


class Kept:
    """A retriever whose lists are kept, for each split asks the same questions."""

    def __init__(self, retriever: Retriever) -> None:
        self.index = retriever  # where the stages are looked for
        self._lists: dict[str, list[Hit]] = {}

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Searches for what was not searched for."""
        new = [query for query in queries if query not in self._lists]
        self._lists.update(zip(new, self.index.search(new, k, where=where), strict=True))
        return [self._lists[query] for query in queries]

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Returns what `search` does."""
        return self.search(queries, k, where=where)


def split(
    retriever: Any, stage: str, of: Literal["hit", "list"], seed: int
) -> tuple[float, float, float, float]:
    """Chooses a minimum on half of the claims, and returns it with its figures on the rest."""
    test = judged("test")
    lines = files("hybridge.demo").joinpath("questions.jsonl").read_text("utf-8").splitlines()
    off_topic = [json.loads(line)["text"] for line in lines]
    random = np.random.default_rng(seed)
    claims = random.permutation(list(test.qrels)).tolist()
    questions = random.permutation(off_topic).tolist()
    half = len(claims) // 2
    chosen, measured = (
        {claim: test.qrels[claim] for claim in part} for part in (claims[:half], claims[half:])
    )
    calibration = calibrate_floor(
        retriever, stage, test.queries, chosen, questions[:OFF_TOPIC], of=of
    )
    systems = {"plain": retriever, "floored": calibration.apply()}
    found = no_answer(systems, test.queries, measured, questions[OFF_TOPIC:])
    return (
        calibration.floor[stage],
        found.nothing_found("floored"),
        found.lost("floored"),
        found.answers("floored"),
    )


if __name__ == "__main__":
    main()
