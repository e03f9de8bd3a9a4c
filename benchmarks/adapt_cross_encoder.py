"""A cross-encoder behind an adapted bi-encoder: as it is, and adapted on the same train questions.

    python benchmarks/adapt_cross_encoder.py --bi-encoder FOLDER [--steps 0] [--model ms-marco]
                                             [--blend 0.5] [--cache DIR]

FOLDER is what `adapt.py` prints first. The questions are divided as they were for it, so neither
model has seen those that choose the blend, nor the test questions. ``--steps 0`` measures the model
as it is. Scores are kept in the cache. Needs the `bench` and `adapt` extras, the package of the
cross-encoder, and SciFact under HYBRIDGE_DATASETS.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from rich.console import Console
from rich.table import Table

from corpus import CACHE, SCIFACT, embed_scifact, judged, load
from hybridge import BM25, CrossEncoderReranker, Dense, Hit, HybridIndex, Retriever
from hybridge import SentenceTransformerEncoder as BiEncoder
from hybridge.adaptation import TrainingSettings
from hybridge.adaptation.cross_encoder import TrainableCrossEncoder
from hybridge.adaptation.mining import Mined, mine
from hybridge.adaptation.questions import divide
from hybridge.adaptation.saved import load_training, save_training
from hybridge.adaptation.training import train
from hybridge.encoders import CachedEncoder
from hybridge.evaluation import Collection
from hybridge.evaluation.measures import Judge
from hybridge.iteration import chunked, progress_over
from hybridge.reranking import blended, reordered
from ms_marco import float_cross_encoder
from rerank_models import cross_encoder

MEASURE = "nDCG@10"
BLENDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
TOKENS = 256
VALIDATED, CANDIDATES = 40, 8  # questions, and passages of each, to see that training helps
_BATCH = 4  # queries

Hits = Mapping[str, Sequence[Hit]]


def main() -> None:
    """Print nDCG@10 by blend on the held-out questions, then on test with the one chosen there."""
    given = arguments()
    console = Console(width=110)
    embed_scifact(given.cache)
    train_set, test = judged("train"), judged("test")
    order = np.random.default_rng(given.seed).permutation(len(train_set.queries))  # as in adapt.py
    ids = [list(train_set.queries)[i] for i in order]
    queries = {each: train_set.queries[each] for each in ids}
    parts = divide(queries, given.validation, given.held_out, given.seed)
    with HybridIndex.create(stages=[BM25(), Dense(bi_encoder(given.bi_encoder))]) as index:
        retriever = filled(index, given)
        model = folder_of(given, retriever, train_set, parts.training, parts.validation)
        reranker = CrossEncoderReranker(model, max_length=TOKENS, dtype="int8", backend="onnx")
        learned = {id_ for each in parts.training for id_ in train_set.qrels[each]}
        scores = Scores(reranker, given.cache)
        best = given.blend
        if best is None:
            held = collection(train_set, parts.held_out)
            values = by_blend(retriever, held, given.depth, scores)
            console.print(table_of(f"{len(held.queries)} train questions", values))
            best = max(BLENDS, key=lambda share: fmean(values[share].values()))
        values = by_blend(retriever, test, given.depth, scores)
    chosen = {share: values[share] for share in (0.0, best)}
    unseen = [each for each, grades in test.qrels.items() if not learned & set(grades)]
    console.print(table_of(f"{len(test.queries)} test questions", chosen))
    console.print(
        table_of(
            f"{len(unseen)} of them, of unseen passages",
            {share: {each: of[each] for each in unseen} for share, of in chosen.items()},
        )
    )


def by_blend(
    retriever: Retriever, asked: Collection, depth: int, scores: Scores
) -> dict[float, Mapping[str, float]]:
    """Return nDCG@10 of each question, by the share of the cross-encoder in the scores."""
    found = dict(
        zip(asked.queries, retriever.search(list(asked.queries.values()), k=depth), strict=True)
    )
    reranked = scores.of(asked, found)
    judge = Judge([MEASURE], asked.qrels)
    return {
        share: judge(
            {
                each: [hit.passage.id for hit in blended(found[each], reranked[each], share)]
                for each in asked.queries
            }
        )[MEASURE]
        for share in BLENDS
    }


def table_of(name: str, values: Mapping[float, Mapping[str, float]]) -> Table:
    """Return a table of the means, a row a blend."""
    table = Table("blend", f"{MEASURE}, {name}")
    for share, each in values.items():
        table.add_row(f"{share:g}", f"{fmean(each.values()):.4f}")
    return table


def bi_encoder(folder: Path | None) -> BiEncoder | CachedEncoder:
    """Return an adapted bi-encoder with its cache of vectors, or the usual one."""
    if folder is None:
        return BiEncoder()
    return CachedEncoder(BiEncoder(folder / "model"), folder / "vectors")


def filled(index: HybridIndex, given: argparse.Namespace) -> Retriever:
    """Fill an index, and return it with the weights that were tuned for the adapted model."""
    corpus = load(SCIFACT, given.cache)
    if given.bi_encoder is None:
        index.add(corpus.passages, vectors=corpus.vectors)
        return index
    index.add(corpus.passages, progress=True)
    record = json.loads((given.bi_encoder / "adaptation.json").read_text(encoding="utf-8"))
    return index.tuned(weights=record["setting"]["weights"])


def folder_of(
    given: argparse.Namespace,
    retriever: Retriever,
    questions: Collection,
    training: Sequence[str],
    validation: Sequence[str],
) -> Path:
    """Return the folder of the cross-encoder, trained if it is to be."""
    parent = {"ms-marco": float_cross_encoder, "scifact": cross_encoder}[given.model](given.cache)
    if not given.steps:
        return parent
    settings = TrainingSettings(
        objective=given.objective,
        steps=given.steps,
        batch_size=8,
        learning_rate=given.learning_rate,
        temperature=1,
        max_tokens=given.tokens,
        negatives=given.negatives,
        validations=1,
        seed=given.seed,
    )
    described = [settings.to_config(), str(parent), str(given.bi_encoder), sorted(training)]
    name = hashlib.sha256(json.dumps(described).encode()).hexdigest()[:12]
    folder: Path = given.cache / "cross-encoders" / name
    if load_training(folder) is None:
        trainee = TrainableCrossEncoder(
            CrossEncoderReranker(parent, max_length=TOKENS, backend="torch", dtype="float32")
        )
        passages = {passage.id: passage for passage in questions.passages}

        def mined(ids: Sequence[str]) -> list[Mined]:
            asked = collection(questions, ids)
            return mine(retriever, asked.queries, asked.qrels, passages)

        random = np.random.default_rng(given.seed)
        learned = mined(training)
        rounds = [
            [
                example
                for each in learned
                for example in each.examples(given.objective, given.negatives, random)
                if len(example.passages) > given.negatives
            ]
            for _ in range(settings.epochs)
        ]
        validated = mined(validation)[:VALIDATED]

        def accuracy(model: object) -> float:
            """How often the model prefers a relevant passage to a hard negative."""
            texts = [[*each.relevant, *each.negatives[:CANDIDATES]] for each in validated]
            right = []
            for each, found in zip(
                validated,
                trainee.scores(model, [each.query for each in validated], texts),  # type: ignore[arg-type]
                strict=True,
            ):
                good = len(each.relevant)
                right.append(np.mean(np.array(found)[:good, None] > np.array(found)[None, good:]))
            return float(np.mean(right))

        relevant = {each.query: frozenset(each.relevant) for each in learned}
        folder.mkdir(parents=True, exist_ok=True)
        trained = train(
            trainee, rounds, settings, folder, validate=accuracy, relevant=relevant, progress=True
        )
        save_training(folder, trained, 1.0, {})
    saved = load_training(folder)
    assert saved is not None
    print(folder, settings, saved, sep="\n")
    return folder / "model"


class Scores:
    """A cross-encoder's scores, of which each is computed once.

    Args:
        reranker: the cross-encoder.
        cache: the folder that they are kept in.
    """

    def __init__(self, reranker: CrossEncoderReranker, cache: Path) -> None:
        self._reranker = reranker
        name = hashlib.sha256(f"{reranker.model_name} {TOKENS}".encode()).hexdigest()[:12]
        self._file = cache / f"scores-{name}.json"
        self._known: dict[str, dict[str, float]] = {}
        if self._file.exists():
            self._known = json.loads(self._file.read_text(encoding="utf-8"))

    def of(self, asked: Collection, found: Hits) -> Hits:
        """Return the hits in the order of the scores."""
        for batch in progress_over(list(chunked(found, _BATCH)), "Reranking", "batch", True):
            known = [self._known.setdefault(asked.queries[each], {}) for each in batch]
            missing = [
                [hit for hit in found[each] if hit.passage.id not in of_query]
                for each, of_query in zip(batch, known, strict=True)
            ]
            if any(missing):
                texts = [asked.queries[each] for each in batch]
                for of_query, hits in zip(
                    known, self._reranker.rerank(texts, missing), strict=True
                ):
                    of_query |= {hit.passage.id: hit.score for hit in hits}
                self._file.write_text(json.dumps(self._known), encoding="utf-8")
        return {
            each: reordered(
                self._reranker.name,
                hits,
                [self._known[asked.queries[each]][hit.passage.id] for hit in hits],
            )
            for each, hits in found.items()
        }


def collection(questions: Collection, ids: Sequence[str]) -> Collection:
    """Return some of the questions."""
    return Collection(
        questions.passages,
        {each: questions.queries[each] for each in ids},
        {each: questions.qrels[each] for each in ids},
    )


def arguments() -> argparse.Namespace:
    """Read the command line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--bi-encoder", type=Path, metavar="FOLDER", help="the usual by default")
    parser.add_argument("--model", choices=("ms-marco", "scifact"), default="ms-marco")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--objective", default="contrastive")
    parser.add_argument("--learning-rate", type=float, default=2e-5)
    parser.add_argument("--negatives", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=160, help="of a pair, in training")
    parser.add_argument("--depth", type=int, default=30)
    parser.add_argument("--blend", type=float, choices=BLENDS, help="chosen by default")
    parser.add_argument("--seed", type=int, default=1, help="that of the bi-encoder")
    parser.add_argument("--validation", type=float, default=0.08)
    parser.add_argument("--held-out", type=float, default=0.12)
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
