"""On a server a search makes two requests, and an event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

import pytest

from hybridge import CallableEncoder, Hit, HybridIndex, Passage
from hybridge.errors import StoreError
from hybridge.spelling import corrected_query
from hybridge.stages import LateInteraction
from hybridge.steps import Work, arun, run
from hybridge.vectors.client import ClientStore
from hybridge.vectors.store import UnionAnswer, UnionSearch

from .conftest import word_vectors
from .test_late import WordTokens

WORDS = ["tide", "moon", "rock", "sand", "gull", "wave", "salt", "pier", "dune", "kelp"]
PASSAGES = [
    Passage(f"p{i}", f"{word} {WORDS[i % 7]} of the harbour", {"year": 2000 + i})
    for i, word in enumerate(WORDS * 2)
]
# All that asks a server; the rest of a store's methods do not.
REQUESTS = (
    *("search", "query", "get", "vectors", "existing", "matching", "some", "pages", "count"),
    *("frequencies", "prepare", "vector_pages"),
)


class Requests:
    """Counts the calls of a store; those that a call makes itself are part of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self._inside = threading.local()
        for name in REQUESTS:
            monkeypatch.setattr(ClientStore, name, self._counted(name, getattr(ClientStore, name)))

    def _counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def counted(*arguments: Any, **options: Any) -> Any:
            if getattr(self._inside, "yes", False):
                return method(*arguments, **options)
            self.names.append(name)
            self._inside.yes = True
            try:
                return method(*arguments, **options)
            finally:
                self._inside.yes = False

        return counted

    def of(self, call: Callable[[], object]) -> list[str]:
        self.names.clear()
        call()
        return list(self.names)


@pytest.fixture
def served() -> Iterator[HybridIndex]:
    encoder = CallableEncoder(word_vectors, dimension=32, identity="words")
    with HybridIndex.create(
        url=":memory:",
        lexical="qdrant",
        encoder=encoder,
        late_interaction=LateInteraction(WordTokens(), datatype="float32"),
    ) as index:
        index.add(PASSAGES)
        yield index


@pytest.fixture
def requests(served: HybridIndex, monkeypatch: pytest.MonkeyPatch) -> Requests:
    return Requests(monkeypatch)


class TestRequests:
    @pytest.mark.parametrize(
        "options",
        [
            {"blend": 0},
            {"blend": 0.4},
            {"blend": 0, "fusion": "rrf"},
            {"blend": 0.4, "fusion": "rrf"},
            {"blend": 0, "weights": {"bm25": 1, "dense": 0}},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("count", [1, 16])
    def test_a_search_makes_two(
        self, served: HybridIndex, requests: Requests, count: int, options: dict[str, Any]
    ) -> None:
        queries = [f"{word} harbour" for word in WORDS * 2][:count]
        assert requests.of(lambda: served.search(queries, 5, **options)) == ["search", "get"]

    def test_so_does_one_with_a_filter_on_a_known_field(
        self, served: HybridIndex, requests: Requests
    ) -> None:
        served.search(["sand"], where={"year": {"$gte": 2001}})
        again = requests.of(lambda: served.search(["tide"], where={"year": {"$gte": 2004}}))
        assert again == ["search", "get"]

    def test_so_does_one_stage_alone(self, served: HybridIndex, requests: Requests) -> None:
        for stage in served.stages.values():
            assert requests.of(lambda stage=stage: stage.search(["tide"])) == ["search", "get"]

    def test_blank_queries_and_words_that_mean_nothing_make_none(
        self, served: HybridIndex, requests: Requests
    ) -> None:
        assert requests.of(lambda: served.search(["", "  "])) == []
        assert requests.of(lambda: served.search([])) == []

    def test_only_an_unknown_word_is_looked_up(
        self, served: HybridIndex, requests: Requests
    ) -> None:
        made = requests.of(lambda: served.search(["harbuor tide"], 3))
        assert made[0] == "search"
        assert made[-2:] == ["search", "get"]
        assert corrected_query(served.search(["harbuor tide"])[0]) == "harbour tide"


def scores(hits: Sequence[Hit]) -> dict[tuple[str, str], Any]:
    """All scores of all stages; an engine in numpy rounds each time as it likes."""
    return {
        (hit.passage.id, entry.stage): pytest.approx(entry.score, abs=1e-4)
        for hit in hits
        for entry in hit.trace
    }


class TestAnswers:
    @pytest.mark.parametrize(
        "options", [{}, {"blend": 0}, {"fusion": "dbsf"}, {"fusion": "dbsf", "blend": 0}], ids=str
    )
    @pytest.mark.parametrize("where", [None, {"year": {"$lt": 2009}}], ids=str)
    def test_equal_those_in_a_folder(
        self, served: HybridIndex, options: dict[str, Any], where: Any
    ) -> None:
        encoder = CallableEncoder(word_vectors, dimension=32, identity="words")
        late = LateInteraction(WordTokens(), datatype="float32")
        with HybridIndex.create(lexical="qdrant", encoder=encoder, late_interaction=late) as folder:
            folder.add(PASSAGES)
            queries = ["tide moon", "harbuor", "of the", "kelp"]
            theirs = served.search(queries, 20, where=where, **options)
            ours = folder.search(queries, 20, where=where, **options)
            assert list(map(scores, theirs)) == list(map(scores, ours))
            assert list(map(corrected_query, theirs)) == [None, "harbour", None, None]

    @pytest.mark.parametrize("place", [{}, {"url": ":memory:"}], ids=["folder", "memory"])
    @pytest.mark.parametrize("options", [{}, {"fusion": "rrf"}], ids=str)
    def test_ranks_of_ties_are_by_id(self, place: dict[str, Any], options: dict[str, Any]) -> None:
        ones = CallableEncoder(lambda texts: [[1.0] for _ in texts], identity="ones")
        with HybridIndex.create(**place, lexical="qdrant", encoder=ones) as index:
            index.add([Passage(id_, "gull") for id_ in "cadbe"])
            [hits] = index.search(["gull"], 5, **options)
            ranks = {
                hit.passage.id: [entry.rank for entry in hit.trace if entry.stage != "fusion"]
                for hit in hits
            }
            assert ranks == {id_: [rank, rank] for rank, id_ in enumerate("abcde", start=1)}


@pytest.fixture
def awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that an event loop awaits: each answer takes a moment, and no thread."""

    async def asearch(self: Any, searches: Sequence[UnionSearch]) -> list[UnionAnswer]:
        await asyncio.sleep(0.01)
        found: list[UnionAnswer] = self.search(searches)
        return found

    async def aget(self: Any, points: Sequence[int]) -> dict[int, Passage]:
        await asyncio.sleep(0.01)
        found: dict[int, Passage] = self.get(points)
        return found

    monkeypatch.setattr(ClientStore, "asearch", asearch)
    monkeypatch.setattr(ClientStore, "aget", aget)


@pytest.mark.usefixtures("awaited")
class TestAsync:
    async def test_a_query_whose_vectors_are_known_needs_no_thread(
        self, served: HybridIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        queries = [f"{one} {other}" for one in WORDS[:8] for other in WORDS[2:]]
        expected = [scores(served.search([query], 20)[0]) for query in queries]
        alone = [scores(served.dense.search([query], 20)[0]) for query in queries[:4]]

        def thread(*_: object) -> None:
            raise AssertionError("a thread")

        monkeypatch.setattr("hybridge.steps.called_in_thread", thread)
        monkeypatch.setattr(asyncio, "to_thread", thread)
        found = await asyncio.gather(*(served.asearch([query], 20) for query in queries))
        assert [scores(hits) for [hits] in found] == expected
        found = await asyncio.gather(*(served.dense.asearch([q], 20) for q in queries[:4]))
        assert [scores(hits) for [hits] in found] == alone

    async def test_a_new_query_is_encoded_in_a_thread(self) -> None:
        threads: set[str] = set()

        def encode(texts: Sequence[str]) -> Any:
            threads.add(threading.current_thread().name)
            return word_vectors(texts)

        encoder = CallableEncoder(encode, dimension=32, identity="where")
        with HybridIndex.create(url=":memory:", encoder=encoder) as index:
            index.add(PASSAGES)
            threads.clear()
            [hits] = await index.asearch(["tide and moon"], 20)
            assert threads
            assert threading.current_thread().name not in threads
            assert scores(index.search(["tide and moon"], 20)[0]) == scores(hits)

    async def test_a_misspelt_word_is_corrected(self, served: HybridIndex) -> None:
        [hits] = await served.asearch(["harbuor"], 20)
        assert corrected_query(hits) == "harbour"
        assert scores(hits) == scores(served.search(["harbuor"], 20)[0])

    async def test_a_writer_stops_a_search_and_not_the_loop(self, served: HybridIndex) -> None:
        lock = served._lock
        release, holds = threading.Event(), threading.Event()

        def write() -> None:
            with lock.writing():
                holds.set()
                release.wait()

        writer = threading.Thread(target=write)
        writer.start()
        holds.wait()
        searching = asyncio.create_task(served.asearch(["tide"], 1))
        given_up = asyncio.create_task(served.asearch(["moon"], 1))
        await asyncio.sleep(0.05)
        assert not searching.done()
        given_up.cancel()
        release.set()
        assert len((await searching)[0]) == 1
        with pytest.raises(asyncio.CancelledError):
            await given_up
        writer.join()
        await asyncio.to_thread(served.delete, ["p1"])  # the search that was given up holds nothing

    async def test_those_who_wait_leave_the_threads_to_others(self, served: HybridIndex) -> None:
        waiting = threading.Event()

        def write() -> None:
            with served._lock.writing():
                pass

        with served._lock.reading():
            writer = threading.Thread(target=write)
            writer.start()
            await asyncio.sleep(0.05)
            assert served._lock._writers_waiting
            searches = [asyncio.create_task(served.asearch([word], 1)) for word in WORDS * 5]
            await asyncio.sleep(0.01)
            await asyncio.wait_for(asyncio.to_thread(waiting.set), 5)
        found = await asyncio.gather(*searches)
        assert [len(hits) for [hits] in found] == [1] * 50
        writer.join()

    async def test_a_cancelled_search_holds_nothing(self, served: HybridIndex) -> None:
        searching = asyncio.create_task(served.asearch(["tide"], 1))
        await asyncio.sleep(0.005)
        searching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await searching
        assert served._lock._readers == 0

    async def test_an_error_of_the_store_is_the_search_s(
        self, served: HybridIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refused(*_: object) -> None:
            raise StoreError("no")

        monkeypatch.setattr(ClientStore, "asearch", refused)
        with pytest.raises(StoreError, match="no"):
            await served.asearch(["tide"])
        assert served._lock._readers == 0


async def test_quick_work_is_done_at_once() -> None:
    def where() -> Any:
        quick = yield Work(threading.current_thread, lambda: True)
        long = yield Work(threading.current_thread)
        return quick, long

    here = threading.current_thread()
    quick, long = await arun(where())
    assert (quick, long is here) == (here, False)
    assert run(where()) == (here, here)
