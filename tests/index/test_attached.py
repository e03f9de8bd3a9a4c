"""Collections that langchain-qdrant and LlamaIndex wrote are searched as they are, and kept so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore, RetrievalMode, SparseEmbeddings, SparseVector
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery
from llama_index.vector_stores.qdrant import QdrantVectorStore as LlamaStore
from qdrant_client import QdrantClient, models

from hybridge import CallableEncoder, Hit, HybridIndex, Passage, Pipeline
from hybridge.errors import (
    ClosedError,
    EncoderMismatchError,
    IndexNotFoundError,
    InvalidInputError,
    ReadOnlyError,
    StoreError,
)
from hybridge.passages import JSON, point_id
from hybridge.testing import RetrieverConformance
from hybridge.vectors import Layout
from hybridge.vectors.local import LocalConnection
from hybridge.vectors.store import stored_passage
from langchain_hybridge import LangChainLayout
from llama_index.retrievers.hybridge import LlamaIndexLayout

DIMENSION = 32
WORDS = ["salt", "water", "light", "air", "stars", "bread", "wheel", "tide", "moon", "cold"]
WORDS += ["warm", "sugar", "whale", "rain", "oil"]


def uuid(number: int) -> str:
    return str(uuid5(UUID(int=0), str(number)))


def corpus() -> list[Passage]:
    chance = random.Random(3)
    return [
        Passage(
            uuid(number),
            # The number makes all scores differ: who breaks ties how is no matter here.
            " ".join([*chance.choices(WORDS, k=chance.randrange(4, 12)), f"{3_000 + number}"]),
            {
                "number": number,
                "topic": chance.choice(["sea", "sky"]),
                "weight": chance.random(),
                "nested": {"even": number % 2 == 0},
            },
        )
        for number in range(150)
    ]


PASSAGES = corpus()
QUERIES = [
    "cold salt water",
    "the light of stars",
    "warm bread",
    "moon 3017",
    "3003 whale rain rain",
]
WHERES: list[Any] = [
    {"topic": "sea"},
    {"nested.even": False, "number": {"$gte": 20}},
    {"weight": {"$lt": PASSAGES[5].metadata["weight"]}},
    {"weight": PASSAGES[5].metadata["weight"]},
    {"$id": [uuid(1), uuid(2), "p1"]},
    {"topic": "nowhere"},
    {"$text": {"$phrase": "cold salt"}},
]


class WordEmbeddings(Embeddings):
    def __init__(self, encoder: CallableEncoder) -> None:
        self.encoder = encoder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.encoder.encode_passages(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.encoder.encode_queries([text])[0].tolist()


class FakeSparse(SparseEmbeddings):
    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> SparseVector:
        indices = sorted({WORDS.index(word) for word in text.split() if word in WORDS} | {99})
        return SparseVector(indices=indices, values=[1.0] * len(indices))


@pytest.fixture(scope="module")
def embeddings(words: CallableEncoder) -> WordEmbeddings:
    return WordEmbeddings(words)


@pytest.fixture(scope="module")
def encoder(embeddings: WordEmbeddings) -> CallableEncoder:
    return CallableEncoder.from_langchain(embeddings, identity="words", dimension=DIMENSION)


@dataclass
class Written:
    """A collection, and how those who wrote it search it."""

    client: QdrantClient
    layout: Layout
    nearest: Callable[[str, int], list[tuple[str, float]]]
    more: Callable[[Sequence[Passage]], object]
    collection: str = "docs"


def by_langchain(
    embeddings: WordEmbeddings,
    *,
    hybrid: bool = False,
    text: str = "page_content",
    metadata: str = "metadata",
    vector: str = "",
) -> Written:
    client = QdrantClient(":memory:")
    sparse = {"langchain-sparse": models.SparseVectorParams()} if hybrid else None
    params = models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)
    client.create_collection(
        "docs", vectors_config={vector: params} if vector else params, sparse_vectors_config=sparse
    )

    def store(mode: RetrievalMode) -> QdrantVectorStore:
        return QdrantVectorStore(
            client,
            "docs",
            embedding=embeddings,
            retrieval_mode=mode,
            vector_name=vector,
            content_payload_key=text,
            metadata_payload_key=metadata,
            sparse_embedding=FakeSparse() if hybrid else None,
        )

    def more(passages: Sequence[Passage]) -> None:
        store(RetrievalMode.HYBRID if hybrid else RetrievalMode.DENSE).add_documents(
            [Document(page_content=p.text, metadata=dict(p.metadata)) for p in passages],
            ids=[p.id for p in passages],
        )

    def nearest(query: str, k: int) -> list[tuple[str, float]]:
        found = store(RetrievalMode.DENSE).similarity_search_with_score(query, k=k)
        return [(document.metadata["_id"], score) for document, score in found]

    more(PASSAGES)
    return Written(client, LangChainLayout(text, metadata, vector), nearest, more)


def nodes(passages: Sequence[Passage], embeddings: WordEmbeddings) -> list[TextNode]:
    vectors = embeddings.embed_documents([p.text for p in passages])
    return [
        TextNode(
            id_=p.id,
            text=p.text,
            metadata=dict(p.metadata),
            embedding=vector,
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id="document 1")},
        )
        for p, vector in zip(passages, vectors, strict=True)
    ]


def by_llama_index(embeddings: WordEmbeddings, *, hybrid: bool = False) -> Written:
    client = QdrantClient(":memory:")

    def sparse(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
        made = FakeSparse().embed_documents(texts)
        return [one.indices for one in made], [one.values for one in made]

    store = LlamaStore(
        "docs",
        client=client,
        enable_hybrid=hybrid,
        index_doc_id=False,  # which the engine in this process would warn about
        sparse_doc_fn=sparse if hybrid else None,
        sparse_query_fn=sparse if hybrid else None,
    )
    store.add(nodes(PASSAGES, embeddings))

    def nearest(query: str, k: int) -> list[tuple[str, float]]:
        asked = VectorStoreQuery(embeddings.embed_query(query), similarity_top_k=k)
        found = store.query(asked)
        assert found.ids is not None
        assert found.similarities is not None
        return list(zip(found.ids, found.similarities, strict=True))

    layout = LlamaIndexLayout(vector="text-dense" if hybrid else None)
    return Written(client, layout, nearest, lambda more: store.add(nodes(more, embeddings)))


WRITERS: dict[str, Callable[[WordEmbeddings], Written]] = {
    "langchain": by_langchain,
    "langchain, other names": lambda embeddings: by_langchain(
        embeddings, text="content", metadata="about it", vector="meaning"
    ),
    "langchain, hybrid": lambda embeddings: by_langchain(embeddings, hybrid=True),
    "llama-index": by_llama_index,
    "llama-index, hybrid": lambda embeddings: by_llama_index(embeddings, hybrid=True),
}


@pytest.fixture(params=WRITERS)
def written(request: pytest.FixtureRequest, embeddings: WordEmbeddings) -> Iterator[Written]:
    made = WRITERS[request.param](embeddings)
    yield made
    made.client.close()


@pytest.fixture
def langchain(embeddings: WordEmbeddings) -> Iterator[Written]:
    made = by_langchain(embeddings)
    yield made
    made.client.close()


def attach(written: Written, encoder: CallableEncoder, **more: Any) -> HybridIndex:
    return HybridIndex.attach(
        written.client, written.collection, layout=written.layout, encoder=encoder, **more
    )


def snapshot(client: QdrantClient) -> tuple[Any, Any, Any]:
    """All that is in a collection: what it says of itself, records, and the vectors' numbers."""
    info = client.get_collection("docs").model_dump()
    records, _ = client.scroll("docs", limit=10_000, with_payload=True, with_vectors=True)
    dumped = [record.model_dump() for record in records]
    numbers = [
        number
        for vector in [record.pop("vector") for record in dumped]
        for part in (vector.values() if isinstance(vector, dict) else [vector])
        for number in (part if isinstance(part, list) else [*part["indices"], *part["values"]])
    ]
    return info, dumped, numbers


def check_same(before: tuple[Any, Any, Any], client: QdrantClient) -> None:
    # The engine in this process scales its vectors to length 1 again at each search, whoever
    # searches, which moves their last bit.
    *rest, numbers = snapshot(client)
    assert (*rest,) == before[:2]
    assert numbers == pytest.approx(before[2], abs=1e-6)


def outline(results: list[list[Hit]]) -> list[list[tuple[Passage, Any]]]:
    """Hits whose scores may differ in the last bit, for the reason above."""
    return [[(hit.passage, pytest.approx(hit.score, abs=1e-6)) for hit in hits] for hits in results]


def scored(results: list[list[Hit]]) -> list[list[tuple[Passage, float]]]:
    return [[(hit.passage, hit.score) for hit in hits] for hits in results]


# ------------------------------------------------------------------ it finds what it should


def test_dense_answers_are_those_of_the_writer(written: Written, encoder: CallableEncoder) -> None:
    with attach(written, encoder) as index:
        for query in QUERIES:
            for k in (1, 4, 20):
                [hits] = index.dense.search([query], k)
                expected = written.nearest(query, k)
                assert [hit.passage.id for hit in hits] == [id_ for id_, _ in expected]
                assert [hit.score for hit in hits] == [score for _, score in expected]


@pytest.mark.parametrize("fusion", ["convex", "z-score"])
def test_hybrid_answers_are_those_of_an_index_of_our_own(
    written: Written, encoder: CallableEncoder, fusion: str
) -> None:
    with (
        attach(written, encoder, fusion=fusion, depth=20) as index,
        HybridIndex.create(encoder=encoder, fusion=fusion, depth=20) as own,
    ):
        own.add(PASSAGES)
        for where in [None, *WHERES]:
            found = index.search(QUERIES, 10, where=where)
            for hits, expected in zip(found, own.search(QUERIES, 10, where=where), strict=True):
                assert [hit.passage for hit in hits] == [hit.passage for hit in expected]
                scores = [hit.score for hit in expected]
                assert [hit.score for hit in hits] == pytest.approx(scores, abs=1e-6)
                for hit, other in zip(hits, expected, strict=True):
                    assert [(s.stage, s.rank) for s in hit.trace] == [
                        (s.stage, s.rank) for s in other.trace
                    ]


def test_every_way_in_works(written: Written, encoder: CallableEncoder) -> None:
    with attach(written, encoder) as index:
        assert len(index) == len(PASSAGES)
        assert sorted(index, key=lambda p: p.id) == sorted(PASSAGES, key=lambda p: p.id)
        assert index.get([uuid(3), "p1", uuid(999)]) == [PASSAGES[3], None, None]
        assert index.late_interaction is None
        info = index.info()
        assert info["place"] == "collection 'docs', attached"
        assert (info["passages"], index.encoder.identity) == (len(PASSAGES), "words")
        assert index.bm25.search(["3017"])[0][0].passage == PASSAGES[17]
        assert index.search(["", "3017"])[0] == []
        [bm25] = index.bm25.score(["3017"], [[uuid(17), uuid(18)]])
        assert bm25[0] > bm25[1] == 0.0
        expected = outline(index.search(QUERIES, 5))
        assert scored(asyncio.run(index.asearch(QUERIES, 5))) == expected
        assert scored(Pipeline(index).search(QUERIES, 5)) == expected
        vectors = index.dense.vectors([uuid(3)])
        made = encoder.encode_passages([PASSAGES[3].text])
        assert vectors == pytest.approx(made / np.linalg.norm(made), abs=1e-6)
        with pytest.raises(InvalidInputError, match="no passage 'p1'"):
            index.dense.score(["a"], [["p1"]])
        with pytest.raises(InvalidInputError, match="blend"):
            index.search(QUERIES, blend=0.5)
        index.optimize()
        index.refresh()
        assert index.bm25.search(["3017"])[0][0].passage == PASSAGES[17]


# ------------------------------------------------------------------ it leaves things alone

WRITES = ["upsert", "upload_points", "upload_collection", "delete", "update_vectors"]
WRITES += ["delete_vectors", "set_payload", "overwrite_payload", "delete_payload", "clear_payload"]
WRITES += ["create_payload_index", "delete_payload_index", "update_collection"]
WRITES += ["create_collection", "delete_collection", "batch_update_points"]


def test_nothing_is_written(
    written: Written, encoder: CallableEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(written.client)
    for name in WRITES:
        monkeypatch.setattr(written.client, name, None)
    with attach(written, encoder) as index:
        for where in [None, *WHERES, {"topic": {"$text_match_insensitive": "SE"}}]:
            for found in (index, index.bm25, index.dense):
                found.search(QUERIES, where=where)  # type: ignore[attr-defined]
        index.dense.score(["salt"], [[uuid(1)]])
        index.get([uuid(1)])
        list(index)
        index.info()
        index.optimize()
        index.refresh()
        index.search(QUERIES)
        for write in (
            lambda: index.add([Passage(uuid(1), "changed")]),
            lambda: index.delete([uuid(1)]),
            lambda: index.delete(where={"topic": "sea"}),
        ):
            with pytest.raises(ReadOnlyError, match="writable=True"):
                write()
    check_same(before, written.client)


def test_the_callers_client_stays_open(langchain: Written, encoder: CallableEncoder) -> None:
    index = attach(langchain, encoder)
    index.close()
    index.close()
    assert langchain.client.count("docs").count == len(PASSAGES)
    with pytest.raises(ClosedError):
        index.search(["salt"])
    with pytest.raises(ClosedError):
        index.refresh()
    with attach(langchain, encoder) as again:
        assert again.search(["salt"])[0]


def test_a_client_of_our_own_is_closed(
    langchain: Written, encoder: CallableEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []

    def connect(url: str, api_key: str | None = None) -> LocalConnection:
        assert (url, api_key) == ("http://qdrant:6333", "secret")
        return LocalConnection(langchain.client)

    monkeypatch.setattr("hybridge.index.attached.connect", connect)
    monkeypatch.setattr(langchain.client, "close", lambda: closed.append(True))

    def found(collection: str, **more: Any) -> HybridIndex:
        return HybridIndex.attach(
            "http://qdrant:6333",
            collection,
            layout=LangChainLayout(**more),
            encoder=encoder,
            api_key="secret",
        )

    found("docs").close()
    assert len(closed) == 1
    with pytest.raises(IndexNotFoundError):
        found("books")
    with pytest.raises(InvalidInputError):
        found("docs", vector="x")
    assert len(closed) == 3
    monkeypatch.undo()


# ------------------------------------------------------------------ others write


def test_what_others_do_meanwhile(written: Written, encoder: CallableEncoder) -> None:
    with attach(written, encoder) as index:
        # A filter's answer is remembered, and must not outlive what it was true of.
        assert len(
            index.bm25.search(["3017 3004"], where={"topic": PASSAGES[17].metadata["topic"]})
        )
        new = Passage(uuid(1_000), "entirely unheard words", {"topic": "new"})
        written.more([new])
        written.client.delete("docs", [uuid(17)])
        [hits] = index.search(["entirely unheard words"], 3)
        assert hits[0].passage == new
        assert [entry.stage for entry in hits[0].trace] == ["dense", "fusion"]
        assert index.search(["unheard"], where={"topic": "new"})[0][0].passage == new
        assert index.bm25.score(["unheard"], [[new.id]]) == [[0.0]]
        assert index.bm25.search(["unheard"]) == [[]]
        for where in (None, {"topic": PASSAGES[17].metadata["topic"]}, {"number": 17}):
            for found in (index.search(["3017"], where=where), index.bm25.search(["3017"], 5)):
                assert uuid(17) not in [hit.passage.id for hit in found[0]]
        with pytest.raises(InvalidInputError, match="no passage"):
            index.bm25.score(["3017"], [[uuid(17)]])
        index.refresh()
        assert index.bm25.search(["unheard"])[0][0].passage == new
        assert index.bm25.search(["3017"]) == [[]]
        assert index.bm25.search(["unheard"], where={"topic": "new"})[0][0].passage == new


def test_bm25_returns_nothing_that_a_filter_has_come_to_exclude(
    langchain: Written, encoder: CallableEncoder
) -> None:
    with attach(langchain, encoder) as index:
        where: Mapping[str, JSON] = {"topic": PASSAGES[17].metadata["topic"]}
        assert index.bm25.search(["3017"], where=where)[0][0].passage == PASSAGES[17]
        langchain.more([Passage(uuid(17), PASSAGES[17].text, {"topic": "secret"})])
        assert index.bm25.search(["3017"], where=where) == [[]]
        assert uuid(17) not in [
            hit.passage.id for hit in index.search(["3017"], 150, where=where)[0]
        ]
        assert index.bm25.search(["3017"])[0][0].passage.metadata == {"topic": "secret"}


def test_a_failing_refresh_changes_nothing(
    langchain: Written, encoder: CallableEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with attach(langchain, encoder) as index:
        with monkeypatch.context() as broken:
            broken.setattr(langchain.client._client, "scroll", None)
            with pytest.raises(StoreError):
                index.refresh()
        assert index.bm25.search(["3017"])[0][0].passage == PASSAGES[17]


def test_refresh_of_an_index_of_ones_own_is_harmless(encoder: CallableEncoder) -> None:
    for more in ({}, {"url": ":memory:", "lexical": "qdrant"}):
        with HybridIndex.create(encoder=encoder, **more) as index:  # type: ignore[arg-type]
            index.add(PASSAGES)
            before = outline(index.search(QUERIES))
            index.refresh()
            assert scored(index.search(QUERIES)) == before
            index.delete([uuid(17)])
            assert index.bm25.search(["3017"]) == [[]]


# ------------------------------------------------------------------ writing when asked


def test_langchain_reads_what_was_added(
    embeddings: WordEmbeddings, encoder: CallableEncoder
) -> None:
    for hybrid, vector in ((False, ""), (True, "meaning")):
        made = by_langchain(embeddings, hybrid=hybrid, vector=vector)
        new = Passage(uuid(1_000), "entirely unheard words", {"topic": "new", "at": 0.1 + 0.2})
        changed = Passage(uuid(17), "another text altogether", {})
        with attach(made, encoder, writable=True) as index:
            assert index.add([new, changed]) == 2
            assert index.search(["unheard"])[0][0].passage == new
            assert index.bm25.search(["altogether"])[0][0].passage == changed
            assert index.bm25.search(["3017"]) == [[]]
            assert index.delete([uuid(3), "p1", uuid(999)]) == 1
            assert index.delete(where={"number": {"$gte": 140}}) == 10
            assert len(index) == len(PASSAGES) - 10
            assert index.bm25.search(["3003", "3145"]) == [[], []]
        store = QdrantVectorStore(made.client, "docs", embedding=embeddings, vector_name=vector)
        [document] = store.get_by_ids([new.id])
        assert document.page_content == new.text
        assert {"topic": "new", "at": 0.1 + 0.2}.items() <= document.metadata.items()
        [(found, score)] = store.similarity_search_with_score(new.text, k=1)
        assert (found.page_content, score) == (new.text, pytest.approx(1.0))
        assert store.get_by_ids([uuid(3)]) == []
        made.client.close()


def test_llama_index_reads_what_was_added(
    embeddings: WordEmbeddings, encoder: CallableEncoder
) -> None:
    for hybrid in (False, True):
        made = by_llama_index(embeddings, hybrid=hybrid)
        new = Passage(uuid(1_000), "entirely unheard words", {"topic": "new", "deep": {"er": 1}})
        with attach(made, encoder, writable=True) as index:
            index.add([new])
            assert index.search(["unheard"])[0][0].passage == new
            assert index.delete([uuid(3)]) == 1
        store = LlamaStore("docs", client=made.client, enable_hybrid=False)
        if hybrid:
            store.dense_vector_name = "text-dense"
        [node] = store.get_nodes([new.id])
        assert (node.node_id, node.get_content(), node.metadata) == (
            new.id,
            new.text,
            dict(new.metadata),
        )
        asked = VectorStoreQuery(embeddings.embed_query(new.text), similarity_top_k=1)
        assert store.query(asked).ids == [new.id]
        assert store.get_nodes([uuid(3)]) == []
        made.client.close()


def test_points_that_only_others_know_can_be_deleted(
    langchain: Written, encoder: CallableEncoder
) -> None:
    with attach(langchain, encoder, writable=True) as index:
        langchain.more([Passage(uuid(1_000), "unheard", {"topic": "new"})])
        assert index.delete(where={"topic": "new"}) == 1
        langchain.more([Passage(uuid(1_000), "unheard", {"topic": "new"})])
        assert index.delete([uuid(1_000)]) == 1
        langchain.client.delete("docs", [uuid(17)])
        assert index.delete([uuid(17)]) == 0
        assert index.bm25.search(["3017", "3018"])[0] == []


@pytest.mark.parametrize("name", ["p1", "007", "-1", str(2**64), uuid(1).upper()])
def test_ids_that_qdrant_cannot_hold(
    langchain: Written, encoder: CallableEncoder, name: str
) -> None:
    before = snapshot(langchain.client)
    with attach(langchain, encoder, writable=True) as index:
        good = [Passage(uuid(1_000 + number), "text") for number in range(300)]
        with pytest.raises(InvalidInputError, match=f"with the id '{name}'.*UUID"):
            index.add([*good, Passage(name, "text")])
        with pytest.raises(InvalidInputError, match="expected a Passage"):
            index.add(["text"])  # type: ignore[list-item]
        with pytest.raises(InvalidInputError, match="comes twice"):
            index.add([good[0], good[0]])
        with pytest.raises(InvalidInputError, match=r"add\(\[passage\]\)"):
            index.add(good[0])  # type: ignore[arg-type]
        assert index.add([]) == 0
    check_same(before, langchain.client)


# ------------------------------------------------------------------ other people's habits


def test_integer_ids_and_odd_payloads(encoder: CallableEncoder) -> None:
    client = QdrantClient(":memory:")
    params = models.VectorParams(size=DIMENSION, distance=models.Distance.DOT)
    client.create_collection("docs", vectors_config=params)
    payloads: list[dict[str, Any] | None] = [
        {"page_content": "salt water", "metadata": {"year": 2019}},
        {"page_content": "salt", "metadata": None},
        {"page_content": None, "metadata": {"year": 2020}},
        {"metadata": {"year": 2020}},
        None,
    ]
    ids: list[int | str] = [0, 7, 2**64 - 1, uuid(1), uuid(2)]
    vectors = encoder.encode_passages(["salt water", "salt", "bread", "oil", "rain"]).tolist()
    client.upsert(
        "docs",
        [
            models.PointStruct(id=id_, vector=vector, payload=payload)
            for id_, vector, payload in zip(ids, vectors, payloads, strict=True)
        ],
    )
    layout = LangChainLayout()
    with HybridIndex.attach(client, "docs", layout=layout, encoder=encoder, writable=True) as index:
        assert index.dense.distance == "dot"
        assert {passage.id for passage in index} == set(map(str, ids))
        assert {hit.passage.id for hit in index.search(["salt"], 10)[0]} == set(map(str, ids))
        assert [hit.passage.id for hit in index.bm25.search(["salt"])[0]] == ["7", "0"]
        assert index.get(["0", str(2**64 - 1), "1", "00"]) == [
            Passage("0", "salt water", {"year": 2019}),
            Passage(str(2**64 - 1), "", {"year": 2020}),
            None,
            None,
        ]
        for where, expected in (
            ({"$id": ["0", uuid(1), "007"]}, {"0", uuid(1)}),
            ({"year": 2020}, {str(2**64 - 1), uuid(1)}),
            ({"$not": {"year": {"$exists": True}}}, {"7", uuid(2)}),
        ):
            found = index.search(["salt"], 10, where=where)[0]
            assert {hit.passage.id for hit in found} == expected
        index.add([Passage("8", "unheard"), Passage("7", "beets")])
        assert client.retrieve("docs", [8])[0].payload == {
            "page_content": "unheard",
            "metadata": {},
        }
        assert index.bm25.search(["beets"])[0][0].passage.id == "7"
        assert index.delete(["0"]) == 1
    client.close()


def test_an_empty_collection(encoder: CallableEncoder) -> None:
    client = QdrantClient(":memory:")
    params = models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)
    client.create_collection("docs", vectors_config=params)
    with HybridIndex.attach(client, "docs", layout=LlamaIndexLayout(), encoder=encoder) as index:
        assert (len(index), list(index)) == (0, [])
        assert index.search(["salt"], where={"a": 1}) == [[]]
    client.close()


@dataclass(frozen=True)
class NamedLayout:
    """A layout that is none of ours: the passages' ids are in the payload."""

    vector: str | None = None

    def point(self, passage_id: str) -> int:
        return point_id(passage_id).int

    def passage(self, point: int, payload: Mapping[str, Any]) -> Passage:
        return stored_passage(payload["name"], payload["body"], payload["facts"])

    def payload(self, passage: Passage) -> dict[str, JSON]:
        return {"name": passage.id, "body": passage.text, "facts": dict(passage.metadata)}

    def key(self, path: tuple[str, ...]) -> str | None:
        return ".".join(("facts", *path)) if all(map(str.isidentifier, path)) else None


class TestAttachedIndex(RetrieverConformance):
    scores = False
    complete = True

    @pytest.fixture(autouse=True)
    def _encoder(self, encoder: CallableEncoder) -> None:
        self.encoder = encoder

    def build(self, passages: list[Passage]) -> HybridIndex:
        client, layout = QdrantClient(":memory:"), NamedLayout()
        params = models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)
        client.create_collection("docs", vectors_config={"v": params})
        vectors = self.encoder.encode_passages([passage.text for passage in passages]).tolist()
        points = [
            models.PointStruct(id=point_id(p.id), vector={"v": vector}, payload=layout.payload(p))
            for p, vector in zip(passages, vectors, strict=True)
        ]
        if points:
            client.upsert("docs", points)
        return HybridIndex.attach(client, "docs", layout=layout, encoder=self.encoder)


# ------------------------------------------------------------------ mistakes


def test_an_encoder_of_another_length(langchain: Written) -> None:
    def encode(texts: Sequence[str]) -> Any:
        raise AssertionError("nothing is encoded before the check")

    short = CallableEncoder(encode, dimension=4, identity="short")
    with pytest.raises(EncoderMismatchError, match=r"'short' makes vectors of 4 .* 'docs' have 32"):
        attach(langchain, short)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"collection": "books"}, IndexNotFoundError, r"'books' to attach to; .*: 'docs'"),
        ({"layout": LangChainLayout(vector="x")}, InvalidInputError, r"named 'x'; .* are: ''"),
        ({"layout": LangChainLayout}, InvalidInputError, r"layout must be a Layout, for example"),
        ({"layout": "langchain"}, InvalidInputError, r"layout must be a Layout"),
        ({"client_or_url": ":memory:"}, InvalidInputError, r"nothing is in a new ':memory:'"),
        ({"client_or_url": None}, InvalidInputError, r"a QdrantClient or a server's url, not None"),
        ({"client_or_url": "http://127.0.0.1:9"}, StoreError, r"could not find the collection"),
        ({"api_key": "secret"}, InvalidInputError, r"api_key goes with a url"),
        ({"encoder": 5}, InvalidInputError, r"not int"),
        ({"fusion": "magic"}, InvalidInputError, r"magic"),
        ({"weights": {"bm25": 1.0}}, InvalidInputError, r"weights"),
        ({"depth": 0}, InvalidInputError, r"depth"),
        ({"analyzer": "klingon"}, InvalidInputError, r"klingon"),
        ({"bm25": 1.2}, InvalidInputError, r"BM25Parameters"),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, dict) else "",
)
def test_mistakes(
    langchain: Written,
    encoder: CallableEncoder,
    changed: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    arguments: dict[str, Any] = {
        "client_or_url": langchain.client,
        "collection": "docs",
        "layout": LangChainLayout(),
        "encoder": encoder,
    }
    with pytest.raises(error, match=message):
        HybridIndex.attach(**{**arguments, **changed})
    assert langchain.client.count("docs").count == len(PASSAGES)
