"""What is searched: SciFact, and larger corpora resampled from it, with vectors kept in a cache.

A resampled corpus costs no encoding. Each of its passages takes most sentences of one abstract,
puts in some of two others and shuffles them all; its vector is that abstract's, moved a little and
brought back to length 1. Postings, vectors and payloads so have the size and spread of real ones.
Relevance they have not: quality is measured on SciFact alone.
"""

from __future__ import annotations

import argparse
import functools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridge import BM25Retriever, Encoder, SentenceTransformerEncoder
from hybridge.evaluation import Collection, load_beir
from hybridge.passages import Passage
from hybridge.spelling import corrected_query

__all__ = [
    "CACHE",
    "SCIFACT",
    "Corpus",
    "QueryVectors",
    "cache_argument",
    "embed_scifact",
    "group_of",
    "judged",
    "load",
]

Vectors = NDArray[np.float32]

CACHE = Path(__file__).resolve().parent.parent / ".cache"
SCIFACT = 5183  # passages
GROUPS = 10  # values of the metadata field `group`: a filter on one of them keeps 10 %
SEED = 20
OWN = 0.75  # the share of a resampled passage's sentences that come from one abstract
NOISE = 0.3  # how far its vector moves away from that abstract's: cosine 0.96


def cache_argument(doc: str | None) -> Path:
    """Read the command line of a benchmark that takes ``--cache`` alone.

    Args:
        doc: the docstring of the benchmark.
    """
    assert doc is not None
    parser = argparse.ArgumentParser(
        description=doc.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--cache", type=Path, default=CACHE, metavar="DIR", help="where SciFact's vectors are kept"
    )
    cache: Path = parser.parse_args().cache
    return cache


@dataclass(frozen=True)
class Corpus:
    """Passages with their vectors, and the vectors of SciFact's queries.

    Args:
        passages: the metadata of each holds its `group`; no two texts are the same.
        vectors: one row of length 1 a passage, shape (passages, dimension).
        query_vectors: the vector of each query, under its text.
    """

    passages: list[Passage]
    vectors: Vectors
    query_vectors: QueryVectors


class QueryVectors(dict[str, Vectors]):
    """Vectors under the queries' texts; another text, such as a corrected query, is encoded once.

    Args:
        vectors: those known.
        encoder: makes the encoder, at the first text that is not known.
    """

    def __init__(self, vectors: Mapping[str, Vectors], encoder: Callable[[], Encoder]) -> None:
        super().__init__(vectors)
        self._encoder = functools.cache(encoder)

    def __missing__(self, query: str) -> Vectors:
        vector: Vectors = self._encoder().encode_queries([query])[0]
        self[query] = vector
        return vector


def load(size: int, cache: Path) -> Corpus:
    """SciFact itself if `size` is no larger, else `size` resampled passages.

    Args:
        size: how many passages are wanted.
        cache: the folder that `embed_scifact` wrote the vectors into.
    """
    with np.load(_vectors_file(cache)) as stored:
        vectors, query_vectors = stored["passages"], stored["queries"]
    with np.load(_corrected_file(cache)) as stored:
        corrected = dict(zip(stored["texts"].tolist(), stored["vectors"], strict=True))
    abstracts = judged("test").passages
    if size <= SCIFACT:
        ids = [abstract.id for abstract in abstracts]
        texts = [abstract.text for abstract in abstracts]
    else:
        ids = [f"resampled-{number}" for number in range(size)]
        texts = _resampled([abstract.text for abstract in abstracts], size)
        vectors = _moved(vectors[np.arange(size) % SCIFACT])
    return Corpus(
        passages=[
            Passage(passage_id, text, {"group": f"g{number % GROUPS}"})
            for number, (passage_id, text) in enumerate(zip(ids, texts, strict=True))
        ],
        vectors=vectors,
        query_vectors=QueryVectors(
            corrected | dict(zip(_queries(), query_vectors, strict=True)),
            SentenceTransformerEncoder,
        ),
    )


def embed_scifact(cache: Path) -> None:
    """Encode SciFact with the default model, unless the cache has it.

    Its passages and its queries are encoded, and the queries again as their spelling is corrected,
    where it is.
    """
    if not _vectors_file(cache).exists():
        print(f"encoding SciFact once, into {_vectors_file(cache)}")
        encoder = SentenceTransformerEncoder()
        texts = [abstract.text for abstract in judged("test").passages]
        vectors = encoder.encode_passages(texts, progress=True)
        queries = encoder.encode_queries(_queries())
        _save(_vectors_file(cache), passages=vectors, queries=queries)
    if not _corrected_file(cache).exists():
        found = BM25Retriever(judged("test").passages).search(_queries(), 1)
        texts = [text for hits in found if (text := corrected_query(hits)) is not None]
        vectors = SentenceTransformerEncoder().encode_queries(texts)
        _save(_corrected_file(cache), texts=np.array(texts), vectors=vectors)


@functools.cache
def judged(split: str) -> Collection:
    """SciFact's passages with the queries and judgements of a split, "train" or "test"."""
    datasets = os.environ.get("HYBRIDGE_DATASETS")
    if not datasets:
        raise SystemExit(
            "set HYBRIDGE_DATASETS to a folder that has SciFact in BEIR's layout in scifact/"
        )
    return load_beir(Path(datasets) / "scifact", split)


def group_of(query: str) -> str:
    """The group that a query is filtered to: now one, now another, the same in every system."""
    return f"g{len(query) % GROUPS}"


def _vectors_file(cache: Path) -> Path:
    return cache / "scifact-all-MiniLM-L6-v2.npz"


def _corrected_file(cache: Path) -> Path:
    return cache / "scifact-corrected-all-MiniLM-L6-v2.npz"


def _save(file: Path, **arrays: NDArray[Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial.npz")
    np.savez(partial, **arrays)
    partial.replace(file)


def _queries() -> list[str]:
    return [text for split in ("train", "test") for text in judged(split).queries.values()]


def _resampled(abstracts: Sequence[str], size: int) -> list[str]:
    random = np.random.default_rng(SEED)
    sentences = [re.split(r"(?<=[.!?])\s+", text) for text in abstracts]
    texts = []
    for number in range(size):
        own = sentences[number % len(sentences)]
        mixed = _some(random, own, round(OWN * len(own)))
        for other in random.integers(len(sentences), size=2):
            mixed += _some(random, sentences[other], (len(own) - len(mixed) + 1) // 2)
        random.shuffle(mixed)
        texts.append(" ".join(mixed))
    return texts


def _some(random: np.random.Generator, sentences: list[str], wanted: int) -> list[str]:
    chosen = random.permutation(len(sentences))[: max(wanted, 1)]
    return [sentences[position] for position in chosen]


def _moved(vectors: Vectors) -> Vectors:
    steps = np.random.default_rng(SEED).standard_normal(vectors.shape, dtype=np.float32)
    return _unit(vectors + NOISE * _unit(steps))


def _unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
