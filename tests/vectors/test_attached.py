"""The requests to a collection of another program, which stays as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from qdrant_client import QdrantClient, models

from hybridge.errors import IndexNotFoundError, InvalidInputError
from hybridge.filters import Eq
from hybridge.vectors import (
    DenseVectors,
    StoreOptions,
    VectorQuery,
)
from hybridge.vectors.attached import AttachedStore, DenseVector, dense_vector
from hybridge.vectors.connection import Connection, connect
from langchain_hybridge import LangChainLayout
from llama_index.retrievers.hybridge import LlamaIndexLayout

from .server_like import ServerLike

UNNAMED = StoreOptions({"": DenseVectors(2)})


def params(
    size: int = 2, distance: models.Distance = models.Distance.COSINE, *, tokens: bool = False
) -> models.VectorParams:
    many = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    return models.VectorParams(
        size=size, distance=distance, multivector_config=many if tokens else None
    )


@pytest.fixture
def connection(client: QdrantClient) -> Connection:
    return connect(client=client)


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    made = QdrantClient(":memory:")
    made.create_collection("unnamed", vectors_config=params())
    made.create_collection("empty name", vectors_config={"": params()})
    made.create_collection(
        "named",
        vectors_config={"text": params(3, models.Distance.DOT), "rows": params(tokens=True)},
    )
    made.create_collection("two", vectors_config={"a": params(), "b": params(4)})
    made.create_collection("euclid", vectors_config=params(2, models.Distance.EUCLID))
    made.create_collection(
        "sparse", vectors_config={}, sparse_vectors_config={"s": models.SparseVectorParams()}
    )
    yield made
    made.close()


def test_the_dense_vector_is_found(connection: Connection) -> None:
    only = LlamaIndexLayout()
    unnamed = DenseVector("", 2, "cosine")
    assert dense_vector(connection, "unnamed", only) == unnamed
    assert dense_vector(connection, "unnamed", LangChainLayout()) == unnamed
    assert dense_vector(connection, "empty name", LangChainLayout()) == unnamed
    assert dense_vector(connection, "named", only) == DenseVector("text", 3, "dot")
    assert dense_vector(connection, "two", LangChainLayout(vector="b")) == DenseVector(
        "b", 4, "cosine"
    )


@pytest.mark.parametrize(
    ("collection", "vector", "message"),
    [
        ("two", None, r"'two' has not one dense vector; those it has are: 'a', 'b': name one"),
        ("two", "c", r"no dense vector named 'c'; those it has are: 'a', 'b'"),
        ("named", "", r"no dense vector named ''; those it has are: 'text':"),
        ("named", "rows", r"no dense vector named 'rows'"),
        ("sparse", None, r"not one dense vector; those it has are: none"),
        ("euclid", None, r"compares its vector '' by Euclid, and not by Cosine or Dot"),
    ],
)
def test_a_vector_that_will_not_do(
    connection: Connection, collection: str, vector: str | None, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        dense_vector(connection, collection, LlamaIndexLayout(vector=vector))


def test_a_collection_that_is_not_there(connection: Connection) -> None:
    with pytest.raises(
        IndexNotFoundError, match=r"'books' to attach to; those .*'named', 'sparse'"
    ):
        dense_vector(connection, "books", LlamaIndexLayout())


def test_a_server_is_asked_as_its_owners_ask_it(client: QdrantClient) -> None:
    connection = ServerLike(client=client)
    store = AttachedStore(connection, "unnamed", UNNAMED, LangChainLayout())
    store.query([VectorQuery("", [1.0, 0.0], 10)])
    [body] = connection.sent("POST", "query/batch")
    [search] = body["searches"]
    assert search["using"] == ""
    assert "params" not in search


def test_what_a_graph_may_not_have_links_for_is_asked_exactly(client: QdrantClient) -> None:
    connection = ServerLike(client=client)
    store = AttachedStore(connection, "unnamed", UNNAMED, LangChainLayout())
    store.query(
        [
            VectorQuery("", [1.0, 0.0], 10, where=Eq("a", 1)),
            VectorQuery("", [1.0, 0.0], 10, ids=[-1]),
        ]
    )
    [body] = connection.sent("POST", "query/batch")
    exact = {"exact": True, "quantization": {"ignore": True}}
    assert [search["params"] for search in body["searches"]] == [exact, exact]


def test_no_payload_index_is_made(client: QdrantClient) -> None:
    connection = ServerLike(client=client)
    store = AttachedStore(connection, "unnamed", UNNAMED, LangChainLayout())
    assert store.is_prepared(Eq("a", 1))
    store.prepare(Eq("a", 1))
    assert connection.sent("PUT", "index") == []


def test_points_without_the_vector_have_none(client: QdrantClient) -> None:
    client.upsert(
        "two",
        [
            models.PointStruct(id=0, vector={"a": [3.0, 4.0], "b": [1.0, 0.0, 0.0, 0.0]}),
            models.PointStruct(id=1, vector={"b": [1.0, 0.0, 0.0, 0.0]}),
        ],
    )
    store = AttachedStore(
        connect(client=client),
        "two",
        StoreOptions({"a": DenseVectors(2)}),
        LangChainLayout(vector="a"),
    )
    assert store.vectors("a", [-1, -2]) == {-1: pytest.approx([0.6, 0.8])}
    assert store.query([VectorQuery("a", [1.0, 0.0], 5)]) == [{-1: pytest.approx(0.6)}]
    assert [passage.id for page in store.pages() for passage in page] == ["0", "1"]
