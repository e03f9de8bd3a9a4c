"""Spelling: what one slip of the fingers in each query costs, and what its correction brings back.

    python benchmarks/spelling.py [--cache DIR]

Two collections: the labelled questions over the Python language reference (`hybridge.demo`), and
SciFact's queries. A slip is made in one word of each query, of at least four letters and no stop
word, by a fixed seed: two neighbouring letters change places, or a letter is lost, doubled or
replaced by another. Identifiers, such as ``__slots__`` and ``format()``, are never corrected; one
line has slips in them too. Each line has nDCG@10 of BM25, of the dense stage and of the hybrid,
without and with the correction. Then come the time of a query without and with an unknown word,
what keeping the words costs when passages are added, and a correction among a million words.
"""

from __future__ import annotations

import random
import re
import string
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from corpus import SCIFACT, cache_argument, embed_scifact, judged, load
from hybridge import Analyzer, BM25Retriever, HybridIndex, Passage
from hybridge.demo import labelled_questions
from hybridge.encoders import CallableEncoder, SentenceTransformerEncoder
from hybridge.evaluation import Collection, evaluate
from hybridge.spelling import Speller, Words
from hybridge.stages.bm25 import Lexical

Vectors = NDArray[np.float32]

SEED = 15
ROUNDS = 8
MEASURE = "nDCG@10"
WORD = re.compile(r"(?<![\w.])[^\W\d_]{4,}(?![\w(])")
ANY_WORD = re.compile(r"[^\W\d_]{4,}")


def main() -> None:
    """Print the tables."""
    console = Console(width=110)
    cache = cache_argument(__doc__)
    embed_scifact(cache)
    scifact = load(SCIFACT, cache)
    encoder = SentenceTransformerEncoder()
    with HybridIndex.create(encoder=encoder) as index:
        questions = labelled_questions()
        index.add(questions.passages, progress=False)
        console.print(quality("195 questions over the Python reference", index, questions))
    with HybridIndex.create(encoder=_cached(encoder, scifact.query_vectors)) as index:
        index.add(scifact.passages, vectors=scifact.vectors, progress=False)
        for split in ("train", "test"):
            console.print(quality(f"SciFact, {split} queries", index, judged(split)))
        console.print(times(index, list(judged("test").queries.values())))
    console.print(adding(scifact.passages, scifact.vectors))
    console.print(sizes(scifact.passages))


def quality(title: str, index: HybridIndex, collection: Collection) -> Table:
    """Return nDCG@10 of each stage and of both, by the slip and without and with the correction."""
    table = Table("queries", "spelling", "BM25", "dense", "hybrid", "corrected", title=title)
    for name, slip in SLIPS.items():
        queries = slipped(collection.queries, slip, ANY_WORD if name == ANYWHERE else WORD)
        for spelling in (False, True):
            settings = {
                "BM25": {"weights": {"bm25": 1, "dense": 0}},
                "dense": {"weights": {"bm25": 0, "dense": 1}},
                "hybrid": {},
            }
            systems = {n: index.tuned(spelling=spelling, **s) for n, s in settings.items()}
            result = evaluate(systems, queries, collection.qrels, [MEASURE], k=10)
            means = [f"{result.mean(system, MEASURE):.4f}" for system in settings]
            changed = sum(_is_corrected(index, query) for query in queries.values())
            table.add_row(name, "on" if spelling else "off", *means, str(changed * spelling))
    return table


def slipped(
    queries: Mapping[str, str],
    slip: Callable[[str, random.Random], str],
    words: re.Pattern[str] = WORD,
) -> dict[str, str]:
    """Return the queries, each with a slip in one word; the slips depend on the ids alone."""
    stopwords = Analyzer("english").stopwords
    found = {}
    for id_, query in queries.items():
        dice = random.Random(f"{SEED} {id_}")
        spans = [m.span() for m in words.finditer(query) if m[0].lower() not in stopwords]
        if spans:
            start, end = dice.choice(spans)
            query = query[:start] + slip(query[start:end], dice) + query[end:]
        found[id_] = query
    return found


def transposed(word: str, dice: random.Random) -> str:
    """Return a word with two different neighbouring letters in each other's place."""
    i = dice.choice([i for i in range(len(word) - 1) if word[i] != word[i + 1]] or [0])
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def _lost(word: str, dice: random.Random) -> str:
    i = dice.randrange(len(word))
    return word[:i] + word[i + 1 :]


def _doubled(word: str, dice: random.Random) -> str:
    i = dice.randrange(len(word))
    return word[: i + 1] + word[i:]


def _replaced(word: str, dice: random.Random) -> str:
    i = dice.randrange(len(word))
    return word[:i] + dice.choice(string.ascii_lowercase) + word[i + 1 :]


ANYWHERE = "the same, also in identifiers"
SLIPS: dict[str, Callable[[str, random.Random], str]] = {
    "clean": lambda word, _: word,
    "two letters change places": transposed,
    ANYWHERE: transposed,
    "a letter is lost": _lost,
    "a letter is doubled": _doubled,
    "a letter is replaced": _replaced,
}


def times(index: HybridIndex, queries: Sequence[str]) -> Table:
    """Return the time of a search, its vectors given, by queries without and with a slip."""
    table = Table("ms a query", "spelling off", "on", title="SciFact, BM25 alone, in milliseconds")
    wrong = list(slipped(dict(enumerate_text(queries)), transposed).values())
    off, on = (
        index.tuned(weights={"bm25": 1, "dense": 0}, spelling=spelling)
        for spelling in (False, True)
    )
    for name, batch in (("clean", queries), ("with a slip", wrong)):
        spent = [[_timed(partial(system.search, batch)) for system in (off, on)] for _ in range(7)]
        each = [median(column) / len(batch) * 1e3 for column in zip(*spent, strict=True)]
        table.add_row(name, *(f"{value:.3f}" for value in each))
    return table


def enumerate_text(queries: Sequence[str]) -> list[tuple[str, str]]:
    """Return queries under numbers."""
    return [(str(number), query) for number, query in enumerate(queries)]


def adding(passages: Sequence[Passage], vectors: Vectors) -> Table:
    """Return the processor time to add passages, without and with their words."""

    class _Forgetful(Words):
        def terms(self, analyzer: Analyzer, text: str) -> list[str]:
            """Keep nothing."""
            return analyzer([text])[0]

    def to_retriever() -> None:
        BM25Retriever(passages)

    def to_index(lexical: Lexical) -> Callable[[], None]:
        encoder = CallableEncoder(lambda texts: [[1.0]] * len(texts), dimension=384, identity="-")

        def add() -> None:
            with HybridIndex.create(encoder=encoder, lexical=lexical) as index:
                index.add(passages, vectors=vectors, progress=False)

        return add

    readers = {kind: kind.terms for kind in (_Forgetful, Words)}
    table = Table("processor seconds", "without words", "with", "ratio", title="Adding SciFact")
    ways = {"BM25Retriever": to_retriever, "bm25s": to_index("bm25s"), "qdrant": to_index("qdrant")}
    for name, add in ways.items():
        spent: dict[type[Words], list[float]] = {_Forgetful: [], Words: []}
        for number in range(ROUNDS):
            # In turns, and each first as often as the other: the machine is not always as fast.
            for kind in sorted(spent, key=id, reverse=bool(number % 2)):
                with mock.patch.object(Words, "terms", readers[kind]):
                    spent[kind].append(_timed(add, time.process_time))
        without, kept = (min(times) for times in spent.values())
        table.add_row(name, f"{without:.3f}", f"{kept:.3f}", f"{kept / without:.3f}")
    return table


def sizes(passages: Sequence[Passage]) -> Table:
    """Return the time of a correction by the size of the vocabulary."""
    words = list(BM25Retriever(passages)._postings.words)
    dice = random.Random(SEED)
    table = Table("words", "ms a correction", "the first", "MB", title="One word corrected")
    for size in (len(words), 1_000_000):
        many = set(words)
        while len(many) < size:
            word = _replaced(_replaced(transposed(dice.choice(words), dice), dice), dice)
            many.add(word if word.isalpha() else "")
        corpus = Words(many)
        speller = Speller(lambda c=corpus: c, lambda some, m=many: [word in m for word in some])
        asked = [transposed(word, dice) for word in dice.sample(words, 60) if len(word) > 4]
        spent = [_timed(partial(speller.correct, word)) for word in asked]
        table.add_row(
            f"{size:,}",
            f"{median(spent) * 1e3:.2f}",
            f"{spent[0] * 1e3:.0f}",
            f"{_bytes(corpus) / 2**20:.1f}",
        )
    return table


def _bytes(words: Words) -> int:
    stored = words.to_array()
    return 0 if stored is None else stored.nbytes


def _is_corrected(index: HybridIndex, query: str) -> bool:
    hits = index.search([query], k=1)[0]
    return any(entry.query is not None for hit in hits for entry in hit.trace)


def _cached(encoder: SentenceTransformerEncoder, known: Mapping[str, Vectors]) -> CallableEncoder:
    """Return an encoder that looks known queries up and encodes others once."""
    vectors = dict(known)

    def encode(queries: Sequence[str]) -> Vectors:
        if new := [query for query in queries if query not in vectors]:
            vectors.update(zip(new, encoder.encode_queries(new), strict=True))
        return np.stack([vectors[query] for query in queries])

    dimension = len(next(iter(known.values())))
    return CallableEncoder(encode, dimension=dimension, identity="cached")


def _timed(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    call()
    return clock() - start


if __name__ == "__main__":
    main()
