"""A map on query vectors: what it computes, what is saved of it, and what is encoded through it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file, save_file

from hybridge import CallableEncoder, SentenceTransformerEncoder
from hybridge.colbert import as_token_encoder
from hybridge.colbert.joint import joint_encoder
from hybridge.encoders import CachedEncoder, MappedEncoder, QueryMap, as_encoder, query_cache
from hybridge.encoders.mapped import passage_encoder
from hybridge.errors import CorruptIndexError, InvalidInputError, ModelNotFoundError

small = st.floats(-2, 2, width=16)


class Letters:
    """An encoder that counts what it encodes."""

    def __init__(self, **settings: Any) -> None:
        self.texts: list[str] = []
        self.encoder = CallableEncoder(self, dimension=3, identity="letters", **settings)

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        self.texts += texts
        return [[text.count(letter) for letter in "abc"] for text in texts]


def a_map(seed: int = 0, dimension: int = 3, rank: int = 2) -> QueryMap:
    left, right = np.random.default_rng(seed).normal(size=(2, dimension, rank))
    return QueryMap(left, right.T)


@given(arrays(np.float64, (4, 2), elements=small), arrays(np.float32, (3, 4), elements=small))
def test_a_query_is_multiplied_and_keeps_its_length(left: Any, queries: Any) -> None:
    right = np.array([[1.0, 0, 2, 0], [0, 0.5, 0, -1]])
    found = QueryMap(left, right).apply(queries)
    matrix = np.eye(4) + left.astype(np.float16).astype(float) @ right
    assert found.dtype == np.float32
    for query, row in zip(queries.astype(float), found, strict=True):
        moved = query @ matrix
        length = np.linalg.norm(moved)
        expected = moved * (np.linalg.norm(query) / length if length else 0)
        assert row == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_it_comes_back_from_its_config_to_the_last_bit() -> None:
    original = a_map(dimension=5)
    config = json.loads(json.dumps(original.to_config()))
    again = QueryMap.from_config(config)
    assert np.array_equal(again.left, original.left)
    assert np.array_equal(again.right, original.right)
    assert again.digest == original.digest != a_map(1, 5).digest


@pytest.mark.parametrize(
    "change",
    [{"rank": 3}, {"dimension": "3"}, {"left": "%"}, {"left": "AAA="}, {"right": None}],
)
def test_a_damaged_config_is_named(change: dict[str, Any]) -> None:
    with pytest.raises(CorruptIndexError, match="no query map"):
        QueryMap.from_config({**a_map().to_config(), **change})


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([[1], [2]], [[1, 2, 3]]),
        ([1, 2], [[1, 2]]),
        ([[], []], np.zeros((0, 2))),
        ([[np.nan], [0]], [[1, 2]]),
        ([[1e6], [0]], [[1, 2]]),
    ],
)
def test_matrices_that_are_no_map(left: Any, right: Any) -> None:
    with pytest.raises(InvalidInputError, match="query map"):
        QueryMap(left, right)


def test_vectors_of_another_length() -> None:
    with pytest.raises(InvalidInputError, match=r"of 3 numbers cannot map.*4"):
        a_map().apply(np.ones((1, 4)))


def test_a_saved_map_maps_alike(tmp_path: Path) -> None:
    letters = Letters().encoder
    query_map = a_map()
    query_map.save(tmp_path / "deep" / "map", encoder=letters.identity)
    assert [path.name for path in (tmp_path / "deep" / "map").iterdir()] == [
        "query_map.safetensors"
    ]
    for folder in (tmp_path / "deep" / "map", str(tmp_path / "deep" / "map")):
        again = MappedEncoder(letters, folder)
        assert again.identity == MappedEncoder(letters, query_map).identity
        found, expected = again.encode_queries(["abba"]), query_map.apply([[2, 2, 0]])
        assert np.array_equal(found, expected)
    a_map(1).save(tmp_path / "deep" / "map", encoder=letters.identity)
    assert QueryMap.load(tmp_path / "deep" / "map").digest == a_map(1).digest


def test_a_saved_map_of_another_encoder_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no query map at"):
        QueryMap.load(tmp_path)
    a_map().save(tmp_path, encoder="others")
    with pytest.raises(ModelNotFoundError, match="fitted for the encoder 'others', not 'letters'"):
        MappedEncoder(Letters().encoder, tmp_path)
    file = tmp_path / "query_map.safetensors"
    tensors = load_file(file)
    save_file({**tensors, "left": tensors["left"] * 2}, file, metadata={"kind": "query map"})
    with pytest.raises(ModelNotFoundError, match="damaged"):
        QueryMap.load(tmp_path)
    save_file({"weight": tensors["left"]}, file)
    with pytest.raises(ModelNotFoundError, match="cannot be read"):
        QueryMap.load(tmp_path)
    file.write_bytes(b"{}")
    with pytest.raises(ModelNotFoundError, match="cannot be read"):
        QueryMap.load(tmp_path)
    with pytest.raises(InvalidInputError, match="cannot be written"):
        a_map().save(file, encoder="letters")


def test_passages_are_those_of_the_encoder() -> None:
    letters = Letters()
    encoder = MappedEncoder(letters.encoder, a_map())
    assert encoder.encode_passages(["abc", "aab"]).tolist() == [[1, 1, 1], [2, 1, 0]]
    assert encoder.encode_queries([]).shape == (0, 3)
    assert encoder.dimension == 3
    assert as_encoder(encoder) is encoder
    assert passage_encoder(encoder) is letters.encoder
    assert passage_encoder(letters.encoder) is letters.encoder
    assert (encoder.max_tokens, encoder.count_truncated(["a"])) == (None, 0)


def test_what_the_encoder_reads_of_a_passage(encoder: SentenceTransformerEncoder) -> None:
    mapped = MappedEncoder(encoder, a_map(0, 384))
    long = "word " * 1_000
    assert mapped.max_tokens == encoder.max_tokens
    assert mapped.count_truncated([long, "short"]) == 1


@pytest.mark.parametrize("wrong", [None, "letters", CallableEncoder, object()])
def test_what_is_no_encoder(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="encoder must be an encoder"):
        MappedEncoder(wrong, a_map())


def test_what_cannot_be_mapped(tmp_path: Path) -> None:
    once = MappedEncoder(Letters().encoder, a_map())
    for encoder in (once, CachedEncoder(once, tmp_path)):
        with pytest.raises(InvalidInputError, match="mapped already"):
            MappedEncoder(encoder, a_map())
    with pytest.raises(InvalidInputError, match="query_map must be"):
        MappedEncoder(Letters().encoder, np.eye(3))  # type: ignore[arg-type]


def test_the_query_cache_keeps_maps_apart() -> None:
    letters, others = Letters(), Letters()
    encoders = [
        letters.encoder,
        MappedEncoder(letters.encoder, a_map(0)),
        MappedEncoder(letters.encoder, a_map(1)),
        MappedEncoder(others.encoder, a_map(1)),
    ]
    rows = [query_cache.encode(each, ["abbc"])[0] for each in encoders]
    expected = [np.array([1, 2, 1]), *(a_map(n).apply([[1, 2, 1]])[0] for n in (0, 1, 1))]
    assert all(map(np.array_equal, rows, expected))
    # Another function of one identity is asked for itself, an equal map of the same one is not.
    assert (len(letters.texts), len(others.texts)) == (3, 1)
    again = MappedEncoder(letters.encoder, a_map(1))
    assert np.array_equal(query_cache.encode(again, ["abbc"])[0], rows[2])
    assert len(letters.texts) == 3
    silent = MappedEncoder(Letters(deterministic=False).encoder, a_map())
    assert not silent.deterministic


def test_the_passage_cache_is_the_encoders(tmp_path: Path) -> None:
    letters = Letters()
    CachedEncoder(letters.encoder, tmp_path).encode_passages(["abc"])
    cached = CachedEncoder(MappedEncoder(letters.encoder, a_map()), tmp_path)
    assert cached.encode_passages(["abc"]).tolist() == [[1, 1, 1]]
    assert letters.texts == ["abc"]
    assert np.array_equal(cached.encode_queries(["ab"]), a_map().apply([[1, 1, 0]]))
    assert passage_encoder(cached) is letters.encoder


def test_one_pass_for_tokens_gives_no_unmapped_query(encoder: SentenceTransformerEncoder) -> None:
    tokens = as_token_encoder(encoder)
    assert joint_encoder(encoder, tokens) is not None
    assert joint_encoder(MappedEncoder(encoder, a_map(0, 384)), tokens) is None
