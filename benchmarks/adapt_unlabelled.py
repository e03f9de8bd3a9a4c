"""The packaged bi-encoder adapted without a label, on SciFact's titles; measured on its test set.

    python benchmarks/adapt_unlabelled.py [--way title] [--share 0.5] [--pairs 5183] [--cache DIR]

Way ``title`` learns the passage of each title, in one pass. ``hybrid`` and ``cross-encoder`` learn
how one of these scores four passages that a search for the title finds. No weight is tuned, for
that needs labels. Models and vectors are kept in the cache. Needs the `bench` and `adapt` extras,
and SciFact under HYBRIDGE_DATASETS.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from statistics import fmean

import numpy as np
from rich.console import Console

from corpus import CACHE, SCIFACT, embed_scifact, judged, load
from hybridge import BM25, CrossEncoderReranker, Dense, HybridIndex, SentenceTransformerEncoder
from hybridge.adaptation import Example, TrainingSettings, corpus_pairs, teacher_examples
from hybridge.adaptation.averaging import averaged
from hybridge.adaptation.bi_encoder import TrainableBiEncoder
from hybridge.adaptation.saved import load_training, save_training
from hybridge.adaptation.training import train
from hybridge.encoders import CachedEncoder
from hybridge.evaluation import evaluate

WAYS = ("title", "hybrid", "cross-encoder")
MEASURES = ["nDCG@10", "R@100"]
TEACHER = "cross-encoder/ms-marco-MiniLM-L12-v2"
PASSAGES = 4  # of a title, that a teacher scores
VALIDATED = 200  # titles that are not trained on


def main() -> None:
    """Train, and print the measures on test before and after."""
    given = arguments()
    embed_scifact(given.cache)
    corpus, test = load(SCIFACT, given.cache), judged("test")
    pairs = corpus_pairs(test.passages, ["title"], number=given.pairs, seed=given.seed)
    validated, learned = pairs[:VALIDATED], pairs[VALIDATED:]
    with HybridIndex.create(stages=[BM25(), Dense()]) as index:
        index.add(corpus.passages, vectors=corpus.vectors)
        if given.way != "title":
            teacher = CrossEncoderReranker(TEACHER) if given.way == "cross-encoder" else None
            titles = [pair.query for pair in learned]
            learned = teacher_examples(
                index, titles, teacher=teacher, passages=PASSAGES, seed=given.seed, progress=True
            )
        before = {"dense, before": index.dense, "hybrid, before": index}
        model = CachedEncoder(adapted(given, learned, validated), given.cache / "passages")
        with HybridIndex.create(stages=[BM25(), Dense(model)]) as after:
            after.add(corpus.passages, progress=True)
            retrievers = before | {"dense, after": after.dense, "hybrid, after": after}
            found = evaluate(retrievers, test.queries, test.qrels, MEASURES, batch_size=64)
    Console(width=110).print(f"{given.way}, share {given.share:g}", found)


def adapted(
    given: argparse.Namespace, learned: list[Example], validated: list[Example]
) -> SentenceTransformerEncoder:
    """Train the model in one pass over the examples, and return the average with its parent."""
    trainee = TrainableBiEncoder(SentenceTransformerEncoder())
    settings = TrainingSettings(
        objective="contrastive" if given.way == "title" else "distillation",
        epochs=1,
        batch_size=16 if given.way == "title" else 8,
        learning_rate=given.learning_rate,
        validations=2,
        seed=given.seed,
    )

    def reciprocal_rank(model: object) -> float:
        """The mean of 1 / the rank of a title's own passage, among all that are validated on."""
        texts = [pair.passages[0] for pair in validated]
        found = trainee.scores(model, [pair.query for pair in validated], [texts] * len(validated))  # type: ignore[arg-type]
        ranks = [
            1 + sum(each > row[i] for each in row) for i, row in enumerate(map(np.array, found))
        ]
        return fmean(1 / rank for rank in ranks)

    described = [given.way, settings.to_config(), given.pairs]
    name = hashlib.sha256(json.dumps(described).encode()).hexdigest()[:12]
    folder = given.cache / "unlabelled" / name
    if load_training(folder) is None:
        folder.mkdir(parents=True, exist_ok=True)
        trained = train(
            trainee, [learned], settings, folder, validate=reciprocal_rank, progress=True
        )
        save_training(folder, trained, 1.0, {})
    saved = load_training(folder)
    assert saved is not None
    print(folder, saved, sep="\n")
    if saved.best == 0:
        raise SystemExit("training gained nothing on titles that it has not seen: keep the model")
    if given.share == 1:
        return trainee.wrapped(folder / "model")
    mean = folder / f"share-{given.share:g}"
    if not mean.exists():
        parent, model = trainee.load(), trainee.load(folder / "model")
        model.load_state_dict(averaged(parent.state_dict(), model.state_dict(), given.share))
        model.save(str(mean), create_model_card=False)
    return trainee.wrapped(mean)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--way", choices=WAYS, default="title")
    parser.add_argument("--share", type=float, default=0.5, help="of trained weights")
    parser.add_argument("--pairs", type=int, default=SCIFACT, help="titles, drawn at random")
    parser.add_argument("--learning-rate", type=float, default=3e-5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
