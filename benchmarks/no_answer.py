"""Floors: how often an off-topic question finds nothing, and how many answers that costs.

    python benchmarks/no_answer.py [--cache DIR]

SciFact's 300 test claims are asked of SciFact, and so are the 195 questions about the Python
language that the demo has, which no abstract answers. The minimum of a stage is chosen by
`hybridge.tuning.calibrate_floor` on half of the claims and 100 of the questions, and measured on
the other half and the other 95, by `hybridge.evaluation.no_answer`, at k = 10: for one split, and
as the mean and the worst of 20 at random. The stages: cosine, and the cross-encoder's probability
(over the first 20 candidates). SciFact is taken from HYBRIDGE_DATASETS, its vectors from the cache.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from corpus import SCIFACT, cache_argument, embed_scifact, judged, load
from hybridge import CallableEncoder, CrossEncoderReranker, HybridIndex, Pipeline
from hybridge.evaluation import no_answer
from hybridge.tuning import calibrate_floor

OFF_TOPIC = 100  # questions that a minimum is chosen by
SPLITS = 20


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
    table = Table("stage", "split", "minimum", "nothing found", "answers lost", "answered")
    with HybridIndex.create(encoder=encoder) as index:
        index.add(corpus.passages, vectors=corpus.vectors)
        systems = {
            "dense": index,
            "cross-encoder": Pipeline(index, CrossEncoderReranker(), depth=20),
        }
        for stage, retriever in systems.items():
            figures = np.array([split(retriever, stage, seed) for seed in range(SPLITS)])
            for name, row in (
                ("the first", figures[0]),
                (f"mean of {SPLITS}", figures.mean(axis=0)),
                ("least nothing found", figures[figures[:, 1].argmin()]),
                ("most answers lost", figures[figures[:, 2].argmax()]),
            ):
                shares = (f"{100 * share:.1f} %" for share in row[1:])
                table.add_row(stage, name, f"{row[0]:.3f}", *shares)
            Console(width=110).print(table)


def split(retriever: Any, stage: str, seed: int) -> tuple[float, float, float, float]:
    """Chooses a minimum on one half, and returns it with its figures on the other."""
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
    calibration = calibrate_floor(retriever, stage, test.queries, chosen, questions[:OFF_TOPIC])
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
