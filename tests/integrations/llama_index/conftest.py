"""A small corpus of nodes, an embedding model plain to see through, and somebody who listens."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any
from uuid import UUID
from zlib import crc32

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.instrumentation import root_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.span import SimpleSpan
from llama_index.core.instrumentation.span_handlers import BaseSpanHandler
from llama_index.core.schema import (
    BaseNode,
    NodeRelationship,
    NodeWithScore,
    ObjectType,
    RelatedNodeInfo,
    TextNode,
)

from hybridge import HybridIndex, SentenceTransformerEncoder
from hybridge.reranking import TextReranker
from llama_index.retrievers.hybridge import HybridgeRetriever
from llama_index.retrievers.hybridge.embeddings import EncoderEmbedding

Call = Callable[..., Awaitable[Any]]

DIMENSION = 24


def bag(text: str, first: float = 0.0) -> list[float]:
    """Each word counts in one of 24 places, so texts that share words are near; and none tie."""
    row = [first, *(crc32(f"{at} {text}".encode()) / 2**38 for at in range(1, DIMENSION))]
    for word in text.lower().replace(".", "").replace("?", "").split():
        row[1 + crc32(word.encode()) % (DIMENSION - 1)] += 1
    return row


class WordEmbedding(BaseEmbedding):
    """Bags of words; the first place says whether it is a query. Keeps what it was asked for."""

    model_name: str = "words"
    _asked: list[str] = PrivateAttr(default_factory=list)

    @property
    def asked(self) -> list[str]:
        return self._asked

    def _vector(self, text: str, first: float) -> list[float]:
        self._asked.append(text)
        return bag(text, first)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._vector(query, 0.5)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._vector(text, 0.25)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


@pytest.fixture
def model() -> WordEmbedding:
    return WordEmbedding()


_ROWS = [
    ("Aspirin thins the blood of a patient.", 2019, "drugs", "medicine"),
    ("Bread needs yeast, flour and a warm oven.", 2021, "food", "kitchen"),
    ("Blood clots when platelets meet a wound.", 2020, "body", "medicine"),
    ("The heart pumps blood through the body.", 2018, "body", "medicine"),
    ("Grey stones lie by the river.", 2020, "nature", "outdoors"),
    ("Yeast is a fungus that eats sugar.", 2022, "food", "kitchen"),
]
ASPIRIN, BREAD, CLOT, HEART, STONES, YEAST = (str(UUID(int=n)) for n in range(1, 7))


def node(id_: str, text: str, metadata: dict[str, Any], source: str) -> TextNode:
    """A node of a document, with all that LlamaIndex says of one."""
    info = RelatedNodeInfo(node_id=source, node_type=ObjectType.DOCUMENT, metadata={"kind": "doc"})
    return TextNode(
        id_=id_,
        text=text,
        metadata=metadata,
        excluded_embed_metadata_keys=["year"],
        excluded_llm_metadata_keys=["topic"],
        relationships={NodeRelationship.SOURCE: info},
        start_char_idx=3,
        end_char_idx=3 + len(text),
    )


@pytest.fixture
def nodes() -> list[BaseNode]:
    """Six nodes of the test's own, of three documents."""
    return [
        node(str(UUID(int=n)), text, {"year": year, "topic": topic}, source)
        for n, (text, year, topic, source) in enumerate(_ROWS, 1)
    ]


@pytest.fixture
def index(model: WordEmbedding, nodes: list[BaseNode]) -> Iterator[HybridIndex]:
    """The nodes in a hybrid index."""
    retriever = HybridgeRetriever.from_nodes(nodes, model)
    with retriever.retriever as made:
        yield made


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    """Calls a method by its name, or the async one of that name."""

    async def ask(target: Any, name: str, *args: Any, **words: Any) -> Any:
        if request.param == "sync":
            return getattr(target, name)(*args, **words)
        name = {"add": "async_add"}.get(name, f"a{name}")
        return await getattr(target, name)(*args, **words)

    return ask


class Shortest(TextReranker):
    """The shorter a text, the better: -1 a character. Keeps what it read."""

    def __init__(self, name: str = "brevity", threshold: float | None = None) -> None:
        super().__init__(name, threshold)
        self.read: list[str] = []

    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        self.read += [text for some in texts for text in some]
        return [[-float(len(text)) for text in some] for some in texts]


class Broken(TextReranker):
    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        raise RuntimeError("no judgement today")


@pytest.fixture
def shortest() -> Shortest:
    return Shortest()


class Spans(BaseSpanHandler[SimpleSpan]):
    """What was entered, left and dropped, as pairs of a verb and a method's name."""

    log: list[tuple[str, str]] = Field(default_factory=list)

    def new_span(self, id_: str, *_: Any, **__: Any) -> SimpleSpan:
        self.log.append(("enter", id_[: id_.index("-")]))
        return SimpleSpan(id_=id_)

    def prepare_to_exit_span(self, id_: str, *_: Any, **__: Any) -> SimpleSpan:
        self.log.append(("exit", id_[: id_.index("-")]))
        return self.open_spans[id_]

    def prepare_to_drop_span(self, id_: str, *_: Any, **__: Any) -> SimpleSpan:
        self.log.append(("drop", id_[: id_.index("-")]))
        return self.open_spans[id_]


class Events(BaseEventHandler):
    log: list[BaseEvent] = Field(default_factory=list)

    def handle(self, event: BaseEvent, **_: Any) -> None:
        self.log.append(event)

    @property
    def names(self) -> list[str]:
        return [event.class_name() for event in self.log]


@pytest.fixture
def spans() -> Iterator[Spans]:
    """Hears of every span while the test runs."""
    handler = Spans()
    root_dispatcher.span_handlers.append(handler)
    yield handler
    root_dispatcher.span_handlers.remove(handler)


@pytest.fixture
def events() -> Iterator[Events]:
    """Hears of every event while the test runs."""
    handler = Events()
    root_dispatcher.event_handlers.append(handler)
    yield handler
    root_dispatcher.event_handlers.remove(handler)


def listed(found: Sequence[NodeWithScore]) -> list[tuple[str, float | None]]:
    return [(each.node.node_id, each.score) for each in found]


def ids(found: Sequence[NodeWithScore]) -> list[str]:
    return [each.node.node_id for each in found]


def term_counts(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
    """A sparse model that needs no download: how often each term comes."""
    counts = [
        Counter(crc32(term.encode()) for term in re.findall(r"\w+", text.lower())) for text in texts
    ]
    return [list(row) for row in counts], [[float(n) for n in row.values()] for row in counts]


MakeIndex = Callable[[Sequence[BaseNode]], VectorStoreIndex]


@pytest.fixture
def make_qdrant_index(encoder: SentenceTransformerEncoder) -> Iterator[MakeIndex]:
    """Makes the collection ``docs`` as a `QdrantVectorStore` with `enable_hybrid` does."""
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")

    def make(nodes: Sequence[BaseNode]) -> VectorStoreIndex:
        store = QdrantVectorStore(
            "docs",
            client=client,
            enable_hybrid=True,
            sparse_doc_fn=term_counts,
            sparse_query_fn=term_counts,
        )
        return VectorStoreIndex(
            nodes,
            storage_context=StorageContext.from_defaults(vector_store=store),
            embed_model=EncoderEmbedding(encoder),
        )

    yield make
    client.close()
