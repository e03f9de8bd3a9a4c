from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.llms import MockLLM
from llama_index.core.schema import NodeWithScore, QueryBundle

import langchain_hybridge
from hybridge import BM25Retriever, Hit, HybridgeError, Passage, Pipeline
from hybridge.errors import InvalidInputError
from hybridge.frameworks import as_retriever, is_retriever
from hybridge.protocols import Where
from llama_index.retrievers import hybridge as llama_index_hybridge

BM25 = BM25Retriever([Passage("p1", "Cats sleep.")])


class Own:
    """Somebody's retriever, which inherits nothing."""

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return [[Hit(Passage("own", "x"), 1.0)] for _ in queries]

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return self.search(queries, k, where=where)


class OneQuery:
    """As LangChain's vector stores have it."""

    def search(self, query: str, search_type: str, **options: Any) -> list[str]:
        return [query]

    async def asearch(self, query: str, search_type: str, **options: Any) -> list[str]:
        return [query]


class Empty(BaseRetriever):
    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return []


class Proxy:
    """Hands everything on."""

    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_what_hands_on_to_a_retriever_serves_but_is_none_itself() -> None:
    proxy = Proxy(BM25)
    assert as_retriever(proxy) is proxy
    assert not is_retriever(proxy)


@pytest.mark.parametrize(
    "retriever", [BM25, Pipeline(BM25), Own()], ids=lambda it: type(it).__name__
)
def test_what_searches_is_returned_as_it_is(retriever: Any) -> None:
    assert as_retriever(retriever) is retriever
    assert is_retriever(retriever)


def test_each_framework_s_retrievers_come_from_its_adapter() -> None:
    chain = RunnableLambda(lambda query: [])
    assert type(as_retriever(chain)) is langchain_hybridge.BridgedRetriever
    assert type(as_retriever(Empty())) is llama_index_hybridge.BridgedRetriever


def test_our_own_faces_in_both_frameworks_are_retrievers_already() -> None:
    for face in (
        langchain_hybridge.HybridgeRetriever(retriever=BM25),
        llama_index_hybridge.HybridgeRetriever(BM25),
    ):
        assert as_retriever(face) is face


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (None, "NoneType is not one"),
        ("index", "str is not one"),
        (OneQuery(), "OneQuery is not one"),
        (BM25Retriever, r"the class BM25Retriever is not one, BM25Retriever\(…\) may be"),
        (Empty, r"the class Empty is not one, Empty\(…\) may be"),
        (MockLLM(), "MockLLM is not one$"),
    ],
)
def test_anything_else_is_refused_by_its_type(wrong: Any, named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        as_retriever(wrong)
    with pytest.raises(InvalidInputError, match=named):
        Pipeline(wrong)


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path that holds a distribution named ``odd-adapter`` with no entry points."""
    info = tmp_path / "odd_adapter-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-adapter\nVersion: 1.5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("odd_framework", "odd_adapter"):
        sys.modules.pop(name, None)


def point_at(distribution: Path, value: str, name: str = "odd_framework") -> None:
    text = f"[hybridge.retrievers]\n{name} = {value}\n"
    (distribution / "odd_adapter-1.5.dist-info" / "entry_points.txt").write_text(text)


def odd_retriever(distribution: Path) -> Any:
    (distribution / "odd_framework.py").write_text("class Finder: pass\n")
    import odd_framework  # type: ignore[import-not-found]

    class Mine(odd_framework.Finder):  # type: ignore[misc]
        pass

    return Mine()


def test_a_third_framework_needs_an_entry_point_alone(distribution: Path) -> None:
    point_at(distribution, "odd_adapter:adapted")
    (distribution / "odd_adapter.py").write_text(
        "from hybridge import BM25Retriever, Passage\n"
        "def adapted(candidate):\n"
        "    return BM25Retriever([Passage(type(candidate).__name__, 'cats')])\n"
    )
    [[hit]] = as_retriever(odd_retriever(distribution)).search(["cats"])
    assert hit.passage.id == "Mine"


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("adapter = None\n", "adapted"),
    ],
)
def test_a_broken_entry_point_is_named(distribution: Path, module: str, reason: str) -> None:
    point_at(distribution, "odd_adapter:adapted")
    (distribution / "odd_adapter.py").write_text(module)
    with pytest.raises(HybridgeError, match=reason) as caught:
        as_retriever(odd_retriever(distribution))
    for part in ("'odd_framework'", "odd-adapter 1.5", "odd_adapter:adapted"):
        assert part in str(caught.value)


def test_an_entry_point_is_loaded_for_its_own_framework_alone(distribution: Path) -> None:
    point_at(distribution, "no_such_module:adapted", name="another_framework")
    assert [as_retriever(some) for some in (BM25, Empty())]
    with pytest.raises(InvalidInputError, match=r"Mine is not one$"):
        as_retriever(odd_retriever(distribution))


@pytest.mark.parametrize(
    ("retriever", "needed"),
    [
        (RunnableLambda(lambda query: []), "pip install langchain-hybridge"),
        (Empty(), "pip install llama-index-hybridge"),
    ],
)
def test_without_the_adapter_the_message_says_what_to_install(
    retriever: Any, needed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybridge.frameworks.entry_points", lambda group: [])  # none is installed
    with pytest.raises(InvalidInputError) as caught:
        as_retriever(retriever)
    name = type(retriever).__name__
    assert str(caught.value).endswith(f"{name} is not one. Theirs need an adapter: {needed}")


def test_no_framework_is_imported_for_what_is_ours() -> None:
    code = (
        "import sys\n"
        "from hybridge import BM25Retriever, Passage, Pipeline\n"
        "retriever = Pipeline(BM25Retriever([Passage('a', 'cats')]))\n"
        "frameworks = ('langchain_core', 'llama_index.core', 'langchain_hybridge')\n"
        "print([name for name in frameworks if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_a_pipeline_takes_a_retriever_of_either_framework() -> None:
    chain = RunnableLambda(lambda query: [])
    for foreign in (chain, Empty()):
        pipeline = Pipeline(foreign)
        assert pipeline.search(["cats"]) == [[]]
        assert asyncio.run(pipeline.asearch(["cats"])) == [[]]
