"""The packaged bi-encoder adapted on SciFact's train questions, and measured on its test questions.

    python benchmarks/adapt.py [--minutes 30] [--seed 0] [--questions 300] [--share 0.5]
                               [--shuffled] [--test] [--other-domain] [--cache DIR]

The folders of the adapted models are kept in the cache: what was interrupted goes on, and what was
measured is not trained again. ``--other-domain`` then asks the demo's judged questions about the
Python reference with the adapted model and with its parent. Needs the `bench` and `adapt` extras,
and SciFact under HYBRIDGE_DATASETS.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from corpus import CACHE, SCIFACT, embed_scifact, judged, load
from hybridge import BM25, Dense, Encoder, HybridIndex, SentenceTransformerEncoder
from hybridge.adaptation import Adaptation, TrainingSettings, adapt
from hybridge.demo import labelled_questions, language_reference
from hybridge.evaluation import evaluate

MEASURES = ["nDCG@10", "R@100"]


def main() -> None:
    """Adapt, and print what came of it."""
    given = arguments()
    console = Console(width=110)
    embed_scifact(given.cache)
    with HybridIndex.create(stages=[BM25(), Dense()]) as index:
        corpus, train, test = load(SCIFACT, given.cache), judged("train"), judged("test")
        index.add(corpus.passages, vectors=corpus.vectors)
        queries, qrels = chosen(train.queries, train.qrels, given)
        settings = TrainingSettings(
            minutes=given.minutes, epochs=given.epochs, seed=given.seed, negatives=given.negatives
        )
        settings = replace(settings, **json.loads(given.settings))
        parts = [given.share, given.shuffled, given.validation, given.held_out]
        names = json.dumps([settings.to_config(), sorted(queries), parts])
        folder = given.cache / "adapted" / hashlib.sha256(names.encode()).hexdigest()[:12]
        console.print(folder, settings)
        adaptation = adapt(
            index,
            queries,
            qrels,
            folder,
            settings=settings,
            share=given.share,
            validation=given.validation,
            held_out=given.held_out,
            test=(test.queries, test.qrels) if given.test else None,
            progress=True,
        )
        console.print(adaptation)
        console.print(adaptation.setting)
        if given.test:
            weights = index.defaults["weights"]
            adaptation.apply(index)
            usual = {"hybrid, weights of the default": index.tuned(weights=weights)}
            console.print(evaluate(usual, test.queries, test.qrels, MEASURES, batch_size=64))
    if given.other_domain:
        console.print(other_domain(adaptation))


def chosen(
    queries: dict[str, str], qrels: dict[str, dict[str, int]], given: argparse.Namespace
) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Return as many questions as wanted, with judgements that are their own or shuffled."""
    ids = [query_id for query_id in queries if query_id in qrels]
    order = np.random.default_rng(given.seed).permutation(len(ids))
    some = [ids[i] for i in order[: given.questions]]
    answers = [qrels[query_id] for query_id in some]
    if given.shuffled:
        answers = answers[1:] + answers[:1]
    return {each: queries[each] for each in some}, dict(zip(some, answers, strict=True))


def other_domain(adaptation: Adaptation) -> object:
    """Evaluate the adapted model and its parent on questions about Python."""
    passages = list(language_reference())
    asked = labelled_questions(passages)
    encoders: dict[str, Encoder] = {
        "parent": SentenceTransformerEncoder(),
        "adapted": adaptation.model,
    }
    retrievers: dict[str, object] = {}
    for name, encoder in encoders.items():
        index = HybridIndex.create(stages=[BM25(), Dense(encoder)])
        index.add(passages)
        retrievers |= {f"{name}, dense": index.dense, f"{name}, hybrid": index}
    return evaluate(retrievers, asked.queries, asked.qrels, MEASURES, batch_size=64)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--negatives", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--questions", type=int, help="train questions; all by default")
    parser.add_argument("--share", type=float, help="of trained weights; chosen by default")
    parser.add_argument("--validation", type=float, default=0.1)
    parser.add_argument("--held-out", type=float, default=0.2)
    parser.add_argument("--settings", default="{}", help="further ones, as JSON")
    parser.add_argument("--shuffled", action="store_true", help="judgements of other questions")
    parser.add_argument("--test", action="store_true", help="search the test questions at the end")
    parser.add_argument("--other-domain", action="store_true")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
