"""The index gives nearly exact late interaction."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from hybridge.colbert import max_sim
from hybridge.colbert.ragatouille.building import build
from hybridge.colbert.ragatouille.plaid import PlaidIndex
from hybridge.errors import CorruptIndexError
from hybridge.protocols import Vectors

TEXTS = 600
DIMENSION = 32


def unit(rows: Vectors) -> Vectors:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def vectors() -> list[Vectors]:
    """Texts about one of sixty subjects each, with a token or more of everyday words."""
    draw = np.random.default_rng(0)
    subjects = draw.normal(size=(60, 8, DIMENSION))
    everyday = draw.normal(size=(20, DIMENSION))
    return [
        unit(
            np.concatenate([subject[draw.permutation(8)[:6]], draw.permutation(everyday)[:4]])
            + draw.normal(scale=0.3, size=(10, DIMENSION))
        ).astype(np.float32)
        for subject in np.resize(subjects, (TEXTS, 8, DIMENSION))
    ]


@pytest.fixture(scope="module")
def folder(vectors: list[Vectors], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plaid") / "plaid"
    keys = [f"text {number}" for number in range(TEXTS)]
    rows = np.concatenate(vectors).astype(np.float16)
    lengths = [len(each) for each in vectors]
    build(
        folder, keys, keys, rows, lengths, checkpoint=str(folder.parent), passage_length=10, bits=4
    )
    return folder


@pytest.fixture(scope="module")
def index(folder: Path) -> PlaidIndex:
    return PlaidIndex(folder)


@pytest.fixture(scope="module")
def queries(vectors: list[Vectors]) -> list[Vectors]:
    draw = np.random.default_rng(1)
    return [
        unit(vectors[number][:5] + draw.normal(scale=0.2, size=(5, DIMENSION))).astype(np.float32)
        for number in range(0, TEXTS, 20)
    ]


def best(scores: dict[int, float], count: int) -> list[int]:
    return sorted(scores, key=lambda number: -scores[number])[:count]


def test_scores_are_nearly_exact(
    index: PlaidIndex, vectors: list[Vectors], queries: list[Vectors]
) -> None:
    assert index.keys == [f"text {number}" for number in range(TEXTS)]
    for query in queries:
        found = index.score(query, range(TEXTS))
        assert list(map(type, found.values())) == [float] * TEXTS
        exact = max_sim(query, vectors)
        errors = np.abs(np.array([found[number] for number in range(TEXTS)]) - exact)
        # Scores of unrelated texts are 1 to 2, of related ones 3 to 5.
        assert errors.mean() < 0.05
        assert errors.max() < 0.3


def test_the_best_are_found_among_those_that_are_recommended(
    index: PlaidIndex, queries: list[Vectors]
) -> None:
    shared = 0
    for number, query in enumerate(queries):
        found = index.search(query, 5)
        assert 5 <= len(found) < TEXTS
        expected = best(index.score(query, range(TEXTS)), 5)
        assert best(found, 1) == expected[:1]
        assert expected[0] % 60 == number * 20 % 60
        shared += len({*best(found, 5)} & {*expected})
    assert shared >= 0.97 * 5 * len(queries)


def test_what_is_not_allowed_is_not_found(index: PlaidIndex, queries: list[Vectors]) -> None:
    draw = np.random.default_rng(2)
    shared = 0
    for query in queries[:10]:
        for share in (0.9, 0.5, 0.1):  # so many that it is recommended, so few that all are scored
            allowed = draw.random(TEXTS) < share
            found = index.search(query, 5, allowed)
            assert len(found) >= 5
            assert all(allowed[number] for number in found)
            expected = index.score(query, np.flatnonzero(allowed).tolist())
            shared += len({*best(found, 5)} & {*best(expected, 5)})
    assert shared >= 0.97 * 5 * 30


def test_at_least_count_texts_are_returned(index: PlaidIndex, queries: list[Vectors]) -> None:
    everything = index.search(queries[0], TEXTS)
    assert sorted(everything) == list(range(TEXTS))
    assert len(index.search(queries[0], 10 * TEXTS)) == TEXTS
    # More than the cells recommend, though not all there are.
    assert len(index.search(queries[0], TEXTS - 1)) >= TEXTS - 1
    nothing = np.zeros(TEXTS, dtype=np.bool_)
    assert index.search(queries[0], 5, nothing) == {}
    assert index.score(queries[0], []) == {}


def test_threads_find_what_one_finds(index: PlaidIndex, queries: list[Vectors]) -> None:
    expected = [best(index.search(query, 10), 10) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda query: best(index.search(query, 10), 10), queries))
    assert found == expected


def test_damaged_files_are_noticed(folder: Path, tmp_path: Path) -> None:
    for path in sorted(folder.iterdir()):
        if path.name in ("plan.json", "collection.json", "0.metadata.json", "avg_residual.pt"):
            continue  # which are not read, or do not matter for a search
        for size in (0, path.stat().st_size // 2, None):
            damaged = tmp_path / "plaid"
            shutil.copytree(folder, damaged)
            if size is None:
                (damaged / path.name).unlink()
            else:
                (damaged / path.name).write_bytes(path.read_bytes()[:size])
            if size is None and path.name == "metadata.json":
                shutil.rmtree(damaged)
                continue
            with pytest.raises(CorruptIndexError, match="is no whole PLAID index"):
                PlaidIndex(damaged)
            shutil.rmtree(damaged)
