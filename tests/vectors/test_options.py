from __future__ import annotations

import json
from typing import Any

import pytest

from hybridge.errors import InvalidInputError
from hybridge.vectors import (
    HNSW,
    DenseVectors,
    SparseVectors,
    StoreOptions,
    TokenVectors,
    VectorKind,
)


def test_filter_fields_are_spelled_as_filters_spell_them() -> None:
    fields: dict[Any, Any] = {
        "year": "float",
        ("author", "name"): "keyword",
        '"v1.0"': "bool",
        "acl[].until": "datetime",
    }
    options = StoreOptions({"dense": DenseVectors(2)}, filter_fields=fields)
    assert options.filter_fields == {
        "year": "float",
        "author.name": "keyword",
        '"v1.0"': "bool",
        "acl[].until": "datetime",
    }
    assert options.payload_indexes == {
        "metadata.year": "float",
        "metadata.author.name": "keyword",
        'metadata."v1.0"': "bool",
        "metadata.acl[].until": "datetime",
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"year": "integer"}, r"the kind of 'year' must be one of .*not 'integer'; 'float' is for"),
        ({"year": int}, r"the kind of 'year'"),
        ({"year": ["float"]}, r"the kind of 'year'"),
        (["year"], r"must be a dict .* not \['year'\]"),
        ("year", r"must be a dict"),
        ({"": "float"}, r"'' is no field name"),
        ({3: "float"}, r"3 is no field name"),
        ({'"a""b"': "float"}, r"cannot be indexed"),
    ],
)
def test_filter_fields_that_will_not_do(wrong: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        StoreOptions({"dense": DenseVectors(2)}, filter_fields=wrong)


def test_options_are_read_back_and_those_without_fields_too() -> None:
    vectors: dict[str, VectorKind] = {
        "dense": DenseVectors(2),
        "other": DenseVectors(5, "dot"),
        "bm25": SparseVectors(idf=True),
        "splade": SparseVectors(),
        "tokens": TokenVectors(3, "turbo8"),
    }
    options = StoreOptions(vectors, hnsw=HNSW(m=4), filter_fields={"a.b": "keyword"})
    config = json.loads(json.dumps(options.to_config()))
    assert StoreOptions.from_config(config) == options
    assert list(StoreOptions.from_config(config).vectors) == list(vectors)
    del config["filter_fields"]
    assert StoreOptions.from_config(config) == StoreOptions(vectors, hnsw=HNSW(m=4))


def test_vectors_with_idf_are_named() -> None:
    vectors: dict[str, VectorKind] = {
        "a": SparseVectors(idf=True),
        "b": SparseVectors(),
        "c": DenseVectors(2),
    }
    assert StoreOptions(vectors).idf_vectors == ["a"]
