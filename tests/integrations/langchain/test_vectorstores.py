"""A hybrid index keeps LangChain's promises about vector stores, and those that it leaves open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing import InMemoryRecordManager, aindex, index
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from pydantic import ValidationError

from hybridge import CallableEncoder, HybridIndex
from hybridge.errors import (
    ClosedError,
    EncoderMismatchError,
    IndexLockedError,
    IndexNotFoundError,
    InvalidInputError,
    ReadOnlyError,
)
from hybridge.reranking import TextReranker
from langchain_hybridge import HybridgeRetriever, HybridVectorStore

Call = Callable[..., Awaitable[Any]]


@pytest.fixture
def store(bag: CallableEncoder) -> Iterator[HybridVectorStore]:
    made = HybridVectorStore.create(bag)
    with made.index:
        yield made


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    """Calls a method by its name, or the async one of that name."""

    async def ask(target: Any, name: str, *args: Any, **words: Any) -> Any:
        if request.param == "sync":
            return getattr(target, name)(*args, **words)
        return await getattr(target, f"a{name}")(*args, **words)

    return ask


def kept(store: HybridVectorStore) -> dict[str, str]:
    return {passage.id: passage.text for passage in store.index}


def ids(documents: list[Document]) -> list[str | None]:
    return [document.id for document in documents]


# Writing


async def test_ids_that_are_given_go_before_the_documents_own(
    call: Call, store: HybridVectorStore
) -> None:
    documents = [Document("x", id="own"), Document("y", id="kept"), Document("z")]
    added = await call(store, "add_documents", documents, ids=["given", None, None])
    assert added[:2] == ["given", "kept"]
    assert kept(store) == {"given": "x", "kept": "y", added[2]: "z"}
    assert ids(documents) == ["own", "kept", None]


async def test_texts_are_added_with_and_without_ids(call: Call, store: HybridVectorStore) -> None:
    assert await call(store, "add_texts", ["x", "y"], ids=["1", "2"]) == ["1", "2"]
    [three, four] = await call(store, "add_texts", iter(["z", "w"]), [{"n": 3}, {"n": 4}])
    assert kept(store) == {"1": "x", "2": "y", three: "z", four: "w"}
    assert [each.metadata for each in store.get_by_ids([four, three])] == [{"n": 4}, {"n": 3}]
    assert await call(store, "add_texts", ["new"], ids=["1"]) == ["1"]
    assert kept(store)["1"] == "new"
    assert await call(store, "add_texts", []) == []
    assert await call(store, "add_documents", []) == []


@pytest.mark.parametrize(
    ("texts", "words", "named"),
    [
        (["x", "y"], {"ids": ["1"]}, "1 ids for 2 texts"),
        (["x"], {"ids": ["1", "2"]}, "2 ids for 1 texts"),
        (["x", "y"], {"metadatas": [{}]}, "1 metadatas for 2 texts"),
        (["x", "y"], {"ids": ["1", "1"]}, "'1' comes twice"),
        ("xy", {}, "list of strings"),
        (["x", None], {}, "list of strings"),
        (["x"], {"metadatas": [{"when": timedelta(1)}]}, "'when'.*timedelta"),
        (["x", "y"], {"metadatas": [{}, {"who": b"1"}]}, "'who'.*bytes"),
        (["x"], {"ids": [""]}, "non-empty string"),
    ],
)
async def test_what_cannot_be_added_is_named_and_nothing_written(
    call: Call, store: HybridVectorStore, texts: Any, words: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidInputError, match=named):
        await call(store, "add_texts", texts, **words)
    assert len(store.index) == 0
    with pytest.raises(TypeError, match="metadata"):
        await call(store, "add_texts", ["x"], metadata=[{}])


async def test_documents_that_cannot_be_added_are_named(
    call: Call, store: HybridVectorStore
) -> None:
    same = [Document("x", id="a"), Document("y", id="a")]
    for documents, words, named in [
        (same, {}, "'a' comes twice"),
        ([Document("x"), "y"], {}, "not of str"),
        ([Document("x")], {"ids": ["a", "b"]}, "2 ids for 1"),
        ([Document("x", id="a", metadata={"n": float("inf")})], {}, "'n'"),
    ]:
        with pytest.raises(InvalidInputError, match=named):
            await call(store, "add_documents", documents, **words)
    with pytest.raises(TypeError, match="batchsize"):
        await call(store, "add_documents", [], batchsize=3)
    assert len(store.index) == 0


async def test_deleting_says_what(
    call: Call, store: HybridVectorStore, documents: list[Document]
) -> None:
    store.add_documents(documents)
    with pytest.raises(InvalidInputError, match="either ids or filter"):
        await call(store, "delete")
    with pytest.raises(InvalidInputError, match="either ids or filter"):
        await call(store, "delete", ["clot"], filter={"year": 2020})
    with pytest.raises(InvalidInputError, match="ids must be a list"):
        await call(store, "delete", "clot")
    with pytest.raises(TypeError, match="where"):
        await call(store, "delete", where={})
    with pytest.raises(InvalidInputError, match=r"\$near"):
        await call(store, "delete", filter={"year": {"$near": 3}})
    assert len(store.index) == 6
    assert await call(store, "delete", []) is True
    assert len(store.index) == 6
    assert await call(store, "delete", ["clot", "nowhere"]) is True
    assert await call(store, "delete", filter={"topic": "food"}) is True
    assert set(kept(store)) == {"aspirin", "heart", "stones"}
    assert store.similarity_search("yeast", k=9, filter={"topic": "food"}) == []
    assert await call(store, "delete", filter={}) is True
    assert len(store.index) == 0


async def test_documents_come_in_the_order_of_their_ids(
    call: Call, store: HybridVectorStore, documents: list[Document]
) -> None:
    store.add_documents(documents)
    wanted = ["yeast", "nowhere", "bread", "aspirin"]
    found = await call(store, "get_by_ids", wanted)
    assert found == [documents[5], documents[1], documents[0]]
    found[0].metadata["by"].clear()
    assert await call(store, "get_by_ids", ["yeast"]) == [documents[5]]
    assert await call(store, "get_by_ids", []) == []


class Counted(DeterministicFakeEmbedding):
    """Counts the texts of each call; refuses more than a limit, as servers do."""

    limit: int = 10**9
    calls: list[int] = []  # noqa: RUF012  # pydantic copies it for each object

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if len(texts) > self.limit:
            raise ValueError(f"too many texts in one request: {len(texts)}")
        self.calls.append(len(texts))
        return super().embed_documents(texts)


@pytest.mark.parametrize("size", [1, 32, 99, 1000])
async def test_no_call_of_the_embeddings_gets_more_than_batch_size(call: Call, size: int) -> None:
    counted = Counted(size=6, limit=size)
    documents = [Document(f"entry {number}", id=str(number)) for number in range(200)]
    with HybridVectorStore.create(counted) as store:
        assert await call(store, "add_documents", documents, batch_size=size) == [
            document.id for document in documents
        ]
        texts = [f"text {number}" for number in range(200)]
        await call(store, "add_texts", texts, batch_size=size)
        assert len(store.index) == sum(counted.calls) == 400
        assert max(counted.calls) <= size
        with pytest.raises(InvalidInputError, match="batch_size must be"):
            await call(store, "add_documents", [Document("more")], batch_size=0)
        assert len(store.index) == 400


async def test_what_a_server_refuses_is_its_own_error_and_writes_nothing(call: Call) -> None:
    documents = [Document(f"entry {number}") for number in range(100)]
    with HybridVectorStore.create(Counted(size=6, limit=32)) as store:
        with pytest.raises(ValueError, match="too many texts in one request"):
            await call(store, "add_documents", documents)
        assert len(store.index) == 0


async def test_embeddings_have_a_batch_size_of_their_own(call: Call, tmp_path: Path) -> None:
    counted, documents = Counted(size=6, limit=32), [Document(str(n)) for n in range(100)]
    folder = tmp_path / "index"
    words = {"batch_size": 32, "path": folder, "identity": "fake 6"}
    store = await call(HybridVectorStore, "from_documents", documents, counted, **words)
    store.close()
    with HybridVectorStore.open(folder, counted, identity="fake 6", batch_size=32) as store:
        await call(store, "add_texts", [f"text {number}" for number in range(100)])
        assert len(store.index) == 200
    assert max(counted.calls) == 32
    with pytest.raises(InvalidInputError, match="batch_size=32 is for LangChain embeddings"):
        HybridVectorStore.open(folder, batch_size=32)
    with pytest.raises(InvalidInputError, match="identity='fake 6' names LangChain embeddings"):
        HybridVectorStore.open(folder, identity="fake 6")


async def test_documents_with_the_text_that_they_had_are_not_embedded_again(call: Call) -> None:
    counted = Counted(size=6)
    documents = [
        Document(f"note {number}", id=str(number), metadata={"owner": "ada"}) for number in range(3)
    ]
    with HybridVectorStore.create(counted) as store:
        await call(store, "add_documents", documents)
        before = store.index.dense.vectors(["0", "1", "2"]).tolist()
        counted.calls.clear()
        again = Document("note 1", id="1", metadata={"owner": "grace"})
        assert await call(store, "add_documents", [again]) == ["1"]
        await call(store, "add_texts", ["note 0"], [{"owner": "grace"}], ids=["0"])
        assert counted.calls == []
        assert store.get_by_ids(["1"]) == [again]
        found = store.similarity_search("note", k=3, filter={"owner": "grace"})
        assert sorted(map(str, ids(found))) == ["0", "1"]
        new = Document("another note", id="2", metadata={"owner": "ada"})
        await call(store, "add_documents", [again, new])
        assert counted.calls == [1]
        after = store.index.dense.vectors(["0", "1", "2"]).tolist()
        assert after[:2] == before[:2]
        assert after[2] != before[2]


async def test_what_was_deleted_is_embedded_when_it_comes_again(call: Call) -> None:
    counted = Counted(size=6)
    with HybridVectorStore.create(counted) as store:
        await call(store, "add_texts", ["note"], ids=["1"])
        await call(store, "delete", ["1"])
        await call(store, "add_texts", ["note"], ids=["1"])
        assert counted.calls == [1, 1]
        assert ids(await call(store, "similarity_search", "note")) == ["1"]


async def test_a_read_only_store_follows_the_one_that_writes(call: Call, tmp_path: Path) -> None:
    fake, folder = DeterministicFakeEmbedding(size=6), tmp_path / "index"
    words = {"identity": "fake 6"}
    with HybridVectorStore.from_texts(["old"], fake, path=folder, ids=["1"], **words) as writer:
        with HybridVectorStore.open(folder, fake, read_only=True, **words) as reader:
            assert reader.index.is_read_only
            writer.add_texts(["new"], ids=["2"])
            assert ids(await call(reader, "similarity_search", "new")) == ["1"]
            reader.refresh()
            expected = writer.similarity_search_with_score("new")
            assert await call(reader, "similarity_search_with_score", "new") == expected
            for name, given in [
                ("add_documents", [Document("x")]),
                ("add_texts", ["x"]),
                ("delete", ["1"]),
            ]:
                with pytest.raises(ReadOnlyError):
                    await call(reader, name, given)
            retriever = HybridgeRetriever.from_index(reader.index, k=1)
            assert len(await call(retriever, "invoke", "new")) == 1
        with pytest.raises(IndexLockedError):
            HybridVectorStore.open(folder, fake, read_only=False, **words)
        writer.refresh()
        assert len(writer.index) == 2


# Making one


async def test_a_store_is_made_of_texts_or_documents(call: Call, bag: CallableEncoder) -> None:
    texts = ["Blood clots.", "Bread needs yeast."]
    metadatas = [{"n": 1}, {"n": 2}]
    of_texts = await call(HybridVectorStore, "from_texts", texts, bag, metadatas, ids=["1", "2"])
    documents = [
        Document(text, metadata=metadata, id=id_)
        for text, metadata, id_ in zip(texts, metadatas, ["1", "2"], strict=True)
    ]
    of_documents = await call(HybridVectorStore, "from_documents", documents, bag)
    renamed = await call(HybridVectorStore, "from_documents", documents, bag, ids=["3", "4"])
    mixed = await call(
        HybridVectorStore, "from_documents", [documents[0], Document("Stones.")], bag
    )
    empty = await call(HybridVectorStore, "from_texts", [], bag)
    unnamed = await call(HybridVectorStore, "from_texts", texts, bag)
    assert of_texts.get_by_ids(["1", "2"]) == of_documents.get_by_ids(["1", "2"]) == documents
    assert kept(renamed) == {"3": texts[0], "4": texts[1]}
    assert kept(mixed)["1"] == texts[0]
    assert sorted(kept(mixed).values()) == [texts[0], "Stones."]
    assert kept(empty) == {}
    assert sorted(kept(unnamed).values()) == texts
    assert ids(of_texts.similarity_search("yeast", k=1)) == ["2"]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["x"], {"metadatas": [{"when": timedelta(1)}]}),
        (["x", "y"], {"ids": ["a", "a"]}),
        (["x", "y"], {"ids": ["a"]}),
        ("x", {}),
    ],
)
def test_what_fails_leaves_no_index_behind(
    tmp_path: Path, bag: CallableEncoder, texts: Any, words: dict[str, Any]
) -> None:
    folder = tmp_path / "index"
    with pytest.raises(InvalidInputError):
        HybridVectorStore.from_texts(texts, bag, path=folder, **words)
    assert not folder.exists()
    store = HybridVectorStore.from_texts(["x"], bag, path=folder)
    assert len(store.index) == 1
    store.index.close()


def test_typos_are_errors_that_name_them(bag: CallableEncoder) -> None:
    for words in ({"collection_name": "x"}, {"metadata": []}):
        [name] = words
        with pytest.raises(TypeError, match=name):
            HybridVectorStore.from_texts(["x"], bag, **words)
    with pytest.raises(InvalidInputError, match=r"HybridVectorStore\.create"):
        HybridVectorStore(bag)  # type: ignore[arg-type]


def test_a_kept_store_opens_with_the_embeddings_it_was_made_with(tmp_path: Path) -> None:
    fake, folder = DeterministicFakeEmbedding(size=6), tmp_path / "index"
    with pytest.raises(InvalidInputError, match=r"does not say which model.*identity="):
        HybridVectorStore.create(fake, path=folder)
    assert not folder.exists()
    made = HybridVectorStore.from_texts(["x", "y"], fake, path=folder, identity="fake 6")
    found = made.similarity_search_with_score("x")
    made.index.close()
    with pytest.raises(InvalidInputError, match="does not say which model"):
        HybridVectorStore.open(folder, fake)
    with pytest.raises(EncoderMismatchError, match="'fake 6', not 'fake 7'"):
        HybridVectorStore.open(folder, fake, identity="fake 7")
    with pytest.raises(EncoderMismatchError, match="cannot be loaded by name"):
        HybridVectorStore.open(folder)
    with pytest.raises(IndexNotFoundError):
        HybridVectorStore.open(tmp_path / "elsewhere", fake, identity="fake 6")
    opened = HybridVectorStore.open(folder, fake, identity="fake 6")
    with opened.index:
        assert opened.similarity_search_with_score("x") == found
        assert opened.embeddings is fake


def test_embeddings_are_those_that_were_given(store: HybridVectorStore) -> None:
    fake = DeterministicFakeEmbedding(size=6)
    assert HybridVectorStore.create(fake).embeddings is fake
    assert (
        store.embeddings.embed_query("x") == store.index.encoder.encode_queries(["x"])[0].tolist()
    )


# Finding


async def test_searches_are_the_index_s(
    call: Call, store: HybridVectorStore, documents: list[Document]
) -> None:
    store.add_documents(documents)
    query, where = "does aspirin thin blood?", {"year": {"$lte": 2020}}
    [hits] = store.index.search([query], 3, where=where)
    by_id = {document.id: document for document in documents}
    found = [by_id[hit.passage.id] for hit in hits]
    assert await call(store, "similarity_search", query, k=3, filter=where) == found
    assert await call(store, "search", query, "similarity", k=3, filter=where) == found
    scored = await call(store, "similarity_search_with_score", query, k=3, filter=where)
    assert scored == list(zip(found, [hit.score for hit in hits], strict=True))
    assert all(type(score) is float for _, score in scored)
    assert len(await call(store, "similarity_search", query)) == 4

    vector = store.embeddings.embed_query(query)
    [near] = store.index.dense.search([query], 3, where=where)
    by_vector = await call(store, "similarity_search_by_vector", vector, k=3, filter=where)
    assert by_vector == [by_id[hit.passage.id] for hit in near]
    with pytest.raises(InvalidInputError):
        await call(store, "similarity_search_by_vector", vector[:-1])
    for name in ("similarity_search", "similarity_search_with_score"):
        with pytest.raises(TypeError, match="score_threshold"):
            await call(store, name, query, score_threshold=0.5)
        with pytest.raises(InvalidInputError, match="k must be"):
            await call(store, name, query, k=0)
        with pytest.raises(InvalidInputError, match="function"):
            await call(store, name, query, filter=lambda document: True)


async def test_kinds_of_search_that_there_are_not_are_named(
    call: Call, store: HybridVectorStore
) -> None:
    with pytest.raises(ValueError, match="magic"):
        await call(store, "search", "x", "magic")
    with pytest.raises(ValueError, match="'magic'"):
        store.as_retriever(search_type="magic")


# Diversity


@pytest.fixture(scope="module")
def scattered() -> Iterator[HybridVectorStore]:
    """Thirty documents in random directions, so that no two are equally good."""
    fake = DeterministicFakeEmbedding(size=8)
    made = HybridVectorStore.from_texts(
        [f"document {number}" for number in range(30)],
        fake,
        [{"even": number % 2 == 0} for number in range(30)],
        ids=[f"{number:02}" for number in range(30)],
    )
    with made.index:
        yield made


@pytest.mark.parametrize("lambda_mult", [0.0, 0.25, 0.5, 0.8, 1.0])
@pytest.mark.parametrize(("k", "fetch_k"), [(1, 20), (4, 20), (10, 10), (5, 30)])
async def test_mmr_is_langchain_s_own_on_the_same_candidates(
    call: Call, scattered: HybridVectorStore, lambda_mult: float, k: int, fetch_k: int
) -> None:
    query = "which document, 7?"  # not the text of one, or all would tie when lambda is a half
    embed = scattered.embeddings
    vector = embed.embed_query(query)
    where = {"even": True} if fetch_k == 10 else None
    words: Any = {"k": k, "fetch_k": fetch_k, "lambda_mult": lambda_mult, "filter": where}
    for candidates, name, asked in [
        (scattered.similarity_search(query, fetch_k, filter=where), "search", query),
        (
            scattered.similarity_search_by_vector(vector, fetch_k, filter=where),
            "search_by_vector",
            vector,
        ),
    ]:
        vectors = embed.embed_documents([document.page_content for document in candidates])
        chosen = maximal_marginal_relevance(np.array(vector), vectors, lambda_mult, k)
        found = await call(scattered, f"max_marginal_relevance_{name}", asked, **words)
        assert ids(found) == [candidates[at].id for at in chosen]
    retriever = scattered.as_retriever(search_type="mmr", search_kwargs=words)
    expected = await call(scattered, "search", query, "mmr", **words)
    assert await call(retriever, "invoke", query) == expected


async def test_lambda_1_is_nearest_and_0_most_diverse(call: Call) -> None:
    """Angles from the question: langchain-qdrant, where lambda is inverted, has it otherwise."""
    angles = {"question": 0, "nearest": 5, "near": 10, "oblique": 40, "across": 85}

    def embed(texts: Any) -> Any:
        radians = np.radians([angles[text] for text in texts])
        return np.stack([np.cos(radians), np.sin(radians)], axis=1)

    encoder = CallableEncoder(embed, dimension=2, identity="angles")
    texts = ["near", "across", "nearest", "oblique"]
    store = HybridVectorStore.from_texts(texts, encoder)
    for lambda_mult, expected in [
        (1.0, ["nearest", "near", "oblique"]),
        (0.0, ["nearest", "across", "oblique"]),
    ]:
        found = await call(
            store, "max_marginal_relevance_search", "question", k=3, lambda_mult=lambda_mult
        )
        assert [document.page_content for document in found] == expected
    for words, named in [({"lambda_mult": 1.5}, "lambda_mult"), ({"fetch_k": 0}, "fetch_k")]:
        with pytest.raises(InvalidInputError, match=named):
            await call(store, "max_marginal_relevance_search", "question", **words)


# As a retriever


def test_a_store_s_retriever_is_ours(
    store: HybridVectorStore, documents: list[Document], shortest: TextReranker
) -> None:
    store.add_documents(documents)
    retriever = store.as_retriever(
        search_kwargs={"k": 2, "filter": {"topic": "body"}}, include_scores=True
    )
    assert type(retriever) is HybridgeRetriever
    assert retriever.retriever is store.index
    assert retriever.tags == ["HybridVectorStore", "EncoderEmbeddings"]
    assert sorted(ids(retriever.invoke("blood"))) == ["clot", "heart"]
    assert store.as_retriever(tags=["mine"], rerankers=[shortest], blend=1).tags == ["mine"]
    diverse = store.as_retriever(search_type="mmr", search_kwargs={"k": 2}, rerankers=[shortest])
    assert isinstance(diverse, HybridgeRetriever)
    assert len(diverse.invoke("blood")) == 2
    assert diverse._get_ls_params()["ls_vector_store_provider"] == "HybridIndex"
    [new] = diverse.add_documents([Document("Blood again.")])
    assert new in kept(store)


@pytest.mark.parametrize(
    ("search_kwargs", "search_type", "named"),
    [
        ({"top_k": 3}, "similarity", "top_k"),
        ({"fetch_k": 3}, "similarity", "fetch_k"),
        ({"top_k": 3}, "mmr", "top_k"),
        ({"lambda_mult": 3}, "mmr", "lambda_mult"),
        ({"filter": lambda document: True}, "mmr", "filter"),
        ({"k": 0}, "similarity", "k"),
    ],
)
def test_search_keywords_that_are_none_are_named(
    store: HybridVectorStore, search_kwargs: Any, search_type: str, named: str
) -> None:
    with pytest.raises((ValidationError, InvalidInputError), match=named):
        store.as_retriever(search_type=search_type, search_kwargs=search_kwargs)
    with pytest.raises(ValidationError, match="nonsense"):
        store.as_retriever(search_type=search_type, nonsense=3)


# LangChain's indexing


@pytest.fixture
def records() -> InMemoryRecordManager:
    made = InMemoryRecordManager(namespace="test")
    made.create_schema()
    return made


@pytest.fixture(params=["index", "aindex"])
def indexing(
    request: pytest.FixtureRequest, store: HybridVectorStore, records: InMemoryRecordManager
) -> Call:
    """LangChain's `index` or `aindex`, of pairs of a source and a text, into the store."""

    async def run(*pairs: tuple[str, str], **words: Any) -> tuple[int, ...]:
        documents = [Document(text, metadata={"source": source}) for source, text in pairs]
        options: dict[str, Any] = {"key_encoder": "sha256", "source_id_key": "source", **words}
        if request.param == "index":
            done = index(documents, records, store, **options)
        else:
            done = await aindex(documents, records, store, **options)
        return (done["num_added"], done["num_updated"], done["num_deleted"], done["num_skipped"])

    return run


def texts(store: HybridVectorStore) -> list[str]:
    return sorted(kept(store).values())


A, B, C, NEW = ("one", "blood"), ("one", "bread"), ("two", "stones"), ("one", "yeast")


async def test_indexing_without_cleanup_adds_and_skips(
    indexing: Call, store: HybridVectorStore
) -> None:
    assert await indexing(A, B, A) == (2, 0, 0, 1)
    assert await indexing(A, C, cleanup=None) == (1, 0, 0, 1)
    assert await indexing(A, B, force_update=True) == (0, 2, 0, 0)
    assert texts(store) == ["blood", "bread", "stones"]
    assert store.similarity_search("blood", k=1)[0].metadata == {"source": "one"}


async def test_full_cleanup_keeps_what_came_last(indexing: Call, store: HybridVectorStore) -> None:
    assert await indexing(A, B, C, cleanup="full", batch_size=2) == (3, 0, 0, 0)
    assert await indexing(A, NEW, cleanup="full") == (1, 0, 2, 1)
    assert texts(store) == ["blood", "yeast"]
    assert await indexing(cleanup="full", cleanup_batch_size=1) == (0, 0, 2, 0)
    assert texts(store) == []
    assert store.similarity_search("blood") == []


@pytest.mark.parametrize("cleanup", ["incremental", "scoped_full"])
async def test_cleanup_by_source_leaves_other_sources_alone(
    indexing: Call, store: HybridVectorStore, cleanup: str
) -> None:
    assert await indexing(A, B, C, cleanup=cleanup) == (3, 0, 0, 0)
    assert await indexing(A, B, C, cleanup=cleanup) == (0, 0, 0, 3)
    assert await indexing(A, NEW, cleanup=cleanup) == (1, 0, 1, 1)
    assert texts(store) == ["blood", "stones", "yeast"]
    assert [each.page_content for each in store.similarity_search("yeast", k=1)] == ["yeast"]


async def test_indexing_that_fails_is_done_again(
    indexing: Call, store: HybridVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ConnectionError("the API is down")

    with monkeypatch.context() as patched:
        patched.setattr(HybridIndex, "add", fail)
        with pytest.raises(ConnectionError):
            await indexing(A, B, cleanup="full")
    assert await indexing(A, B, cleanup="full") == (2, 0, 0, 0)
    assert texts(store) == ["blood", "bread"]


async def test_indexing_embeds_in_batches_and_only_what_is_new(
    records: InMemoryRecordManager,
) -> None:
    counted = Counted(size=6, limit=4)
    words: Any = {"key_encoder": "sha256", "cleanup": "incremental", "source_id_key": "source"}
    documents = [Document(f"note {n}", metadata={"source": f"{n}.md"}) for n in range(10)]
    with HybridVectorStore.create(counted) as store:
        # The batches that `index` works in are those that it has the store embed.
        index(documents, records, store, batch_size=4, **words)
        assert counted.calls == [4, 4, 2]
        counted.calls.clear()
        index(documents, records, store, batch_size=4, **words)
        await aindex(documents, records, store, batch_size=4, force_update=True, **words)
        assert counted.calls == []
        changed = Document("note 7, revised", metadata={"source": "7.md"})
        done = index([*documents[:3], changed], records, store, batch_size=4, **words)
        assert (done["num_added"], done["num_deleted"]) == (1, 1)
        assert counted.calls == [1]
        assert texts(store) == sorted(
            [f"note {n}" for n in range(10) if n != 7] + ["note 7, revised"]
        )


def test_a_store_closes_its_index() -> None:
    with HybridVectorStore.create(DeterministicFakeEmbedding(size=6)) as store:
        store.add_documents([Document("Bread needs yeast.")])
    store.close()
    with pytest.raises(ClosedError):
        store.similarity_search("bread")
