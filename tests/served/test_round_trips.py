"""Requests that a search on a server makes, counted by the double, and what it holds meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from hybridge import CallableEncoder, Hit, HybridIndex, Passage
from hybridge.spelling import corrected_query
from hybridge.stages import LateInteraction

from ..index.conftest import word_vectors
from ..index.test_late import WordTokens
from .double import Double

WORDS = ["tide", "moon", "rock", "sand", "gull", "wave", "salt", "pier", "dune", "kelp"]
PASSAGES = [
    Passage(f"p{i}", f"{word} {WORDS[i % 7]} of the harbour", {"year": 2000 + i})
    for i, word in enumerate(WORDS * 2)
]


ENCODER = CallableEncoder(word_vectors, dimension=32, identity="words")
QUERIES = [f"{one} {other}" for one in WORDS[:8] for other in WORDS[2:]]
TWO = ["/query/batch", ""]


def created(double: Double, collection: str) -> HybridIndex:
    return HybridIndex.create(
        url=double.url,
        collection=collection,
        encoder=ENCODER,
        late_interaction=LateInteraction(WordTokens(), datatype="float32"),
        filter_fields={"year": "float"},
    )


@pytest.fixture
def served(double: Double) -> Iterator[HybridIndex]:
    with created(double, "words") as index:
        index.add(PASSAGES)
        yield index


def requests(double: Double, call: Callable[[], object]) -> list[str]:
    """Return the requests for points that a call makes, by the end of their paths."""
    before = len(double.sent())
    call()
    return [request.path.rpartition("/points")[2] for request in double.sent()[before:]]


class TestRequests:
    @pytest.mark.parametrize("count", [1, 16])
    @pytest.mark.parametrize(
        "options", [{"blend": 0}, {"blend": 0.4}, {"blend": 0, "fusion": "rrf"}], ids=str
    )
    def test_a_search_makes_two(
        self, double: Double, served: HybridIndex, count: int, options: dict[str, object]
    ) -> None:
        queries = [f"{word} harbour" for word in WORDS * 2][:count]
        assert requests(double, lambda: served.search(queries, 5, **options)) == TWO

    def test_so_does_one_with_a_filter_on_a_known_field(
        self, double: Double, served: HybridIndex
    ) -> None:
        served.search(["sand"], where={"year": {"$gte": 2001}})
        where = {"year": {"$gte": 2004}}
        assert requests(double, lambda: served.search(["tide"], where=where)) == TWO

    def test_so_does_one_of_a_scope(self, double: Double, served: HybridIndex) -> None:
        scope = served.scoped({"year": {"$lt": 2010}})
        scope.search(["sand"])  # whose words are counted inside
        assert requests(double, lambda: scope.search(["sand of the harbour"])) == TWO
        asked = lambda: asyncio.run(scope.asearch(["harbour sand", "of the sand"]))  # noqa: E731
        assert requests(double, asked) == TWO
        narrowed = {"year": {"$gte": 2009}}
        scope.search(["sand"], where=narrowed)
        assert requests(double, lambda: scope.search(["sand"], where=narrowed)) == TWO
        assert [hit.passage.id for hit in scope.search(["sand"], where=narrowed)[0]] == ["p9"]

    def test_the_fields_of_a_scope_are_counted_by_the_server(
        self, double: Double, served: HybridIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hybridge.index.fields._READ", 3)
        served.update_metadata([each.id for each in PASSAGES], {"kind": "sea"})
        served.update_metadata(["p1", "p12"], {"kind": "land"})
        served.search(["sand"], where={"kind": "sea"})  # which indexes the field
        scope = served.scoped({"year": {"$lt": 2010}})
        kinds = {field.name: dict(field.values) for field in scope.fields()}["kind"]
        assert kinds == {"sea": 9, "land": 1}

    def test_so_does_a_batch_of_long_queries(self, double: Double) -> None:
        words = [f"w{one}{other}q" for one in "abcdefgh" for other in "abcdefghij"]
        queries = [" ".join(words[i * 5 : i * 5 + 5]) for i in range(16)]
        with created(double, "long") as index:
            index.add([Passage(f"p{i}", query) for i, query in enumerate(queries)])
            assert requests(double, lambda: index.search(queries)) == TWO

    def test_an_event_loop_makes_two_and_no_thread_a_query(
        self, double: Double, served: HybridIndex
    ) -> None:
        expected = [[hit.passage.id for hit in hits] for hits in served.search(QUERIES)]
        mine = len([one for one in threading.enumerate() if "serve" not in one.name])
        double.latency = 0.02

        async def search() -> tuple[list[list[list[Hit]]], int]:
            searching = asyncio.gather(*(served.asearch([query]) for query in QUERIES))
            await asyncio.sleep(0.02)
            return await searching, len(
                [one for one in threading.enumerate() if "serve" not in one.name]
            )

        before = len(double.sent())
        found, threads = asyncio.run(search())
        assert [[hit.passage.id for hit in hits] for [hits] in found] == expected
        assert len(double.sent()) - before == 2 * len(QUERIES)
        assert threads <= mine


async def held(index: HybridIndex) -> None:
    """Wait until a search holds the index still."""
    while not index._lock._readers:  # noqa: ASYNC110  # there is no event of it
        await asyncio.sleep(0.001)


class TestWhatASearchHolds:
    def test_a_writer_that_fills_the_loop_s_threads_waits_for_a_search_that_needs_one(
        self, double: Double, served: HybridIndex
    ) -> None:
        served.search(["harbour"])
        double.latency = 0.05

        async def search() -> list[list[Hit]]:
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
            searching = asyncio.create_task(served.asearch(["harbuor"], 1))
            await held(served)
            deleting = asyncio.create_task(asyncio.to_thread(served.delete, ["p3"]))
            found = await searching
            await deleting
            return found

        assert corrected_query(asyncio.run(search())[0]) == "harbour"

    def test_no_event_loop_while_it_reads_the_version(
        self, double: Double, served: HybridIndex
    ) -> None:
        threads: list[str] = []
        with HybridIndex.open(
            url=double.url, collection="words", encoder=ENCODER, late_interaction=WordTokens()
        ) as index:
            connection = index._storage._connection  # type: ignore[attr-defined]
            version = connection.version

            def watched() -> tuple[int, ...]:
                threads.append(threading.current_thread().name)
                return version()

            connection.version = watched
            where = {"name": {"$text_match": "gull"}}
            asyncio.run(index.asearch(["tide"], where=where))
        assert threads
        assert threading.current_thread().name not in threads

    def test_nothing_after_it_was_cancelled(self, double: Double, served: HybridIndex) -> None:
        served.search(["tide"])
        double.latency = 0.05

        async def search() -> None:
            searching = asyncio.create_task(served.asearch(["tide"]))
            await held(served)
            searching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await searching

        asyncio.run(search())
        assert served._lock._readers == 0


class TestAnotherIndexInItsPlace:
    def test_is_looked_for_once_by_many_searches(
        self, double: Double, served: HybridIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        served.search(QUERIES)
        monkeypatch.setattr(served._storage, "_looked", -60.0)

        async def search() -> None:
            await asyncio.gather(*(served.asearch([query]) for query in QUERIES))

        before = len(double.sent())
        asyncio.run(search())
        looks = [one.path for one in double.sent()[before:] if one.method == "GET"]
        assert looks == ["/collections/words"]

    def test_is_searched_when_the_old_one_is_gone(
        self, double: Double, served: HybridIndex
    ) -> None:
        with created(double, "old") as old:
            old.add(PASSAGES[:3])
        _point(double, "alias", "old")
        with HybridIndex.open(
            url=double.url, collection="alias", encoder=ENCODER, late_interaction=WordTokens()
        ) as index:
            assert len(index.search(["harbour"])[0]) == 3
            _point(double, "alias", "words")
            httpx.delete(f"{double.url}/collections/old").raise_for_status()
            assert len(index.search(["harbour"], 20)[0]) == len(PASSAGES)


def _point(double: Double, alias: str, collection: str) -> None:
    create = {"collection_name": collection, "alias_name": alias}
    actions = [{"create_alias": create}]
    httpx.post(f"{double.url}/collections/aliases", json={"actions": actions}).raise_for_status()
