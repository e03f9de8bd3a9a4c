"""The suite for rerankers: every rule of lists and calls."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..passages import Hit, Passage, StageScore
from ..protocols import Reranker
from .checks import (
    BAD_COUNTS,
    all_agree,
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

__all__ = ["RerankerConformance"]

_Lists = list[list[Hit]]


class RerankerConformance:
    """The conformance tests of a `Reranker`.

    Subclass it in a test file, name the subclass ``Test…`` and override `build`. A reranker with a
    ``close`` method is closed after each test.

    Attributes:
        tolerance: the greatest difference, absolute or relative, between two computations of one
            score, as for texts of different lengths in a padded batch.

    >>> class TestMyReranker(RerankerConformance):
    ...     tolerance = 1e-4
    ...
    ...     def build(self):
    ...         return MyReranker()
    """

    tolerance: float = 1e-6

    def build(self) -> Reranker:
        """Return the reranker to test."""
        raise NotImplementedError(f"{type(self).__name__} must override build()")

    @contextmanager
    def _built(self) -> Iterator[Reranker]:
        with closing(self.build()) as reranker:
            yield reranker

    # Ranked lists

    def test_every_candidate_comes_back_once(self) -> None:
        with self._built() as reranker:
            assert isinstance(reranker, Reranker), "a reranker has rerank and arerank"
            candidates = _candidates()
            results = reranker.rerank(list(QUERIES), candidates)
            assert type(results) is list, f"rerank returns a list, not {type(results).__name__}"
            assert len(results) == len(QUERIES), (
                f"rerank returns one list for each query: {len(results)} for {len(QUERIES)}"
            )
            for hits, before in zip(results, candidates, strict=True):
                assert type(hits) is list, f"a query's hits are a list, not {hits!r}"
                assert sorted(ids(hits)) == sorted(ids(before)), (
                    "every candidate comes back once, and nothing else: "
                    f"{sorted(ids(before))} came back as {sorted(ids(hits))}"
                )
                passages = {hit.passage.id: hit.passage for hit in before}
                for hit in hits:
                    assert hit.passage == passages[hit.passage.id], (
                        f"a passage comes back unchanged: {hit.passage}"
                    )

    def test_k_cuts_the_list(self) -> None:
        with self._built() as reranker:
            everything = reranker.rerank(list(QUERIES), _candidates())
            for k in (1, 3, len(PASSAGES), 10 * len(PASSAGES)):
                results = reranker.rerank(list(QUERIES), _candidates(), k)
                for query, hits, longest in zip(QUERIES, results, everything, strict=True):
                    assert ids(hits) == ids(longest)[:k], (
                        "k cuts the reranked list: "
                        f"{query!r} with k={k} gave {ids(hits)}, not {ids(longest)[:k]}"
                    )

    def test_results_are_best_first_and_ties_break_by_id(self) -> None:
        # One text under descending ids: the order of the candidates breaks these ties wrongly.
        twins = [Passage(f"twin-{9 - n}", PASSAGES[0].text) for n in range(6)]
        candidates = [_hits([*twins, *PASSAGES]), _hits(twins, score=1.0)]
        with self._built() as reranker:
            for hits in reranker.rerank([QUERIES[0], PASSAGES[0].text], candidates):
                is_best_first(hits)

    def test_scores_are_python_floats(self) -> None:
        with self._built() as reranker:
            for hits in reranker.rerank(list(QUERIES), _candidates()):
                for hit in hits:
                    assert is_float(hit.score), (
                        f"scores are finite Python floats: {hit.passage.id!r} has {hit.score!r}, "
                        f"of type {type(hit.score).__name__}"
                    )

    def test_the_trace_is_kept_and_gets_one_entry(self) -> None:
        stages = set()
        with self._built() as reranker:
            for k in (None, 3):
                results = reranker.rerank(list(QUERIES), _candidates(), k)
                for hits, candidates in zip(results, _candidates(), strict=True):
                    is_traced(hits)
                    before = {hit.passage.id: hit.trace for hit in candidates}
                    for hit in hits:
                        assert hit.trace[:-1] == before[hit.passage.id], (
                            "the trace keeps the entries of earlier stages and gets one more: "
                            f"{before[hit.passage.id]} became {hit.trace}"
                        )
                        stages.add(hit.trace[-1].stage)
        assert len(stages) == 1, f"a reranker has one name in every trace, not {sorted(stages)}"

    def test_candidates_need_no_trace(self) -> None:
        bare = [Hit(passage, 0.0) for passage in PASSAGES]
        with self._built() as reranker:
            (hits,) = reranker.rerank([QUERIES[0]], [bare])
            assert len(hits) == len(bare), f"candidates need no trace: {len(hits)} came back"
            is_traced(hits)

    def test_one_text_under_two_ids_is_two_passages(self) -> None:
        twins = _hits([Passage("one", PASSAGES[0].text), Passage("two", PASSAGES[0].text)])
        with self._built() as reranker:
            (hits,) = reranker.rerank([QUERIES[0]], [twins])
            assert sorted(ids(hits)) == ["one", "two"], (
                f"one text under two ids is two passages, not {ids(hits)}"
            )

    # Arguments

    def test_no_candidates_give_no_hits(self) -> None:
        with self._built() as reranker:
            results = reranker.rerank(list(QUERIES), [[] for _ in QUERIES])
            assert results == [[] for _ in QUERIES], (
                f"no candidates give one empty list for each query, not {results}"
            )
            results = reranker.rerank(list(QUERIES[:3]), [[], _hits(PASSAGES[:5]), []])
            assert [len(hits) for hits in results] == [0, 5, 0], (
                "a query without candidates does not affect the others: "
                f"0, 5 and 0 candidates gave {[len(hits) for hits in results]}"
            )

    def test_no_queries_get_no_lists(self) -> None:
        with self._built() as reranker:
            for results in (reranker.rerank([], []), asyncio.run(reranker.arerank([], []))):
                assert results == [], f"no queries get no lists, not {results}"

    def test_lists_that_do_not_fit_the_queries_are_refused(self) -> None:
        with self._built() as reranker:
            lists: _Lists
            for lists in ([], [_hits(PASSAGES), _hits(PASSAGES)]):
                what = f"{len(lists)} lists of candidates for one query"
                refused(what, reranker.rerank, ["water"], lists)

    def test_a_bare_string_is_refused(self) -> None:
        with self._built() as reranker:
            for call in (reranker.rerank, reranker.arerank):
                # One candidate list a letter, so that only the string is wrong.
                lists = [_hits(PASSAGES) for _ in "water"]
                refused("a string in place of the list of queries", call, "water", lists)

    def test_a_bad_k_is_refused(self) -> None:
        with self._built() as reranker:
            for k in BAD_COUNTS:
                for call in (reranker.rerank, reranker.arerank):
                    for hits in (_hits(PASSAGES), []):
                        refused(f"k={k!r}", call, ["water"], [hits], k)

    # Calls

    def test_a_batch_is_its_queries_one_by_one(self) -> None:
        rule = "a batch gives what its queries give one by one"
        with self._built() as reranker:
            alone = _one_by_one(reranker)
            all_agree(reranker.rerank(QUERIES, _candidates()), alone, self.tolerance, rule)
            backwards = reranker.rerank(QUERIES[::-1], _candidates()[::-1])
            all_agree(backwards, alone[::-1], self.tolerance, rule)

    def test_the_same_call_gives_the_same_again(self) -> None:
        with self._built() as reranker:
            first = reranker.rerank(list(QUERIES), _candidates())
            before = copy.deepcopy(first)
            second = reranker.rerank(list(QUERIES), _candidates())
            assert first == before, (
                f"a later call does not change earlier hits: {first} was {before}"
            )
            all_agree(second, first, self.tolerance, "two identical calls agree")

    def test_arerank_agrees_with_rerank(self) -> None:
        with self._built() as reranker:
            expected = reranker.rerank(list(QUERIES), _candidates(), 5)
            results = asyncio.run(reranker.arerank(list(QUERIES), _candidates(), 5))
            all_agree(results, expected, self.tolerance, "arerank agrees with rerank")

    def test_arerank_does_not_block_the_event_loop(self) -> None:
        with self._built() as reranker:
            assert gives_way(lambda: reranker.arerank(list(QUERIES), _candidates())), (
                "arerank does not block the event loop, but no other task ran meanwhile: "
                "run the work in a thread (asyncio.to_thread), or await a native client"
            )

    def test_eight_threads_agree_with_one(self) -> None:
        with self._built() as reranker:
            expected = _one_by_one(reranker)
            for results in from_threads(lambda: _one_by_one(reranker)):
                all_agree(results, expected, self.tolerance, "eight threads agree with one")

    def test_inputs_are_not_changed(self) -> None:
        queries, candidates = [f"  {QUERIES[0].upper()} ", *QUERIES[1:]], _candidates()
        with self._built() as reranker, unchanged(queries, candidates):
            reranker.rerank(queries, candidates)
            reranker.rerank(queries, candidates, 2)
            asyncio.run(reranker.arerank(queries, candidates))


def _hits(passages: Sequence[Passage], score: float | None = None) -> list[Hit]:
    """Return a first stage's list, with descending scores, or one score for all hits."""
    scored = []
    for rank, passage in enumerate(copy.deepcopy(list(passages)), start=1):
        value = 1 / rank if score is None else score
        scored.append(Hit(passage, value, (StageScore("first stage", rank, value),)))
    return scored


def _candidates() -> _Lists:
    """Return one list of candidates a query, of different lengths."""
    return [_hits(PASSAGES[2 * n : 8 + 4 * n]) for n in range(len(QUERIES))]


def _one_by_one(reranker: Reranker) -> _Lists:
    pairs = zip(QUERIES, _candidates(), strict=True)
    return [reranker.rerank([query], [hits])[0] for query, hits in pairs]
