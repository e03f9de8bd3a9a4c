"""Rules of the call: empty and bad arguments, and one behaviour in batches, threads and loops."""

from __future__ import annotations

import asyncio
import copy

from ..passages import Hit, Passage
from .base import MORE_THAN_ALL, RetrieverSuite
from .checks import (
    BAD_COUNTS,
    all_agree,
    closing,
    from_threads,
    gives_way,
    ids,
    is_best_first,
    is_traced,
    refused,
    unchanged,
)
from .corpus import PASSAGES, QUERIES

__all__ = ["CallRules"]

_BLANK = ("", " ", "\t\n ")
_ODD_QUERIES = (
    "?!",
    '"water" AND (salt OR -light) NOT air* ^2',
    "water " * 2000,
    "вода и соль",
    "水と塩",
    "🐋 \u202e water \x00",
    "zyxwvut qponmlk",
)
_CORPORA: tuple[tuple[Passage, ...], ...] = (PASSAGES, ())


class CallRules(RetrieverSuite):
    """Tests of how `search` and `asearch` may be called."""

    def test_an_empty_corpus_finds_nothing(self) -> None:
        with self._built([]) as retriever:
            results = retriever.search(list(QUERIES))
            assert results == [[] for _ in QUERIES], (
                f"an empty corpus gives one empty list for each query, not {results}"
            )

    def test_no_queries_get_no_lists(self) -> None:
        for corpus in _CORPORA:
            with self._built(corpus) as retriever:
                for results in (retriever.search([]), asyncio.run(retriever.asearch([]))):
                    assert results == [], f"no queries get no lists, not {results}"

    def test_a_blank_query_finds_nothing(self) -> None:
        queries = [_BLANK[0], QUERIES[0], *_BLANK, QUERIES[1]]
        with self._built() as retriever:
            for batch in (list(_BLANK), queries):
                for query, hits in zip(batch, retriever.search(batch), strict=True):
                    assert bool(hits) == bool(query.strip()), (
                        "a blank query finds nothing, and the others beside it what they do "
                        f"alone: {query!r} found {ids(hits)}"
                    )

    def test_any_other_query_may_be_asked(self) -> None:
        with self._built() as retriever:
            for query in _ODD_QUERIES:
                try:
                    results = retriever.search([query], MORE_THAN_ALL)
                except Exception as error:
                    raise AssertionError(
                        f"any string may be asked for: {query[:60]!r} raised {error!r}"
                    ) from error
                for hits in results:
                    is_best_first(hits)
                    is_traced(hits)

    def test_a_bare_string_is_refused(self) -> None:
        for corpus in _CORPORA:
            with self._built(corpus) as retriever:
                for call in (retriever.search, retriever.asearch):
                    refused("a string in place of the list of queries", call, "water")

    def test_queries_that_are_no_strings_are_refused(self) -> None:
        with self._built() as retriever:
            for wrong in (["water", None], [b"water"], [["water"]]):
                refused(f"the list of queries {wrong}", retriever.search, wrong)

    def test_a_bad_k_is_refused(self) -> None:
        for corpus in _CORPORA:
            with self._built(corpus) as retriever:
                for k in BAD_COUNTS:
                    for call in (retriever.search, retriever.asearch):
                        refused(f"k={k!r}", call, ["water"], k)

    def test_a_batch_is_its_queries_one_by_one(self) -> None:
        queries = [*QUERIES, QUERIES[0], "", *_ODD_QUERIES]
        rule = "a batch gives what its queries give one by one"
        with self._built() as retriever:
            alone = [retriever.search([query], MORE_THAN_ALL)[0] for query in queries]
            for batch, expected in ((queries, alone), (tuple(queries[::-1]), alone[::-1])):
                results = retriever.search(batch, MORE_THAN_ALL)
                all_agree(results, expected, self.tolerance, rule)

    def test_the_same_call_gives_the_same_again(self) -> None:
        with self._built() as retriever:
            first = retriever.search(list(QUERIES))
            before = copy.deepcopy(first)
            second = retriever.search(list(QUERIES))
            assert first == before, f"a later call leaves earlier hits alone: {first} was {before}"
            all_agree(second, first, self.tolerance, "two identical calls agree")

    def test_asearch_finds_what_search_finds(self) -> None:
        where = {"topic": "sea"} if self.filters else None
        with self._built() as retriever:

            async def concurrently() -> list[list[Hit]]:
                calls = [
                    retriever.asearch([query], MORE_THAN_ALL, where=where) for query in QUERIES
                ]
                return [hits for (hits,) in await asyncio.gather(*calls)]

            expected = retriever.search(list(QUERIES), MORE_THAN_ALL, where=where)
            batch = asyncio.run(retriever.asearch(list(QUERIES), MORE_THAN_ALL, where=where))
            for results in (batch, asyncio.run(concurrently())):
                all_agree(results, expected, self.tolerance, "asearch finds what search finds")

    def test_asearch_does_not_block_the_event_loop(self) -> None:
        with self._built() as retriever:
            assert gives_way(lambda: retriever.asearch(list(QUERIES))), (
                "asearch does not block the event loop, but nothing else got a turn while it ran: "
                "run the work in a thread (asyncio.to_thread), or await a native client"
            )

    def test_eight_threads_find_what_one_finds(self) -> None:
        where = {"topic": "kitchen"} if self.filters else None
        with self._built() as retriever:

            def search() -> list[list[Hit]]:
                batch = retriever.search(list(QUERIES), MORE_THAN_ALL, where=where)
                return batch + [retriever.search([query])[0] for query in QUERIES]

            expected = search()
            for results in from_threads(search):
                all_agree(results, expected, self.tolerance, "eight threads find what one finds")

    def test_inputs_are_not_changed(self) -> None:
        passages = copy.deepcopy(list(PASSAGES))
        queries = [f"  {QUERIES[0].upper()} ", *QUERIES]
        where = {"topic": "sea"} if self.filters else None
        with unchanged(passages, queries, where), closing(self.build(passages)) as retriever:
            retriever.search(queries, 3)
            retriever.search(queries, 3, where=where)
            asyncio.run(retriever.asearch(queries, 3, where=where))
