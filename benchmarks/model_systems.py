"""The ways of running a model that `models.py` compares, each in a process of its own.

Every system is a class that loads its model when it is made. Peers are called as their users call
them; "FastEmbed's way" and "FlashRank's way" are what fastembed 0.9.1 and FlashRank 0.2.10 do with
an ONNX file (their session, tokenizer and batches), written out here, for neither can be installed
beside the other packages of the `bench` extra.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import psutil

__all__ = ["BI_ENCODERS", "CROSS_ENCODERS", "HYBRIDS", "ModelWorker"]

DEFAULT = "sentence-transformers/all-MiniLM-L6-v2"
BGE = "BAAI/bge-small-en-v1.5"
MARCO = "cross-encoder/ms-marco-MiniLM-L12-v2"


class ModelWorker:
    """A system in a fresh process.

    Args:
        system: a key of one of this module's tables.
        arguments: those of the system's class.
    """

    def __init__(self, system: str, *arguments: Any) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        begin = perf_counter()
        self._process = spawn.Process(target=_serve, args=(theirs, system, arguments), daemon=True)
        self._process.start()
        theirs.close()
        self._system = system
        self.resident_mb: float = self._answer()
        self.cold_seconds = perf_counter() - begin
        """From the start of the process to the first answer, and what is resident then."""

    def call(self, task: str, *arguments: Any) -> tuple[Any, float, float]:
        """Call a method in the process; return its result, and its wall and CPU milliseconds."""
        self._pipe.send((task, arguments))
        found: tuple[Any, float, float] = self._answer()
        return found

    def stop(self) -> None:
        """End the process."""
        self._pipe.send(None)
        self._process.join()

    def _answer(self) -> Any:
        try:
            failure, result = self._pipe.recv()
        except EOFError:
            raise RuntimeError(f"the process of {self._system} died") from None
        if failure is not None:
            raise RuntimeError(f"{self._system} failed:\n{failure}")
        return result


def _serve(pipe: Connection, name: str, arguments: Sequence[Any]) -> None:
    try:
        warnings.simplefilter("ignore")
        system = (BI_ENCODERS | CROSS_ENCODERS | HYBRIDS)[name](*arguments)
        system.first()
        pipe.send((None, psutil.Process().memory_info().rss / 1e6))
        while (request := pipe.recv()) is not None:
            task, given = request
            wall, cpu = perf_counter(), process_time()
            result = getattr(system, task)(*given)
            taken = 1000 * (perf_counter() - wall), 1000 * (process_time() - cpu)
            pipe.send((None, (result, *taken)))
    except Exception:  # noqa: BLE001 - whatever it is, the parent raises it with this traceback
        pipe.send((traceback.format_exc(), None))


def _folder(name: str) -> str:
    from hybridge.encoders.resolution import resolve

    return str(resolve(name, dtype="auto", onnx=True).fetch())


class Hybridge:
    """`SentenceTransformerEncoder` with a model and further settings."""

    def __init__(self, model: str = DEFAULT, **settings: Any) -> None:
        from hybridge import SentenceTransformerEncoder

        self._encoder = SentenceTransformerEncoder(model, **settings)

    def first(self) -> None:
        self.query("a question")

    def query(self, text: str) -> Any:
        return self._encoder.encode_queries([text])[0]

    def passages(self, texts: list[str]) -> Any:
        return self._encoder.encode_passages(texts)


class SentenceTransformers:
    """`SentenceTransformer.encode`, with its defaults."""

    def __init__(self) -> None:
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(_folder(DEFAULT), device="cpu")

    def first(self) -> None:
        self.query("a question")

    def query(self, text: str) -> Any:
        return self._model.encode(text, show_progress_bar=False)

    def passages(self, texts: list[str]) -> Any:
        return self._model.encode(texts, show_progress_bar=False)


class LangChain:
    """`HuggingFaceEmbeddings` of langchain-community, with its defaults."""

    def __init__(self) -> None:
        from langchain_community.embeddings import HuggingFaceEmbeddings

        self._model = HuggingFaceEmbeddings(model_name=_folder(DEFAULT))

    def first(self) -> None:
        self.query("a question")

    def query(self, text: str) -> Any:
        return np.array(self._model.embed_query(text), np.float32)

    def passages(self, texts: list[str]) -> Any:
        return np.array(self._model.embed_documents(texts), np.float32)


class LlamaIndex:
    """`HuggingFaceEmbedding` of llama-index-embeddings-huggingface, with its defaults."""

    def __init__(self) -> None:
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        self._model = HuggingFaceEmbedding(model_name=_folder(DEFAULT))

    def first(self) -> None:
        self.query("a question")

    def query(self, text: str) -> Any:
        return np.array(self._model.get_query_embedding(text), np.float32)

    def passages(self, texts: list[str]) -> Any:
        return np.array(self._model.get_text_embedding_batch(texts), np.float32)


class FastEmbedsWay:
    """The packaged bge-small-en-v1.5 in int8, as FastEmbed loads and batches it."""

    def __init__(self) -> None:
        self._session, self._tokenizer = _as_they_load(Path(_folder(BGE)))

    def first(self) -> None:
        self.query("a question")

    def query(self, text: str) -> Any:
        return self.passages([text])[0]

    def passages(self, texts: list[str]) -> Any:
        parts = []
        for start in range(0, len(texts), 256):
            rows = self._tokenizer.encode_batch(texts[start : start + 256])
            ids = np.array([row.ids for row in rows])
            mask = np.array([row.attention_mask for row in rows])
            inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0}
            parts.append(self._session.run(None, inputs)[0][:, 0])
        vectors = np.concatenate(parts)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class HybridgeReranker:
    """`CrossEncoderReranker` with a model and further settings."""

    def __init__(self, model: str, **settings: Any) -> None:
        from hybridge import CrossEncoderReranker, Hit, Passage

        self._hit = lambda text: Hit(Passage(text, text), 0.0)
        self._reranker = CrossEncoderReranker(model, max_length=256, **settings)

    def first(self) -> None:
        self.scores("a question", ["an answer"])

    def scores(self, query: str, texts: list[str]) -> Any:
        [hits] = self._reranker.rerank([query], [[self._hit(text) for text in texts]])
        found = {hit.passage.id: hit.score for hit in hits}
        return [found[text] for text in texts]


class LangChainReranker:
    """`HuggingFaceCrossEncoder` of langchain-community, with its defaults."""

    def __init__(self, model: str) -> None:
        from langchain_community.cross_encoders import HuggingFaceCrossEncoder

        self._model = HuggingFaceCrossEncoder(
            model_name=model, model_kwargs={"max_length": 256, "model_kwargs": {"dtype": "float32"}}
        )

    def first(self) -> None:
        self.scores("a question", ["an answer"])

    def scores(self, query: str, texts: list[str]) -> Any:
        return [float(score) for score in self._model.score([(query, text) for text in texts])]


class LlamaIndexReranker:
    """`SentenceTransformerRerank` of LlamaIndex, with its defaults."""

    def __init__(self, model: str) -> None:
        from llama_index.core.postprocessor import SentenceTransformerRerank

        self._model = SentenceTransformerRerank(model=model, top_n=1_000)
        self._model._model.max_seq_length = 256
        self._model._model.float()

    def first(self) -> None:
        self.scores("a question", ["an answer"])

    def scores(self, query: str, texts: list[str]) -> Any:
        from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

        nodes = [
            NodeWithScore(node=TextNode(id_=str(number), text=text), score=0.0)
            for number, text in enumerate(texts)
        ]
        found = self._model.postprocess_nodes(nodes, QueryBundle(query))
        scores = {node.node.node_id: float(node.score or 0) for node in found}
        return [scores[str(number)] for number in range(len(texts))]


class FlashRanksWay:
    """The packaged ms-marco-MiniLM-L12-v2 in int8, as FlashRank loads and batches it."""

    def __init__(self) -> None:
        self._session, self._tokenizer = _as_they_load(Path(_folder(MARCO)), most=256)

    def first(self) -> None:
        self.scores("a question", ["an answer"])

    def scores(self, query: str, texts: list[str]) -> Any:
        rows = self._tokenizer.encode_batch([[query, text] for text in texts])
        inputs = {
            "input_ids": np.array([row.ids for row in rows]),
            "attention_mask": np.array([row.attention_mask for row in rows]),
            "token_type_ids": np.array([row.type_ids for row in rows]),
        }
        return self._session.run(None, inputs)[0][:, 0].tolist()


class _Hybrid:
    """A hybrid retriever over SciFact whose passages have known vectors; queries are encoded."""

    def __init__(self, cache: str) -> None:
        import corpus

        self._corpus = corpus.load(corpus.SCIFACT, Path(cache))
        self.build()

    def first(self) -> None:
        self.search("a question about nothing in particular")

    def build(self) -> None:
        raise NotImplementedError

    def search(self, query: str) -> Any:
        raise NotImplementedError


class HybridgeInLangChain(_Hybrid):
    """Hybridge's retriever in LangChain."""

    settings: Mapping[str, Any] = {}

    def build(self) -> None:
        from hybridge import HybridIndex, SentenceTransformerEncoder
        from langchain_hybridge import HybridgeRetriever

        index = HybridIndex.create(encoder=SentenceTransformerEncoder(**self.settings))
        index.add(self._corpus.passages, vectors=self._corpus.vectors)
        self._retriever = HybridgeRetriever(retriever=index, k=10)

    def search(self, query: str) -> Any:
        return [document.id for document in self._retriever.invoke(query)]


class HybridgeInLangChainInt8(HybridgeInLangChain):
    """The same, with queries in int8."""

    settings: Mapping[str, Any] = {"query_dtype": "int8"}


class _Encoded:
    """What `lookup.Lookup` gives, with queries encoded by a peer's embeddings."""

    def __init__(self, corpus: Any, embed: Callable[[str], Any]) -> None:
        from lookup import Lookup

        self._lookup = Lookup(corpus)
        self.dimension = self._lookup.dimension
        self.passage = self._lookup.passage
        self._embed = embed

    def query(self, text: str) -> list[float]:
        vector: list[float] = self._embed(text).tolist()
        return vector


class LangChainsOwn(_Hybrid):
    """LangChain's EnsembleRetriever with its HuggingFaceEmbeddings."""

    def build(self) -> None:
        from peer_langchain import documents_of, ensemble

        lookup: Any = _Encoded(self._corpus, LangChain().query)
        self._retriever = ensemble(documents_of(self._corpus), lookup)

    def search(self, query: str) -> Any:
        return [document.metadata["id"] for document in self._retriever.invoke(query)[:10]]


class LlamaIndexsOwn(_Hybrid):
    """LlamaIndex's QueryFusionRetriever with its HuggingFaceEmbedding."""

    def build(self) -> None:
        from llama_index.core.retrievers.fusion_retriever import FUSION_MODES

        from peer_llama_index import fusing, nodes_of

        lookup: Any = _Encoded(self._corpus, LlamaIndex().query)
        make = fusing(nodes_of(self._corpus), lookup)
        self._retriever = make(FUSION_MODES.RECIPROCAL_RANK, 10)

    def search(self, query: str) -> Any:
        return [found.node.metadata["id"] for found in self._retriever.retrieve(query)]


def _as_they_load(folder: Path, most: int = 512) -> tuple[Any, Any]:
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    if threads := os.environ.get("OMP_NUM_THREADS"):
        options.intra_op_num_threads = options.inter_op_num_threads = int(threads)
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(most)
    tokenizer.enable_padding()
    return session, tokenizer


BI_ENCODERS: dict[str, Callable[..., Any]] = {
    "sentence-transformers": SentenceTransformers,
    "LangChain": LangChain,
    "LlamaIndex": LlamaIndex,
    "Hybridge, torch": lambda: Hybridge(backend="torch"),
    "Hybridge": Hybridge,
    "Hybridge, int8": lambda: Hybridge(dtype="int8"),
    "bge-small int8, FastEmbed's way": FastEmbedsWay,
    "bge-small int8, Hybridge": lambda: Hybridge(BGE, dtype="int8", query_prompt=""),
}
CROSS_ENCODERS: dict[str, Callable[..., Any]] = {
    "LangChain, pairs": LangChainReranker,
    "LlamaIndex, pairs": LlamaIndexReranker,
    "Hybridge, torch, pairs": lambda model: HybridgeReranker(
        model, backend="torch", dtype="float32"
    ),
    "Hybridge, float32, pairs": lambda model: HybridgeReranker(model, dtype="float32"),
    "Hybridge, pairs": HybridgeReranker,
    "MiniLM-L12 int8, FlashRank's way": lambda _: FlashRanksWay(),
    "MiniLM-L12 int8, Hybridge": lambda _: HybridgeReranker(MARCO, dtype="int8"),
}
HYBRIDS: dict[str, Callable[..., Any]] = {
    "LangChain's own": LangChainsOwn,
    "LlamaIndex's own": LlamaIndexsOwn,
    "Hybridge in LangChain": HybridgeInLangChain,
    "Hybridge in LangChain, queries in int8": HybridgeInLangChainInt8,
}
