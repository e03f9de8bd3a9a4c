"""A batch is one search, and yet each of its queries is a run of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

from hybridge import BM25Retriever, Hit
from hybridge.errors import InvalidInputError
from langchain_hybridge import HybridgeRetriever

Batch = Callable[..., Awaitable[list[Any]]]


class Engine:
    """BM25 that counts its calls and cannot bear one word."""

    def __init__(self, inner: BM25Retriever) -> None:
        self.inner = inner
        self.calls: list[list[str]] = []

    def search(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> list[list[Hit]]:
        self.calls.append(list(queries))
        if any("poison" in query for query in queries):
            raise RuntimeError("cannot bear poison")
        return self.inner.search(queries, k, where=where)

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Any = None
    ) -> list[list[Hit]]:
        return self.search(queries, k, where=where)


class Listener(BaseCallbackHandler):
    """Writes down how each run of a retriever begins and ends."""

    def __init__(self) -> None:
        self.began: list[dict[str, Any]] = []
        self.ended: dict[Any, Any] = {}

    def on_retriever_start(self, serialized: Any, query: str, **told: Any) -> None:
        self.began.append({"query": query, **told})

    def on_retriever_end(self, documents: Any, *, run_id: Any, **_: Any) -> None:
        self.ended[run_id] = documents

    def on_retriever_error(self, error: BaseException, *, run_id: Any, **_: Any) -> None:
        self.ended[run_id] = error

    def roots(self) -> list[dict[str, Any]]:
        return [run for run in self.began if run["parent_run_id"] is None]


@pytest.fixture(params=["batch", "abatch"])
def batch(request: pytest.FixtureRequest) -> Batch:
    """`batch` or `abatch` of whatever is given first."""

    async def ask(runnable: Any, *args: Any, **words: Any) -> Any:
        if request.param == "batch":
            return runnable.batch(*args, **words)
        return await runnable.abatch(*args, **words)

    return ask


@pytest.fixture
def engine(bm25: BM25Retriever) -> Engine:
    return Engine(bm25)


@pytest.fixture
def retriever(engine: Engine) -> HybridgeRetriever:
    return HybridgeRetriever(retriever=engine, k=2, tags=["own"], metadata={"own": 1})


QUERIES = ["blood", "yeast", "stones", "", "BLOOD"]


async def test_a_batch_is_one_search_in_order(
    batch: Batch, retriever: HybridgeRetriever, engine: Engine
) -> None:
    one_by_one = [retriever.invoke(query) for query in QUERIES]
    engine.calls.clear()
    assert await batch(retriever, QUERIES) == one_by_one
    assert await batch(retriever, QUERIES, {"max_concurrency": 1}) == one_by_one
    assert engine.calls == [QUERIES, QUERIES]
    assert [len(found) for found in one_by_one] == [2, 2, 1, 0, 2]
    assert await batch(retriever, ["blood"], return_exceptions=True) == one_by_one[:1]


async def test_no_queries_are_no_search(
    batch: Batch, retriever: HybridgeRetriever, engine: Engine
) -> None:
    listener = Listener()
    assert await batch(retriever, [], {"callbacks": [listener]}) == []
    assert (engine.calls, listener.began) == ([], [])


async def test_each_query_is_a_run_with_its_own_config(
    batch: Batch, retriever: HybridgeRetriever
) -> None:
    listeners = [Listener(), Listener()]
    first, second = uuid4(), uuid4()
    configs: Any = [
        {
            "callbacks": [listeners[0]],
            "tags": ["one"],
            "metadata": {"user": "Ada"},
            "run_name": "first",
            "run_id": first,
        },
        {"callbacks": [listeners[1]], "tags": ["two"], "run_id": second},
    ]
    found = await batch(retriever, ["blood", "yeast"], configs)
    for at, (listener, run_id, name, tags) in enumerate(
        zip(
            listeners,
            [first, second],
            ["first", "HybridgeRetriever"],
            [["one", "own"], ["two", "own"]],
            strict=True,
        )
    ):
        [run] = listener.roots()
        assert run["query"] == ["blood", "yeast"][at]
        assert run["run_id"] == run_id
        assert run["name"] == name
        assert run["tags"] == tags
        assert listener.ended[run_id] == found[at]
        assert run["metadata"]["own"] == 1
        assert run["metadata"].get("user") == ["Ada", None][at]
        assert run["metadata"]["ls_vector_store_provider"] == "Engine"


async def test_one_config_is_for_all(batch: Batch, retriever: HybridgeRetriever) -> None:
    listener = Listener()
    config: Any = {"callbacks": [listener], "tags": ["all"], "run_name": "named"}
    found = await batch(retriever, QUERIES, config)
    runs = listener.roots()
    assert [run["query"] for run in runs] == QUERIES
    assert {run["name"] for run in runs} == {"named"}
    assert all("all" in run["tags"] for run in runs)
    assert len({run["run_id"] for run in runs}) == len(QUERIES)
    assert [listener.ended[run["run_id"]] for run in runs] == found
    assert config == {"callbacks": [listener], "tags": ["all"], "run_name": "named"}


async def test_runs_say_what_the_runs_of_invoke_say(
    batch: Batch, retriever: HybridgeRetriever
) -> None:
    alone, together = Listener(), Listener()
    config: Any = {"tags": ["t"], "metadata": {"m": 1}}
    await retriever.ainvoke("blood", {**config, "callbacks": [alone]})
    await batch(retriever, ["blood"], {**config, "callbacks": [together]})
    [[one], [other]] = [listener.roots() for listener in (alone, together)]
    assert one.keys() == other.keys()
    assert one | {"run_id": None} == other | {"run_id": None}


async def test_there_is_one_config_a_query(batch: Batch, retriever: HybridgeRetriever) -> None:
    with pytest.raises(ValueError, match="length"):
        await batch(retriever, ["blood", "yeast"], [{}])


async def test_an_error_ends_every_run(batch: Batch, retriever: HybridgeRetriever) -> None:
    listener = Listener()
    with pytest.raises(RuntimeError, match="cannot bear poison") as caught:
        await batch(retriever, ["blood", "poison", "yeast"], {"callbacks": [listener]})
    runs = listener.roots()
    assert [run["query"] for run in runs] == ["blood", "poison", "yeast"]
    assert [listener.ended[run["run_id"]] for run in runs] == [caught.value] * 3
    assert set(listener.ended) == {run["run_id"] for run in listener.began}


async def test_errors_may_be_returned_in_their_places(
    batch: Batch, retriever: HybridgeRetriever, engine: Engine
) -> None:
    listener = Listener()
    queries = ["blood", "poison", "yeast"]
    config: Any = {"callbacks": [listener]}
    found = await batch(retriever, queries, config, return_exceptions=True)
    assert [found[0], found[2]] == [retriever.invoke("blood"), retriever.invoke("yeast")]
    assert isinstance(found[1], RuntimeError)
    assert [listener.ended[run["run_id"]] for run in listener.roots()] == found
    assert set(listener.ended) == {run["run_id"] for run in listener.began}
    assert engine.calls[:4] == [queries, ["blood"], ["poison"], ["yeast"]]


async def test_something_that_is_no_query_is_an_error_of_its_own(
    batch: Batch, retriever: HybridgeRetriever
) -> None:
    queries: Any = ["blood", None, 3]
    with pytest.raises(InvalidInputError, match="queries must be strings"):
        await batch(retriever, queries)
    found = await batch(retriever, queries, return_exceptions=True)
    assert found[0] == retriever.invoke("blood")
    assert [type(each) for each in found[1:]] == [InvalidInputError] * 2
    bad = await batch(retriever, ["blood", "yeast"], return_exceptions=True, k=0)
    assert [type(each) for each in bad] == [InvalidInputError] * 2


async def test_a_chain_s_batch_is_one_search_too(
    batch: Batch, retriever: HybridgeRetriever, engine: Engine
) -> None:
    def count(documents: list[Document]) -> int:
        return len(documents)

    chain = retriever.bind(k=1) | RunnableLambda(count)
    tracer = RunCollectorCallbackHandler()
    assert await batch(chain, QUERIES, {"callbacks": [tracer]}) == [1, 1, 1, 0, 1]
    assert engine.calls == [QUERIES]
    # They end in any order where the event loop ends them.
    assert sorted(run.inputs["input"] for run in tracer.traced_runs) == sorted(QUERIES)
    for run in tracer.traced_runs:
        step = run.child_runs[0]
        assert (step.run_type, step.inputs) == ("retriever", {"query": run.inputs["input"]})
        assert step.parent_run_id == run.id
    engine.calls.clear()
    found = await batch(chain, ["blood", "poison", "yeast"], return_exceptions=True)
    assert [found[0], type(found[1]), found[2]] == [1, RuntimeError, 1]


async def test_what_failed_is_tried_again_alone(batch: Batch, bm25: BM25Retriever) -> None:
    class Tired(Engine):
        def search(self, *args: Any, **words: Any) -> list[list[Hit]]:
            found = super().search(*args, **words)
            if len(self.calls) < 4 and "stones" in self.calls[-1]:
                raise OSError("not yet")
            return found

    engine = Tired(bm25)
    retriever = HybridgeRetriever(retriever=engine)
    patient = retriever.with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    found = await batch(patient, ["blood", "stones"])
    assert found == [retriever.invoke("blood"), retriever.invoke("stones")]
    assert engine.calls[:4] == [["blood", "stones"], ["blood"], ["stones"], ["stones"]]


@pytest.mark.parametrize("return_exceptions", [False, True])
async def test_an_interrupt_is_not_an_answer(
    batch: Batch, bm25: BM25Retriever, return_exceptions: bool
) -> None:
    class Interrupt(BaseException):
        pass

    class Stopped(Engine):
        def search(self, *args: Any, **words: Any) -> list[list[Hit]]:
            raise Interrupt

    with pytest.raises(Interrupt):
        await batch(
            HybridgeRetriever(retriever=Stopped(bm25)),
            ["blood"],
            return_exceptions=return_exceptions,
        )
