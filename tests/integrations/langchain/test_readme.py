"""Every Python example of the adapter's README runs, and finds what its text promises."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.language_models import FakeListLLM
from langchain_core.runnables import RunnableLambda
from langchain_qdrant import SparseEmbeddings

import hybridge
import langchain_hybridge
from hybridge import Passage
from hybridge.errors import InvalidInputError
from langchain_hybridge import HybridgeRetriever, HybridVectorStore

README = Path(__file__).parents[3] / "integrations" / "langchain" / "README.md"
TEXT = README.read_text("utf-8")
QUESTION = "what thins blood?"
ASPIRIN = "Aspirin thins the blood."

pytestmark = pytest.mark.filterwarnings(
    "ignore:`langchain-community` is being sunset:DeprecationWarning"
)


class Counting(hybridge.BM25Retriever):
    """Notes how many queries each search has."""

    asked: ClassVar[list[int]] = []

    def search(self, queries: Sequence[str], *arguments: Any, **options: Any) -> Any:
        self.asked.append(len(queries))
        return super().search(queries, *arguments, **options)


def ids(documents: list[Document]) -> list[str | None]:
    return [document.id for document in documents]


def test_the_readme_runs(
    run_readme: Callable[..., Iterator[dict[str, Any]]],
    embeddings: Embeddings,
    sparse: SparseEmbeddings,
    tiny_cross_encoder: Path,
    colbert_checkpoint: Path,
    make_hybrid_store: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    yours = {
        "embeddings": embeddings,
        "sparse": sparse,
        "model": str(tiny_cross_encoder),
        "checkpoint": colbert_checkpoint,
        "client": make_hybrid_store([Document(ASPIRIN), Document("Bread needs yeast.")]).client,
    }
    left = [dict(names) for names in run_readme(README, yours)]
    ten_lines, asking, run_time, trace, why, _, rerankers, measuring, *rest = left
    keeping, relevance, self_query, *recipes = rest

    answer = ten_lines["answer"].text
    assert ASPIRIN in answer
    assert answer.endswith("does aspirin keep blood from clotting?")

    assert asking["document"].id == "p2"
    assert [ids(found) for found in asking["lists"]] == [["p1"], ["p3"]]
    assert ids(run_time["found"]) == ["p3"]
    assert trace["best"].id == "p1"
    assert trace["trace"].keys() == {"bm25", "dense", "fusion"}
    assert trace["trace"]["bm25"]["rank"] == 1
    assert trace["trace"]["fusion"]["score"] == trace["score"]
    assert (why["why"].rank, why["why"].score) == (1, pytest.approx(trace["score"], abs=1e-6))
    assert sum(part for _, part in why["contribution"]) == pytest.approx(why["why"].bm25.score)
    assert (
        why["why_not"] == "it ranks 3 of 3 candidates, and k is 2: with 3 it would be in the list"
    )
    printed = [line.split(" ", 1) for line in capsys.readouterr().out.splitlines()]
    events, table = printed[:4], printed[4:]
    assert [stage for stage, _ in events] == ["bm25", "dense", "fusion", "HybridgeRetriever"]
    assert events[0][1] == "['p1']"
    assert events[-1][1] == "['p1', 'p2']"
    assert {"yours", "hybridge"} <= {line[0] for line in table}

    assert ids(rerankers["inside"].invoke(QUESTION)) == ["p1", "p2"]
    assert ids(rerankers["compressing"].invoke(QUESTION)) == ["p1"]
    assert ids(rerankers["step"].invoke(QUESTION)) == ["p1"]
    assert rerankers["scores"][0] > 0.5

    evaluation = measuring["evaluation"]
    assert evaluation.mean("hybridge", "nDCG@10") == 1
    assert evaluation.mean("yours", "recall@2") == 1
    assert "EnsembleRetriever" in evaluation.stage_costs("yours")

    assert keeping["first"]["num_added"] == 3
    assert (keeping["second"]["num_skipped"], keeping["second"]["num_deleted"]) == (2, 1)
    assert keeping["diverse"].k == 2
    kept = {document.page_content for document in keeping["reopened"].invoke("bread, blood")}
    assert kept == {ASPIRIN, "Warfarin is an anticoagulant."}
    keeping["reopened"].retriever.close()

    assert relevance["best"].id == "p1"
    vectors = embeddings.embed_documents([QUESTION, ASPIRIN])
    assert relevance["relevance"] == pytest.approx((1 + np.dot(*vectors)) / 2, abs=1e-5)
    assert ids(relevance["relevant"].invoke(QUESTION)) == ["p1", "p2"]
    assert relevance["relevant"].invoke("football") == []

    translator = self_query["asking"].structured_query_translator
    assert isinstance(translator, langchain_hybridge.HybridTranslator)
    answer = '{"query": "blood", "filter": "lt(\\"year\\", 2020)"}'
    asking = self_query["SelfQueryRetriever"].from_llm(
        FakeListLLM(responses=[answer]), self_query["store"], "notes", self_query["fields"]
    )
    assert ids(asking.invoke("notes on blood before 2020")) == ["p1"]

    assert len(recipes) == 5
    for recipe in recipes:
        found = [document.page_content for document in recipe["new"].invoke(QUESTION)]
        assert ASPIRIN in found
        # The fourth has nothing old that runs: there the third's old side is still in place.
        assert ASPIRIN in [document.page_content for document in recipe["old"].invoke(QUESTION)]


def test_ragatouille_does_not_import_beside_langchain_1() -> None:
    [old] = re.findall(r"^```py\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    alone = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", old], capture_output=True, text=True, check=False
    )
    message = "No module named 'langchain.retrievers'"
    assert alone.stderr.splitlines()[-1] == f"ModuleNotFoundError: {message}"
    assert message in TEXT


def test_a_batch_is_one_search_unless_it_is_inside_a_dict() -> None:
    retriever = HybridgeRetriever(retriever=Counting([Passage("p1", ASPIRIN)]))
    end = RunnableLambda(lambda given: given)
    for chain, expected in (
        (retriever, [3]),
        (retriever | end, [3]),
        ({"context": retriever} | end, [1, 1, 1]),
    ):
        Counting.asked.clear()
        chain.batch(["a", "b", "c"])
        assert Counting.asked == expected


def test_own_embeddings_that_are_kept_need_a_name(tmp_path: Path) -> None:
    unnamed = DeterministicFakeEmbedding(size=6)
    with pytest.raises(InvalidInputError, match="identity"):
        HybridVectorStore.create(unnamed, path=tmp_path / "index")
    store = HybridVectorStore.create(unnamed, path=tmp_path / "index", identity="mine")
    store.add_documents([Document(ASPIRIN, id="p1")])
    store.index.close()
    again = HybridVectorStore.open(tmp_path / "index", unnamed, identity="mine")
    assert ids(again.similarity_search(QUESTION)) == ["p1"]
    again.index.close()


def test_its_table_names_what_there_is() -> None:
    [table] = re.findall(r"^## What is in it\n(.*?)^## ", TEXT, re.MULTILINE | re.DOTALL)
    first_column = "".join(re.findall(r"^\|([^|]*)\|", table, re.MULTILINE))
    public = {name for name in langchain_hybridge.__all__ if not name.startswith("_")}
    assert set(re.findall(r"`(\w+)`", first_column)) >= public
