"""The suite for retrievers: every rule of lists, filters, calls and scores."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Literal, TypeVar
from unittest import SkipTest

from ..passages import JSON, Hit, Passage
from ..protocols import Retriever, Scorer
from .checks import (
    BAD_COUNTS,
    all_agree,
    close,
    closing,
    from_threads,
    gives_way,
    ids,
    is_best_first,
    is_float,
    is_traced,
    refused,
    unchanged,
)
from .corpus import PASSAGES, QUERIES

__all__ = ["RetrieverConformance"]

S = TypeVar("S", bound="RetrieverConformance")

_Where = dict[str, JSON]

_MORE_THAN_ALL = 10 * len(PASSAGES)
_CORPORA: tuple[tuple[Passage, ...], ...] = (PASSAGES, ())
_IDS = [passage.id for passage in PASSAGES]
_ODD_IDS = (
    "1",
    "01",
    "None",
    "with space",
    " with space ",
    "Case",
    "case",
    "caf\u00e9",
    "cafe\u0301",
    "塩水",
    "🐋",
    "path/to\\file.txt#part?x=1&y=%20",
    "\"quoted\" 'twice'",
    "line\nbreak\ttab",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "6BA7B8109DAD11D180B400C04FD430C8",
    "long" * 500,
)
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
_MACHINES: _Where = {"topic": "machines"}
_FILTERS: tuple[_Where, ...] = (_MACHINES, {"year": 2003}, {"topic": "sky", "year": 2005})
_CANNOT = {
    "filters": "this retriever does not filter: the suite sets filters = False",
    "scores": "this retriever does not score given passages: the suite sets scores = False",
}


def _needs(
    ability: Literal["filters", "scores"],
) -> Callable[[Callable[[S], None]], Callable[[S], None]]:
    """Skip a rule if the suite sets this ability to False.

    The rule carries the ability as ``needs``, so that a test run can leave it out instead.
    """

    def decorate(rule: Callable[[S], None]) -> Callable[[S], None]:
        @wraps(rule)
        def checked(self: S) -> None:
            if not getattr(self, ability):
                raise SkipTest(_CANNOT[ability])
            rule(self)

        checked.needs = ability  # type: ignore[attr-defined]
        return checked

    return decorate


class RetrieverConformance:
    """The conformance tests of a `Retriever`, and of a `Scorer` if it is one.

    Subclass it in a test file, name the subclass ``Test…`` and override `build`, which takes a list
    of passages, perhaps an empty one, and returns a retriever over exactly these. A retriever with
    a ``close`` method is closed after each test.

    Attributes:
        filters: whether `search` supports `where`. Without support a retriever must refuse it, and
            the rules of filters are skipped.
        scores: whether the retriever is a `Scorer`. Otherwise the rules of `score` are skipped,
            with either value.
        complete: whether a large `k` returns every passage of the corpus, as a vector search
            does, or only those that match the query, as BM25 does.
        tolerance: the greatest difference, absolute or relative, between two computations of one
            score, such as products of matrices in blocks.

    >>> class TestMyRetriever(RetrieverConformance):
    ...     complete = True
    ...
    ...     def build(self, passages):
    ...         return MyRetriever(passages)
    """

    filters: bool = True
    scores: bool = True
    complete: bool = False
    tolerance: float = 1e-6

    def build(self, passages: list[Passage]) -> Retriever:
        """Return a retriever over exactly these passages, which may be none."""
        raise NotImplementedError(f"{type(self).__name__} must override build(passages)")

    @contextmanager
    def _built(self, passages: Sequence[Passage] = PASSAGES) -> Iterator[Retriever]:
        # Copies: a retriever that changes its passages must not affect other tests.
        with closing(self.build(copy.deepcopy(list(passages)))) as retriever:
            yield retriever

    # Ranked lists

    def test_there_is_one_list_of_hits_for_each_query(self) -> None:
        with self._built() as retriever:
            assert isinstance(retriever, Retriever), "a retriever has search and asearch"
            results = retriever.search(list(QUERIES))
            assert type(results) is list, f"search returns a list, not {type(results).__name__}"
            assert len(results) == len(QUERIES), (
                f"search returns one list for each query: {len(results)} for {len(QUERIES)}"
            )
            for hits in results:
                assert type(hits) is list, f"a query's hits are a list, not {hits!r}"
                for hit in hits:
                    assert isinstance(hit, Hit), f"a result is a Hit, not {hit!r}"

    def test_k_is_the_final_count(self) -> None:
        with self._built() as retriever:
            everything = retriever.search(list(QUERIES), _MORE_THAN_ALL)
            for k in (1, 2, 5, len(PASSAGES)):
                results = retriever.search(list(QUERIES), k)
                for query, hits, longest in zip(QUERIES, results, everything, strict=True):
                    assert ids(hits) == ids(longest)[:k], (
                        "k is the final count, and cuts the list that a larger k gives: "
                        f"{query!r} with k={k} found {ids(hits)}, not {ids(longest)[:k]}"
                    )

    def test_k_is_10_by_default(self) -> None:
        with self._built() as retriever:
            default, ten = retriever.search(list(QUERIES)), retriever.search(list(QUERIES), k=10)
            assert list(map(ids, default)) == list(map(ids, ten)), "k is 10 by default"

    def test_k_beyond_the_corpus_is_not_padded(self) -> None:
        with self._built() as retriever:
            results = retriever.search(list(QUERIES), _MORE_THAN_ALL)
            for query, hits in zip(QUERIES, results, strict=True):
                assert len(hits) <= len(PASSAGES), (
                    f"nothing is padded: {query!r} found {len(hits)} of {len(PASSAGES)} passages"
                )
                assert not self.complete or len(hits) == len(PASSAGES), (
                    "a complete retriever returns every passage for a large k: "
                    f"{query!r} found {len(hits)} of {len(PASSAGES)}"
                )

    def test_results_are_best_first_and_ties_break_by_id(self) -> None:
        # The same texts under descending ids: the order of adding breaks these ties wrongly.
        twins = [Passage(f"twin-{99 - n}", passage.text) for n, passage in enumerate(PASSAGES)]
        with self._built([*twins, *PASSAGES, *_copies_of(PASSAGES[4])]) as retriever:
            for hits in retriever.search(list(QUERIES), _MORE_THAN_ALL):
                is_best_first(hits)

    def test_scores_are_python_floats(self) -> None:
        with self._built() as retriever:
            for hits in retriever.search(list(QUERIES)):
                for hit in hits:
                    assert is_float(hit.score), (
                        f"scores are finite Python floats: {hit.passage.id!r} has {hit.score!r}, "
                        f"of type {type(hit.score).__name__}"
                    )

    def test_every_hit_is_traced(self) -> None:
        with self._built() as retriever:
            for k in (2, _MORE_THAN_ALL):
                for hits in retriever.search(list(QUERIES), k):
                    is_traced(hits)

    def test_passages_come_back_whole(self) -> None:
        known = {passage.id: passage for passage in PASSAGES}
        with self._built() as retriever:
            for hits in retriever.search(list(QUERIES), _MORE_THAN_ALL):
                for hit in hits:
                    assert known.get(hit.passage.id) == hit.passage, (
                        f"a passage comes back unchanged: {hit.passage} "
                        f"is not {known.get(hit.passage.id)}"
                    )

    def test_a_passage_is_found_by_its_own_text(self) -> None:
        with self._built() as retriever:
            _finds(retriever, PASSAGES)

    def test_one_text_under_three_ids_is_three_passages(self) -> None:
        copies = _copies_of(PASSAGES[0])
        with self._built([*PASSAGES, *copies]) as retriever:
            _finds(retriever, [PASSAGES[0], *copies])

    def test_an_id_may_be_any_string(self) -> None:
        odd = [
            Passage(name, passage.text, passage.metadata)
            for name, passage in zip(_ODD_IDS, PASSAGES, strict=False)
        ]
        with self._built(odd) as retriever:
            _finds(retriever, odd)

    # Filters

    def test_where_is_obeyed_or_refused(self) -> None:
        with self._built() as retriever:
            for where in _FILTERS:
                if not self.filters:
                    what = f"where={where}, in a retriever without filters,"
                    refused(what, retriever.search, list(QUERIES), where=where)
                    continue
                for k in (2, len(PASSAGES), _MORE_THAN_ALL):
                    for hits in retriever.search(list(QUERIES), k, where=where):
                        for hit in hits:
                            assert _matches(hit.passage, where), (
                                f"a filtered-out passage is never returned: k={k} and {where} "
                                f"gave {hit.passage.id!r} with {dict(hit.passage.metadata)}"
                            )

    @_needs("filters")
    def test_where_loses_no_match(self) -> None:
        with self._built() as retriever:
            everything = retriever.search(list(QUERIES), _MORE_THAN_ALL)
            for where in _FILTERS:
                filtered = retriever.search(list(QUERIES), _MORE_THAN_ALL, where=where)
                for query, hits, longest in zip(QUERIES, filtered, everything, strict=True):
                    lost = {hit.passage.id for hit in longest if _matches(hit.passage, where)}
                    lost -= {*ids(hits)}
                    assert not lost, (
                        "a filter keeps every matching hit: "
                        f"{query!r} where {where} lost {sorted(lost)}"
                    )

    @_needs("filters")
    def test_where_comes_before_the_cut_to_k(self) -> None:
        with self._built() as retriever:
            everything = retriever.search(list(QUERIES), _MORE_THAN_ALL, where=_MACHINES)
            results = retriever.search(list(QUERIES), 2, where=_MACHINES)
            for query, hits, longest in zip(QUERIES, results, everything, strict=True):
                assert ids(hits) == ids(longest)[:2], (
                    "k counts the passages that pass the filter: "
                    f"{query!r} where {_MACHINES} found {ids(hits)}, not {ids(longest)[:2]}"
                )

    @_needs("filters")
    def test_where_without_matches_finds_nothing(self) -> None:
        with self._built() as retriever:
            results = retriever.search(list(QUERIES), where={"topic": "nowhere"})
            assert results == [[] for _ in QUERIES], (
                f"a filter without matches finds nothing: {list(map(ids, results))}"
            )

    # Calls

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
                        "a blank query finds nothing, and does not affect the others: "
                        f"{query!r} found {ids(hits)}"
                    )

    def test_any_other_query_is_valid(self) -> None:
        with self._built() as retriever:
            for query in _ODD_QUERIES:
                try:
                    results = retriever.search([query], _MORE_THAN_ALL)
                except Exception as error:
                    raise AssertionError(
                        f"any string is a valid query: {query[:60]!r} raised {error!r}"
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
            alone = [retriever.search([query], _MORE_THAN_ALL)[0] for query in queries]
            for batch, expected in ((queries, alone), (tuple(queries[::-1]), alone[::-1])):
                results = retriever.search(batch, _MORE_THAN_ALL)
                all_agree(results, expected, self.tolerance, rule)

    def test_the_same_call_gives_the_same_again(self) -> None:
        with self._built() as retriever:
            first = retriever.search(list(QUERIES))
            before = copy.deepcopy(first)
            second = retriever.search(list(QUERIES))
            assert first == before, (
                f"a later call does not change earlier hits: {first} was {before}"
            )
            all_agree(second, first, self.tolerance, "two identical calls agree")

    def test_asearch_agrees_with_search(self) -> None:
        where = {"topic": "sea"} if self.filters else None
        with self._built() as retriever:

            async def concurrently() -> list[list[Hit]]:
                calls = [
                    retriever.asearch([query], _MORE_THAN_ALL, where=where) for query in QUERIES
                ]
                return [hits for (hits,) in await asyncio.gather(*calls)]

            expected = retriever.search(list(QUERIES), _MORE_THAN_ALL, where=where)
            batch = asyncio.run(retriever.asearch(list(QUERIES), _MORE_THAN_ALL, where=where))
            for results in (batch, asyncio.run(concurrently())):
                all_agree(results, expected, self.tolerance, "asearch agrees with search")

    def test_asearch_does_not_block_the_event_loop(self) -> None:
        with self._built() as retriever:
            assert gives_way(lambda: retriever.asearch(list(QUERIES))), (
                "asearch does not block the event loop, but no other task ran meanwhile: "
                "run the work in a thread (asyncio.to_thread), or await a native client"
            )

    def test_eight_threads_agree_with_one(self) -> None:
        where = {"topic": "kitchen"} if self.filters else None
        with self._built() as retriever:

            def search() -> list[list[Hit]]:
                batch = retriever.search(list(QUERIES), _MORE_THAN_ALL, where=where)
                return batch + [retriever.search([query])[0] for query in QUERIES]

            expected = search()
            for results in from_threads(search):
                all_agree(results, expected, self.tolerance, "eight threads agree with one")

    def test_inputs_are_not_changed(self) -> None:
        passages = copy.deepcopy(list(PASSAGES))
        queries = [f"  {QUERIES[0].upper()} ", *QUERIES]
        where = {"topic": "sea"} if self.filters else None
        with unchanged(passages, queries, where), closing(self.build(passages)) as retriever:
            retriever.search(queries, 3)
            retriever.search(queries, 3, where=where)
            asyncio.run(retriever.asearch(queries, 3, where=where))

    # Scores

    @_needs("scores")
    def test_score_agrees_with_search(self) -> None:
        with self._built() as retriever:
            scorer = _scorer(retriever)
            results = retriever.search(list(QUERIES), _MORE_THAN_ALL)
            scores = scorer.score(list(QUERIES), list(map(ids, results)))
            for query, hits, scored in zip(QUERIES, results, scores, strict=True):
                for hit, score in zip(hits, scored, strict=True):
                    assert close(hit.score, score, self.tolerance), (
                        "score agrees with search: "
                        f"{hit.passage.id!r} for {query!r} has {score}, and "
                        f"{hit.score} in search (tolerance {self.tolerance})"
                    )

    @_needs("scores")
    def test_score_gives_one_float_for_each_id_in_its_order(self) -> None:
        batch = [_IDS, _IDS[::-1], [_IDS[3], _IDS[3]], []]
        with self._built() as retriever:
            scorer = _scorer(retriever)
            results = scorer.score([QUERIES[0]] * len(batch), batch)
            assert [len(scores) for scores in results] == [len(each) for each in batch], (
                f"score gives one score for each id: {results} for {batch}"
            )
            for score in results[0]:
                assert is_float(score), (
                    f"scores are finite Python floats for all ids: {score!r}, "
                    f"of type {type(score).__name__}"
                )
            expected = dict(zip(_IDS, results[0], strict=True))
            for scores, each in zip(results, batch, strict=True):
                for score, name in zip(scores, each, strict=True):
                    assert close(score, expected[name], self.tolerance), (
                        f"score keeps the order of the ids: {name!r} got {score}, "
                        f"and {expected[name]} in another order"
                    )
            assert scorer.score([], []) == [], "no queries get no scores"

    @_needs("scores")
    def test_score_refuses_an_unknown_id(self) -> None:
        with self._built() as retriever:
            scorer = _scorer(retriever)
            refused("an unknown id", scorer.score, ["water"], [[_IDS[0], "unknown"]])

    @_needs("scores")
    def test_score_refuses_lists_that_do_not_fit(self) -> None:
        with self._built() as retriever:
            scorer = _scorer(retriever)
            for wrong in ([], [_IDS, _IDS]):
                what = f"{len(wrong)} lists of ids for one query"
                refused(what, scorer.score, ["water"], wrong)
            refused("a string in place of the list of queries", scorer.score, "water", [_IDS])
            refused("a string in place of a list of ids", scorer.score, ["water"], [_IDS[0]])


def _scorer(retriever: Retriever) -> Scorer:
    """Return the retriever if it is a `Scorer`.

    Raises:
        SkipTest: it is not.
    """
    if not isinstance(retriever, Scorer):
        raise SkipTest("this retriever does not score given passages: it has no method score")
    return retriever


def _matches(passage: Passage, where: _Where) -> bool:
    return all(passage.metadata.get(key) == value for key, value in where.items())


def _copies_of(passage: Passage) -> list[Passage]:
    return [Passage(name, passage.text, passage.metadata) for name in ("two", "one")]


def _finds(retriever: Retriever, passages: Sequence[Passage]) -> None:
    results = retriever.search([passage.text for passage in passages], _MORE_THAN_ALL)
    for passage, hits in zip(passages, results, strict=True):
        assert passage.id in ids(hits), (
            "a passage is found by its own text, under its own id: "
            f"{passage.id!r} is not among {[name[:40] for name in ids(hits)]}"
        )
