"""What works, and what an error names, where torch and scipy are not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ABSENT = ("scipy", "sentence_transformers", "torch", "transformers")

# What searching by BM25 alone has no use for.
MODELS = ("onnx", "onnxruntime", "tokenizers")


def run(code: str, *arguments: str | Path, absent: tuple[str, ...] = ABSENT) -> list[str]:
    """Return the lines that `code` prints in a process that cannot import what is absent."""
    blocked = f"import sys\nsys.modules.update(dict.fromkeys({absent!r}))\n"
    done = subprocess.run(
        [sys.executable, "-c", blocked + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.engine
def test_bm25_loads_no_model_library(tmp_path: Path) -> None:
    lines = run(
        """
from hybridge import BM25, HybridIndex, Passage

passages = [Passage("sun", "The sun is a star."), Passage("moon", "The moon is no star.")]
with HybridIndex.create(sys.argv[1], stages=[BM25()]) as index:
    index.add(passages)
with HybridIndex.open(sys.argv[1], read_only=True) as index:
    print([hit.passage.id for [hit] in index.search(["sun", "moons"], k=1)])

sys.argv = ["hybridge", "search", sys.argv[1], "sun", "-k", "1"]
from hybridge.cli import main
main()
""",
        tmp_path / "index",
        absent=(*ABSENT, *MODELS),
    )
    assert lines[0] == "['sun', 'moon']"
    assert "The sun is a star." in "\n".join(lines[1:])


@pytest.mark.parametrize(
    "code",
    [
        """
import langchain_hybridge
from langchain_core.documents import Document

for name in langchain_hybridge.__all__:
    getattr(langchain_hybridge, name)
documents = [Document("The sun is a star.", id="sun"), Document("The moon.", id="moon")]
retriever = langchain_hybridge.BM25Retriever.from_documents(documents, k=1)
print([document.id for document in retriever.invoke("a star")])
""",
        """
import llama_index.retrievers.hybridge as adapter
from llama_index.core.schema import TextNode

for name in adapter.__all__:
    getattr(adapter, name)
nodes = [TextNode(text="The sun is a star.", id_="sun"), TextNode(text="The moon.", id_="moon")]
retriever = adapter.BM25Retriever.from_nodes(nodes, similarity_top_k=1)
print([found.node.node_id for found in retriever.retrieve("a star")])
""",
    ],
    ids=["langchain", "llama_index"],
)
def test_the_adapters_load_no_model_library(code: str) -> None:
    assert run(code, absent=(*ABSENT, *MODELS))[-1] == "['sun']"


@pytest.mark.engine
@pytest.mark.model
def test_an_index_with_the_default_encoder(tmp_path: Path) -> None:
    made, measured, *searched = run(
        """
from hybridge import HybridIndex, Passage
from hybridge.evaluation import evaluate

passages = [
    Passage("aspirin", "Aspirin thins the blood."),
    Passage("bread", "Bread needs yeast, flour, water and time."),
    Passage("sun", "The sun is a star."),
]
with HybridIndex.create(sys.argv[1]) as index:
    index.add(passages)
    print([hit.passage.id for [hit] in index.search(["an anticoagulant", "baking"], k=1)])
with HybridIndex.open(sys.argv[1]) as index:
    queries, qrels = {"q": "an anticoagulant"}, {"q": {"aspirin": 1}}
    print(evaluate({"hybrid": index}, queries, qrels, measures=["RR"]).values["hybrid"]["RR"])

sys.argv = ["hybridge", "search", sys.argv[1], "an anticoagulant", "-k", "1"]
from hybridge.cli import main
main()
""",
        tmp_path / "index",
    )
    assert made == "['aspirin', 'bread']"
    assert measured == "{'q': 1.0}"
    assert "Aspirin thins the blood." in "\n".join(searched)


@pytest.mark.engine
@pytest.mark.model
def test_late_interaction_and_a_cross_encoder() -> None:
    lines = run(
        """
from hybridge import ColBERTReranker, CrossEncoderReranker, HybridIndex, Passage

rerankers = [
    ColBERTReranker(), CrossEncoderReranker("cross-encoder/ms-marco-MiniLM-L12-v2", dtype="int8")
]
with HybridIndex.create(late_interaction=True) as index:
    index.add([Passage("aspirin", "Aspirin thins the blood."), Passage("bread", "Bread rises.")])
    queries = ["what thins blood?"]
    found = index.search(queries)
print({entry.stage for entry in found[0][0].trace} >= {"bm25", "dense", "late-interaction"})
for hits in (found, *(reranker.rerank(queries, found) for reranker in rerankers)):
    print(hits[0][0].passage.id)
"""
    )
    assert lines == ["True", *["aspirin"] * 3]


@pytest.mark.engine
@pytest.mark.model
@pytest.mark.parametrize(
    "code",
    [
        """
from langchain_core.documents import Document
from langchain_hybridge import HybridgeRetriever

documents = [Document("Aspirin thins the blood.", id="aspirin"), Document("Bread.", id="bread")]
retriever = HybridgeRetriever.from_documents(documents, k=1)
print([document.id for document in retriever.invoke("an anticoagulant")])
""",
        """
from llama_index.core.schema import TextNode
from llama_index.retrievers.hybridge import HybridgeRetriever

nodes = [TextNode(text="Aspirin thins the blood.", id_="aspirin"), TextNode(text="Bread.")]
retriever = HybridgeRetriever.from_nodes(nodes, similarity_top_k=1)
print([found.node.node_id for found in retriever.retrieve("an anticoagulant")])
""",
    ],
    ids=["langchain", "llama_index"],
)
def test_the_adapters_with_the_default_encoder(code: str) -> None:
    assert run(code)[-1] == "['aspirin']"


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        (
            """
from hybridge.evaluation import Evaluation
values = {"a": {"RR": {"q1": 1.0, "q2": 0.5}}, "b": {"RR": {"q1": 0.5, "q2": 0.5}}}
Evaluation(values).compare("b")
""",
            "evaluation",
        ),
        ("from hybridge.colbert import training_free; training_free()", "torch"),
        (
            """
from hybridge import SentenceTransformerEncoder
SentenceTransformerEncoder(backend="torch").encode_queries(["sun"])
""",
            "torch",
        ),
    ],
)
def test_an_error_names_the_extra_that_brings_what_is_missing(code: str, extra: str) -> None:
    indented = code.strip().replace("\n", "\n    ")
    [told] = run(
        f"from hybridge.errors import MissingExtraError\ntry:\n    {indented}\n"
        "except MissingExtraError as error:\n    print(error)"
    )
    assert told.endswith(f"pip install 'hybridge[{extra}]'")


def test_the_doctor_finds_the_core_in_order() -> None:
    lines = run(
        "from hybridge.doctor import examine\nreport = examine()\n"
        "print(*(each.detail for each in report.gaps if 'failed' in each.detail))\n"
        "print(*(each.detail for each in report.findings if each.area == 'precision'), sep='; ')"
    )
    assert lines[0] == ""
    assert "torch is not installed" in lines[1]
