"""The suites pass what is right, and each of their tests fails for what it is there to catch.

The reference retriever and reranker below count shared words, by brute force. Every other class
breaks them in one way.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np
import pytest

from hybridge.arguments import check_k, check_queries
from hybridge.errors import InvalidInputError
from hybridge.passages import Hit, Passage, StageScore
from hybridge.testing import PASSAGES, QUERIES, RerankerConformance, RetrieverConformance

Lists = list[list[Hit]]
Where = Mapping[str, Any]


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+|[^\w\s]", text.lower()))


def overlap(query: str, text: str) -> float:
    """Return the share of common words in all words, in [0, 1]."""
    both = words(query) | words(text)
    return len(words(query) & words(text)) / len(both) if both else 0.0


def ranked(stage: str, scored: Sequence[tuple[Hit, float]]) -> list[Hit]:
    ordered = sorted(scored, key=lambda pair: (-pair[1], pair[0].passage.id))
    return [
        Hit(hit.passage, score, (*hit.trace, StageScore(stage, rank, score)))
        for rank, (hit, score) in enumerate(ordered, start=1)
    ]


class Reference:
    """A retriever that does everything right, and slowly."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = {passage.id: passage for passage in passages}

    def search(self, queries: Sequence[str], k: int = 10, *, where: Where | None = None) -> Lists:
        queries, k = check_queries(queries), check_k(k)
        return [self.find(query, where)[:k] for query in queries]

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> Lists:
        return await asyncio.to_thread(self.search, queries, k, where=where)

    def find(self, query: str, where: Where | None) -> list[Hit]:
        if not query.strip():
            return []
        scored = [
            (Hit(passage, 0.0), overlap(query, passage.text))
            for passage in self.passages.values()
            if self.matches(passage, where)
        ]
        return ranked("overlap", [pair for pair in scored if self.keeps(pair[1])])

    def matches(self, passage: Passage, where: Where | None) -> bool:
        return all(passage.metadata.get(key) == value for key, value in (where or {}).items())

    def keeps(self, score: float) -> bool:
        return score > 0


class ScoringReference(Reference):
    """The reference with the third verb."""

    def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
        queries = check_queries(queries)
        if len(queries) != len(ids):
            raise InvalidInputError(f"{len(ids)} lists of ids for {len(queries)} queries")
        for names in ids:
            for name in [names] if isinstance(names, str) else names:
                if name not in self.passages:
                    raise InvalidInputError(f"there is no passage {name!r}")
            if isinstance(names, str):
                raise InvalidInputError(f"ids must be lists: {names!r}")
        return [
            [self.one(query, self.passages[name].text) for name in names]
            for query, names in zip(queries, ids, strict=True)
        ]

    def one(self, query: str, text: str) -> float:
        return overlap(query, text)


class CompleteReference(ScoringReference):
    """Returns what matches nothing too, with score 0, as a vector search does."""

    def keeps(self, score: float) -> bool:
        return True


class UnfilteredReference(Reference):
    """Takes no filter, and says so."""

    def search(self, queries: Sequence[str], k: int = 10, *, where: Where | None = None) -> Lists:
        if where is not None:
            raise InvalidInputError("where is not supported")
        return super().search(queries, k)


class ReferenceReranker:
    """A reranker that does everything right."""

    def rerank(
        self, queries: Sequence[str], candidates: Sequence[Sequence[Hit]], k: int | None = None
    ) -> Lists:
        queries = check_queries(queries)
        if k is not None:
            check_k(k)
        if len(queries) != len(candidates):
            raise InvalidInputError(f"{len(candidates)} candidate lists for {len(queries)} queries")
        pairs = zip(queries, candidates, strict=True)
        return [self.order(query, hits)[:k] for query, hits in pairs]

    async def arerank(
        self, queries: Sequence[str], candidates: Sequence[Sequence[Hit]], k: int | None = None
    ) -> Lists:
        return await asyncio.to_thread(self.rerank, queries, candidates, k)

    def order(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        return ranked("shared", [(hit, overlap(query, hit.passage.text)) for hit in hits])


class TestReference(RetrieverConformance):
    scores = False

    def build(self, passages: list[Passage]) -> Reference:
        return Reference(passages)


class TestScoringReference(RetrieverConformance):
    tolerance = 0.0

    def build(self, passages: list[Passage]) -> Reference:
        return ScoringReference(passages)


class TestCompleteReference(RetrieverConformance):
    complete = True

    def build(self, passages: list[Passage]) -> Reference:
        return CompleteReference(passages)


class TestUnfilteredReference(RetrieverConformance):
    filters = False
    scores = False

    def build(self, passages: list[Passage]) -> Reference:
        return UnfilteredReference(passages)


class TestReferenceReranker(RerankerConformance):
    def build(self) -> ReferenceReranker:
        return ReferenceReranker()


# Broken retrievers. The docstring of each names its mistake.


class NoLists(ScoringReference):
    """A generator in place of a list."""

    def search(self, *args: Any, **named: Any) -> Any:
        return iter(super().search(*args, **named))


class Doubler(ScoringReference):
    """k a stage, not in all."""

    def search(self, queries: Sequence[str], k: int = 10, *, where: Where | None = None) -> Lists:
        return super().search(queries, check_k(k) * 2, where=where)


class FewByDefault(ScoringReference):
    """Another k than 10 where none is given."""

    def search(self, queries: Sequence[str], k: int = 4, *, where: Where | None = None) -> Lists:
        return super().search(queries, k, where=where)


class Padder(ScoringReference):
    """Fills up to k with passages that are not in the corpus."""

    def search(self, queries: Sequence[str], k: int = 10, *, where: Where | None = None) -> Lists:
        lists = super().search(queries, k, where=where)
        for hits in lists:
            for rank in range(len(hits) + 1, k + 1):
                filler = Passage(f"{rank:04}", "filler")
                hits.append(Hit(filler, 0.0, (StageScore("overlap", rank, 0.0),)))
        return lists


class Unsorted(ScoringReference):
    """Worst first."""

    def find(self, query: str, where: Where | None) -> list[Hit]:
        return super().find(query, where)[::-1]


class InsertionOrderTies(ScoringReference):
    """Ties in the order of adding."""

    def find(self, query: str, where: Where | None) -> list[Hit]:
        positions = {name: i for i, name in enumerate(self.passages)}
        hits = sorted(
            super().find(query, where), key=lambda hit: (-hit.score, positions[hit.passage.id])
        )
        return ranked_as_given(hits)


def ranked_as_given(hits: Sequence[Hit]) -> list[Hit]:
    return [
        dataclasses.replace(hit, trace=(StageScore("overlap", rank, hit.score),))
        for rank, hit in enumerate(hits, start=1)
    ]


class Repeater(ScoringReference):
    """Finds the best passage twice."""

    def find(self, query: str, where: Where | None) -> list[Hit]:
        hits = super().find(query, where)
        return ranked_as_given(hits[:1] + hits)


class NumpyScores(ScoringReference):
    """np.float32 in place of float."""

    def find(self, query: str, where: Where | None) -> list[Hit]:
        return [
            dataclasses.replace(hit, score=np.float32(hit.score))
            for hit in super().find(query, where)
        ]


class NumpyDoubles(ScoringReference):
    """np.float64, which passes isinstance(…, float)."""

    def find(self, query: str, where: Where | None) -> list[Hit]:
        return [
            dataclasses.replace(hit, score=np.float64(hit.score))
            for hit in super().find(query, where)
        ]


class Traceless(ScoringReference):
    """No trace."""

    def find(self, query: str, where: Where | None) -> list[Hit]:
        return [dataclasses.replace(hit, trace=()) for hit in super().find(query, where)]


class RanksFromZero(ScoringReference):
    """Ranks from 0."""

    def find(self, query: str, where: Where | None) -> list[Hit]:
        return [
            dataclasses.replace(hit, trace=(StageScore("overlap", rank, hit.score),))
            for rank, hit in enumerate(super().find(query, where))
        ]


class OtherTraceScore(ScoringReference):
    """A trace whose last score is not the one that the list is sorted by."""

    def find(self, query: str, where: Where | None) -> list[Hit]:
        return [
            dataclasses.replace(hit, trace=(StageScore("overlap", rank, hit.score / 2),))
            for rank, hit in enumerate(super().find(query, where), start=1)
        ]


class Forgetful(ScoringReference):
    """Loses the metadata."""

    def find(self, query: str, where: Where | None) -> list[Hit]:
        return [
            dataclasses.replace(hit, passage=Passage(hit.passage.id, hit.passage.text))
            for hit in super().find(query, where)
        ]


class FindsNothing(ScoringReference):
    """Nothing, ever."""

    def find(self, query: str, where: Where | None) -> list[Hit]:
        return []


class ByText(ScoringReference):
    """Keeps one passage a text."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        super().__init__(list({passage.text: passage for passage in passages}.values()))


class FoldedIds(ScoringReference):
    """Ids without case."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        super().__init__(list({each.id.lower(): each for each in passages}.values()))


class IgnoresWhere(ScoringReference):
    """Accepts a filter and ignores it."""

    def matches(self, passage: Passage, where: Where | None) -> bool:
        return True


class RestAtTheEnd(ScoringReference):
    """Filtered-out passages come back where k exceeds the matches."""

    def find(self, query: str, where: Where | None) -> list[Hit]:
        hits = super().find(query, where)
        if where is None:
            return hits
        found = {hit.passage.id for hit in hits}
        rest = [hit for hit in super().find(query, None) if hit.passage.id not in found]
        return ranked_as_given([*hits, *(dataclasses.replace(hit, score=0.0) for hit in rest)])


class AnyOfWhere(ScoringReference):
    """Or in place of and."""

    def matches(self, passage: Passage, where: Where | None) -> bool:
        items = (where or {}).items()
        return not items or any(passage.metadata.get(key) == value for key, value in items)


class FiltersTheTop(ScoringReference):
    """Filters what an unfiltered search found first, and so loses matches."""

    def find(self, query: str, where: Where | None) -> list[Hit]:
        top = super().find(query, None)[: 5 if where else None]
        return ranked_as_given([hit for hit in top if self.matches(hit.passage, where)])


class FiltersAfterTheCut(ScoringReference):
    """Cuts to k, then filters."""

    def search(self, queries: Sequence[str], k: int = 10, *, where: Where | None = None) -> Lists:
        lists = super().search(queries, k)
        return [
            ranked_as_given([hit for hit in hits if self.matches(hit.passage, where)])
            for hits in lists
        ]


class NeedsPassages(ScoringReference):
    """Cannot search an empty corpus."""

    def search(self, *args: Any, **named: Any) -> Lists:
        max(self.passages)
        return super().search(*args, **named)


class NeedsQueries(ScoringReference):
    """Cannot take an empty list of queries."""

    def search(self, queries: Sequence[str], k: int = 10, *, where: Where | None = None) -> Lists:
        return super().search(queries, k, where=where) or [[]]


class AnswersBlanks(CompleteReference):
    """Everything for a blank query."""

    def find(self, query: str, where: Where | None) -> list[Hit]:
        return super().find(query if query.strip() else "?", where)


class DropsBlanks(ScoringReference):
    """A blank query shifts the lists of those behind it."""

    def search(self, queries: Sequence[str], k: int = 10, *, where: Where | None = None) -> Lists:
        non_blank = [query for query in check_queries(queries) if query.strip()]
        blank = [[] for _ in range(len(queries) - len(non_blank))]
        return super().search(non_blank, k, where=where) + blank


class ParsesQueries(ScoringReference):
    """Takes a quotation mark for syntax."""

    def find(self, query: str, where: Where | None) -> list[Hit]:
        if '"' in query:
            raise ValueError("syntax error")
        return super().find(query, where)


class Lenient(ScoringReference):
    """Takes a string for a list, and any k for a number."""

    def search(self, queries: Sequence[str], k: int = 10, *, where: Where | None = None) -> Lists:
        return [self.find(str(query), where)[: max(0, int(k))] for query in queries]


class BatchNormalised(ScoringReference):
    """Scores that depend on the other queries of the batch."""

    def search(self, queries: Sequence[str], k: int = 10, *, where: Where | None = None) -> Lists:
        lists = super().search(queries, k, where=where)
        top = max((hits[0].score for hits in lists if hits), default=1.0)
        return [
            ranked_as_given([dataclasses.replace(hit, score=hit.score / top) for hit in hits])
            for hits in lists
        ]


class Drifting(ScoringReference):
    """Scores that depend on how often it was asked."""

    calls = 0

    def find(self, query: str, where: Where | None) -> list[Hit]:
        self.calls += 1
        hits = super().find(query, where)
        scale = 1 + 1e-3 * self.calls
        return ranked_as_given([dataclasses.replace(hit, score=hit.score * scale) for hit in hits])


class Rewriter(ScoringReference):
    """Hands out the same list again and again, and changes it."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        super().__init__(passages)
        self.results: Lists = []

    def search(self, *args: Any, **named: Any) -> Lists:
        found = super().search(*args, **named)
        for old in self.results:
            old.clear()
        self.results = found
        return found


class OtherAsync(ScoringReference):
    """asearch ignores k."""

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> Lists:
        check_k(k)
        return await asyncio.to_thread(self.search, queries, 1, where=where)


class Blocking(ScoringReference):
    """asearch does its work in the event loop."""

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> Lists:
        return self.search(queries, k, where=where)


class Unsafe(ScoringReference):
    """Loses a hit outside the main thread."""

    def find(self, query: str, where: Where | None) -> list[Hit]:
        hits = super().find(query, where)
        alone = threading.current_thread() is threading.main_thread()
        return hits if alone else ranked_as_given(hits[1:])


class Mutator(ScoringReference):
    """Cleans the caller's queries in place."""

    def search(self, queries: Any, k: int = 10, *, where: Where | None = None) -> Lists:
        lists = super().search(queries, k, where=where)
        if isinstance(queries, list):
            queries[:] = [query.strip().lower() for query in queries]
        return lists


class WhereMutator(ScoringReference):
    """Takes the filter apart."""

    def search(self, queries: Any, k: int = 10, *, where: Any = None) -> Lists:
        lists = super().search(queries, k, where=where)
        if where:
            where.clear()
        return lists


class PassageMutator(ScoringReference):
    """Leaves its notes in the passages' metadata."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        for passage in passages:
            passage.metadata["length"] = len(passage.text)
        super().__init__(passages)


class OtherScore(ScoringReference):
    """score in another unit than search."""

    def one(self, query: str, text: str) -> float:
        return 2 * super().one(query, text)


class NumpyScore(ScoringReference):
    """score gives numpy numbers."""

    def score(self, *args: Any) -> Any:
        return [list(np.asarray(scores)) for scores in super().score(*args)]


class SortedScore(ScoringReference):
    """score answers best first."""

    def score(self, *args: Any) -> Any:
        return [sorted(scores, reverse=True) for scores in super().score(*args)]


class ZeroForUnknown(ScoringReference):
    """score gives 0 for an id that does not exist."""

    def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
        known = [[name for name in names if name in self.passages] for names in ids]
        return super().score(queries, known)


class Zipping(ScoringReference):
    """score stops at the shorter of its two lists."""

    def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
        shorter = min(len(queries), len(ids))
        return super().score(queries[:shorter], ids[:shorter])


def failures(suite: RetrieverConformance | RerankerConformance) -> dict[str, str]:
    """Return the failing tests and their messages."""
    found = {}
    for name in rules_of(type(suite)):
        try:
            getattr(suite, name)()
        except (AssertionError, NotImplementedError) as error:
            found[name] = str(error)
        except SkipTest:
            continue
    return found


def skips(suite: RetrieverConformance) -> dict[str, str]:
    """Return the skipped tests and the reasons."""
    found = {}
    for name in rules_of(type(suite)):
        try:
            getattr(suite, name)()
        except SkipTest as reason:
            found[name] = str(reason)
    return found


def rules_of(suite: type) -> list[str]:
    return [name for name in dir(suite) if name.startswith("test_")]


BROKEN_RETRIEVERS = [
    (NoLists, "there_is_one_list_of_hits_for_each_query", "returns a list"),
    (Doubler, "k_is_the_final_count", "k is the final count"),
    (FewByDefault, "k_is_10_by_default", "k is 10"),
    (Padder, "k_beyond_the_corpus_is_not_padded", "nothing is padded"),
    (Padder, "passages_come_back_whole", "comes back unchanged"),
    (Unsorted, "results_are_best_first_and_ties_break_by_id", "best first"),
    (InsertionOrderTies, "results_are_best_first_and_ties_break_by_id", "ties break by id"),
    (Repeater, "results_are_best_first_and_ties_break_by_id", "found once"),
    (NumpyScores, "scores_are_python_floats", "float32"),
    (NumpyDoubles, "scores_are_python_floats", "float64"),
    (Traceless, "every_hit_is_traced", "a trace entry for each stage"),
    (RanksFromZero, "every_hit_is_traced", "ranks count from 1"),
    (OtherTraceScore, "every_hit_is_traced", "last trace entry's score"),
    (Forgetful, "passages_come_back_whole", "comes back unchanged"),
    (FindsNothing, "a_passage_is_found_by_its_own_text", "found by its own text"),
    (ByText, "one_text_under_three_ids_is_three_passages", "'sea-1' is not among"),
    (FoldedIds, "an_id_may_be_any_string", "'Case' is not among"),
    (IgnoresWhere, "where_is_obeyed_or_refused", "filtered-out passage is never returned"),
    (IgnoresWhere, "where_without_matches_finds_nothing", "a filter without matches"),
    (RestAtTheEnd, "where_is_obeyed_or_refused", "filtered-out passage is never returned"),
    (AnyOfWhere, "where_is_obeyed_or_refused", "filtered-out passage is never returned"),
    (FiltersTheTop, "where_loses_no_match", "keeps every matching hit"),
    (FiltersAfterTheCut, "where_comes_before_the_cut_to_k", "k counts the passages"),
    (NeedsPassages, "an_empty_corpus_finds_nothing", "empty"),
    (NeedsQueries, "no_queries_get_no_lists", "no queries get no lists"),
    (AnswersBlanks, "a_blank_query_finds_nothing", "a blank query finds nothing"),
    (DropsBlanks, "a_blank_query_finds_nothing", "a blank query finds nothing"),
    (ParsesQueries, "any_other_query_is_valid", "syntax error"),
    (Lenient, "a_bare_string_is_refused", "a string in place of the list"),
    (Lenient, "queries_that_are_no_strings_are_refused", "None"),
    (Lenient, "a_bad_k_is_refused", "k=0 is refused"),
    (BatchNormalised, "a_batch_is_its_queries_one_by_one", "one by one"),
    (Drifting, "the_same_call_gives_the_same_again", "two identical calls agree"),
    (Rewriter, "the_same_call_gives_the_same_again", "does not change earlier hits"),
    (OtherAsync, "asearch_agrees_with_search", "asearch agrees with search"),
    (Blocking, "asearch_does_not_block_the_event_loop", "does not block"),
    (Unsafe, "eight_threads_agree_with_one", "eight threads"),
    (Mutator, "inputs_are_not_changed", "inputs are not changed"),
    (WhereMutator, "inputs_are_not_changed", "inputs are not changed"),
    (PassageMutator, "inputs_are_not_changed", "inputs are not changed"),
    (OtherScore, "score_agrees_with_search", "score agrees with search"),
    (NumpyScore, "score_gives_one_float_for_each_id_in_its_order", "Python floats"),
    (SortedScore, "score_gives_one_float_for_each_id_in_its_order", "keeps the order of the ids"),
    (ZeroForUnknown, "score_refuses_an_unknown_id", "an unknown id is refused"),
    (Zipping, "score_refuses_lists_that_do_not_fit", "lists of ids for one query is refused"),
]


@pytest.mark.parametrize(("broken", "test", "message"), BROKEN_RETRIEVERS)
def test_a_broken_retriever_fails(broken: type[Reference], test: str, message: str) -> None:
    class Suite(RetrieverConformance):
        def build(self, passages: list[Passage]) -> Reference:
            return broken(passages)

    with pytest.raises(Exception, match=re.escape(message)):
        getattr(Suite(), f"test_{test}")()


def test_every_rule_for_retrievers_can_be_broken() -> None:
    assert {f"test_{test}" for _, test, _ in BROKEN_RETRIEVERS} == set(
        rules_of(RetrieverConformance)
    )


def test_a_complete_retriever_must_return_everything() -> None:
    class Suite(RetrieverConformance):
        complete = True

        def build(self, passages: list[Passage]) -> Reference:
            return Reference(passages)

    assert list(failures(Suite())) == ["test_k_beyond_the_corpus_is_not_padded"]


def test_a_retriever_that_does_not_filter_must_say_so() -> None:
    class Suite(RetrieverConformance):
        filters = False

        def build(self, passages: list[Passage]) -> Reference:
            return IgnoresWhere(passages)

    failed = failures(Suite())
    assert list(failed) == ["test_where_is_obeyed_or_refused"]
    assert "a retriever without filters" in failed["test_where_is_obeyed_or_refused"]


def test_one_mistake_does_not_fail_the_tests_of_other_rules() -> None:
    def suite(broken: type[Reference]) -> RetrieverConformance:
        class Suite(RetrieverConformance):
            def build(self, passages: list[Passage]) -> Reference:
                return broken(passages)

        return Suite()

    assert list(failures(suite(Blocking))) == ["test_asearch_does_not_block_the_event_loop"]
    assert list(failures(suite(FoldedIds))) == ["test_an_id_may_be_any_string"]
    assert list(failures(suite(OtherScore))) == ["test_score_agrees_with_search"]
    assert list(failures(suite(FewByDefault))) == ["test_k_is_10_by_default"]


FILTER_RULES = {
    "test_where_loses_no_match",
    "test_where_comes_before_the_cut_to_k",
    "test_where_without_matches_finds_nothing",
}
SCORE_RULES = {
    "test_score_agrees_with_search",
    "test_score_gives_one_float_for_each_id_in_its_order",
    "test_score_refuses_an_unknown_id",
    "test_score_refuses_lists_that_do_not_fit",
}


def test_what_a_retriever_cannot_do_is_skipped_and_not_passed() -> None:
    class Suite(RetrieverConformance):
        def build(self, passages: list[Passage]) -> Reference:
            return UnfilteredReference(passages)

    suite = Suite()
    suite.filters = False
    reasons = skips(suite)
    assert reasons.keys() == FILTER_RULES | SCORE_RULES
    assert {reasons[name] for name in FILTER_RULES} == {
        "this retriever does not filter: the suite sets filters = False"
    }
    assert {reasons[name] for name in SCORE_RULES} == {
        "this retriever does not score given passages: it has no method score"
    }


def test_what_a_suite_says_it_cannot_do_needs_no_retriever_to_be_skipped() -> None:
    class Suite(RetrieverConformance):
        filters = False
        scores = False

        def build(self, passages: list[Passage]) -> Reference:
            raise AssertionError("nothing is built for a rule that is skipped")

    suite = Suite()
    for rule in FILTER_RULES | SCORE_RULES:
        with pytest.raises(SkipTest, match="the suite sets"):
            getattr(suite, rule)()


def test_a_retriever_that_can_do_all_skips_nothing() -> None:
    class Suite(RetrieverConformance):
        def build(self, passages: list[Passage]) -> Reference:
            return ScoringReference(passages)

    assert skips(Suite()) == {}


def test_pytest_shows_what_is_skipped_and_why(tmp_path: Path) -> None:
    suite = """
        from hybridge import BM25Retriever
        from hybridge.testing import RetrieverConformance

        class Unable:
            def __init__(self, passages):
                self.bm25 = BM25Retriever(passages)
            def search(self, queries, k=10, *, where=None):
                return self.bm25.search(queries, k, where=where)
            async def asearch(self, queries, k=10, *, where=None):
                return await self.bm25.asearch(queries, k, where=where)

        class TestUnable(RetrieverConformance):
            def build(self, passages):
                return Unable(passages)
        """
    (tmp_path / "test_unable.py").write_text(textwrap.dedent(suite))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "-k", "score", "-p", "no:cacheprovider", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert "this retriever does not score given passages: it has no method score" in done.stdout
    assert re.search(r"1 passed, 4 skipped", done.stdout), done.stdout


def test_the_tolerance_decides_how_exact_scores_must_be() -> None:
    class Suite(RetrieverConformance):
        def build(self, passages: list[Passage]) -> Reference:
            return Drifting(passages)

    loose = Suite()
    loose.tolerance = 1.0
    assert set(failures(Suite())) - set(failures(loose)) == {
        "test_a_batch_is_its_queries_one_by_one",
        "test_asearch_agrees_with_search",
        "test_eight_threads_agree_with_one",
        "test_score_agrees_with_search",
        "test_the_same_call_gives_the_same_again",
    }


# Broken rerankers.


class Grower(ReferenceReranker):
    """Brings a passage that was no candidate."""

    def order(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        return super().order(query, [*hits, Hit(Passage("new", query), 0.0)])


class Truncating(ReferenceReranker):
    """Drops the candidates beyond its depth."""

    def order(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        return super().order(query, hits[:4])


class CutsFirst(ReferenceReranker):
    """Cuts to k, then reranks."""

    def rerank(
        self, queries: Sequence[str], candidates: Sequence[Sequence[Hit]], k: int | None = None
    ) -> Lists:
        if k is not None:
            candidates = [hits[: check_k(k)] for hits in candidates]
        return super().rerank(queries, candidates, k)


class GivenOrderTies(ReferenceReranker):
    """Ties in the order they came in."""

    def order(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        positions = {hit.passage.id: i for i, hit in enumerate(hits)}
        ordered = super().order(query, hits)
        return sorted(ordered, key=lambda hit: (-hit.score, positions[hit.passage.id]))


class NumpyRerankScores(ReferenceReranker):
    """np.float32 in place of float."""

    def order(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        ordered = super().order(query, hits)
        return [dataclasses.replace(hit, score=np.float32(hit.score)) for hit in ordered]


class TraceEraser(ReferenceReranker):
    """Drops the entries of earlier stages."""

    def order(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        ordered = super().order(query, hits)
        return [dataclasses.replace(hit, trace=hit.trace[-1:]) for hit in ordered]


class Nameless(ReferenceReranker):
    """A new stage name for every query."""

    def order(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        return ranked(query, [(hit, overlap(query, hit.passage.text)) for hit in hits])


class NeedsTrace(ReferenceReranker):
    """Reads the trace of hits that have none."""

    def order(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        sorted(hits, key=lambda hit: hit.trace[0].rank)
        return super().order(query, hits)


class MergesTexts(ReferenceReranker):
    """Keeps one candidate a text."""

    def order(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        return super().order(query, list({hit.passage.text: hit for hit in hits}.values()))


class NeedsCandidates(ReferenceReranker):
    """Cannot take an empty list of candidates."""

    def order(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        max(hit.score for hit in hits)
        return super().order(query, hits)


class OneListAtLeast(ReferenceReranker):
    """A list for no query."""

    def rerank(self, *args: Any) -> Lists:
        return super().rerank(*args) or [[]]


class LenientReranker(ReferenceReranker):
    """Takes a string for a list, any k for a number, and lists of any length."""

    def rerank(
        self, queries: Sequence[str], candidates: Sequence[Sequence[Hit]], k: int | None = None
    ) -> Lists:
        pairs = zip(queries, candidates, strict=False)
        cut = None if k is None else max(0, int(k))
        return [self.order(query, hits)[:cut] for query, hits in pairs]


class BatchNormalisedReranker(ReferenceReranker):
    """Scores that depend on the other queries of the batch."""

    def rerank(self, *args: Any) -> Lists:
        lists = super().rerank(*args)
        top = max((hits[0].score for hits in lists if hits), default=1.0) or 1.0
        return [[rescored(hit, hit.score / top) for hit in hits] for hits in lists]


def rescored(hit: Hit, score: float) -> Hit:
    last = dataclasses.replace(hit.trace[-1], score=score)
    return dataclasses.replace(hit, score=score, trace=(*hit.trace[:-1], last))


class DriftingReranker(ReferenceReranker):
    """Scores that depend on how often it was asked."""

    calls = 0

    def order(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        self.calls += 1
        ordered = super().order(query, hits)
        return [rescored(hit, hit.score * (1 + 1e-3 * self.calls)) for hit in ordered]


class OtherAsyncReranker(ReferenceReranker):
    """arerank ignores k."""

    async def arerank(self, queries: Any, candidates: Any, k: Any = None) -> Lists:
        if k is not None:
            check_k(k)
        return await asyncio.to_thread(self.rerank, queries, candidates)


class BlockingReranker(ReferenceReranker):
    """arerank does its work in the event loop."""

    async def arerank(self, queries: Any, candidates: Any, k: Any = None) -> Lists:
        return self.rerank(queries, candidates, k)


class UnsafeReranker(ReferenceReranker):
    """Another score outside the main thread."""

    def order(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        ordered = super().order(query, hits)
        alone = threading.current_thread() is threading.main_thread()
        return ordered if alone else [rescored(hit, hit.score + 1) for hit in ordered]


class InPlace(ReferenceReranker):
    """Sorts the caller's lists."""

    def order(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        ordered = super().order(query, hits)
        if isinstance(hits, list):
            hits[:] = ordered
        return ordered


BROKEN_RERANKERS = [
    (Grower, "every_candidate_comes_back_once", "every candidate comes back once"),
    (Truncating, "every_candidate_comes_back_once", "every candidate comes back once"),
    (CutsFirst, "k_cuts_the_list", "k cuts the reranked list"),
    (GivenOrderTies, "results_are_best_first_and_ties_break_by_id", "ties break by id"),
    (NumpyRerankScores, "scores_are_python_floats", "float32"),
    (TraceEraser, "the_trace_is_kept_and_gets_one_entry", "keeps the entries of earlier stages"),
    (Nameless, "the_trace_is_kept_and_gets_one_entry", "one name"),
    (NeedsTrace, "candidates_need_no_trace", "out of range"),
    (MergesTexts, "one_text_under_two_ids_is_two_passages", "two passages"),
    (NeedsCandidates, "no_candidates_give_no_hits", "empty"),
    (OneListAtLeast, "no_queries_get_no_lists", "no queries get no lists"),
    (LenientReranker, "lists_that_do_not_fit_the_queries_are_refused", "0 lists of candidates"),
    (LenientReranker, "a_bare_string_is_refused", "a string in place of the list"),
    (LenientReranker, "a_bad_k_is_refused", "k=0 is refused"),
    (BatchNormalisedReranker, "a_batch_is_its_queries_one_by_one", "one by one"),
    (DriftingReranker, "the_same_call_gives_the_same_again", "two identical calls agree"),
    (OtherAsyncReranker, "arerank_agrees_with_rerank", "arerank agrees with rerank"),
    (BlockingReranker, "arerank_does_not_block_the_event_loop", "does not block"),
    (UnsafeReranker, "eight_threads_agree_with_one", "eight threads"),
    (InPlace, "inputs_are_not_changed", "inputs are not changed"),
]


@pytest.mark.parametrize(("broken", "test", "message"), BROKEN_RERANKERS)
def test_a_broken_reranker_fails(broken: type[ReferenceReranker], test: str, message: str) -> None:
    class Suite(RerankerConformance):
        def build(self) -> ReferenceReranker:
            return broken()

    with pytest.raises(Exception, match=re.escape(message)):
        getattr(Suite(), f"test_{test}")()


def test_every_rule_for_rerankers_can_be_broken() -> None:
    assert {f"test_{test}" for _, test, _ in BROKEN_RERANKERS} == set(rules_of(RerankerConformance))


# The rest of what is public.


def test_what_can_be_closed_is_closed_also_after_a_failure() -> None:
    opened: list[Closable] = []

    class Closable(Blocking):
        closed = 0

        def __init__(self, passages: Sequence[Passage]) -> None:
            super().__init__(passages)
            opened.append(self)

        def close(self) -> None:
            self.closed += 1

    class Suite(RetrieverConformance):
        def build(self, passages: list[Passage]) -> Reference:
            return Closable(passages)

    assert list(failures(Suite())) == ["test_asearch_does_not_block_the_event_loop"]
    assert len(opened) >= len(rules_of(Suite))
    assert {each.closed for each in opened} == {1}


@pytest.mark.parametrize("suite", [RetrieverConformance, RerankerConformance])
def test_a_suite_without_build_says_what_to_do(suite: type) -> None:
    for message in failures(suite()).values():
        assert "must override build" in message


def test_the_corpus_can_show_what_the_rules_are_about() -> None:
    assert len({passage.id for passage in PASSAGES}) == len(PASSAGES) == 24
    assert len({passage.text for passage in PASSAGES}) == len(PASSAGES)
    assert {type(passage.metadata["year"]) for passage in PASSAGES} == {int}
    for hits in Reference(PASSAGES).search(QUERIES, 100):
        # More than the cuts that the rules make, of several topics, and never everything.
        assert 5 < len(hits) < len(PASSAGES)
        assert len({hit.passage.metadata["topic"] for hit in hits}) > 2


def test_importing_the_suites_needs_no_pytest() -> None:
    code = "import sys; sys.modules['pytest'] = None; import hybridge.testing"
    subprocess.run([sys.executable, "-c", code], check=True)
