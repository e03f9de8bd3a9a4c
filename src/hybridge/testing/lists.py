"""Rules of the ranked lists: how many, in which order, and what is in them."""

from __future__ import annotations

from collections.abc import Sequence

from ..passages import Hit, Passage
from ..protocols import Retriever
from .base import MORE_THAN_ALL, RetrieverSuite
from .checks import ids, is_best_first, is_float, is_traced
from .corpus import PASSAGES, QUERIES

__all__ = ["ListRules"]

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


class ListRules(RetrieverSuite):
    """Tests of what `search` returns for good arguments."""

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
                    assert isinstance(hit, Hit), f"what is found is a Hit, not {hit!r}"

    def test_k_is_the_final_count(self) -> None:
        with self._built() as retriever:
            everything = retriever.search(list(QUERIES), MORE_THAN_ALL)
            for k in (1, 2, 5, len(PASSAGES)):
                results = retriever.search(list(QUERIES), k)
                for query, hits, longest in zip(QUERIES, results, everything, strict=True):
                    assert ids(hits) == ids(longest)[:k], (
                        "k is the final count, and cuts the list that a larger k gives: "
                        f"{query!r} with k={k} found {ids(hits)}, not {ids(longest)[:k]}"
                    )

    def test_k_is_10_unless_told(self) -> None:
        with self._built() as retriever:
            default, ten = retriever.search(list(QUERIES)), retriever.search(list(QUERIES), k=10)
            assert list(map(ids, default)) == list(map(ids, ten)), "k is 10 unless told otherwise"

    def test_k_beyond_the_corpus_returns_what_there_is(self) -> None:
        with self._built() as retriever:
            results = retriever.search(list(QUERIES), MORE_THAN_ALL)
            for query, hits in zip(QUERIES, results, strict=True):
                assert len(hits) <= len(PASSAGES), (
                    f"nothing is padded: {query!r} found {len(hits)} of {len(PASSAGES)} passages"
                )
                assert not self.complete or len(hits) == len(PASSAGES), (
                    "a complete retriever returns every passage for a large k: "
                    f"{query!r} found {len(hits)} of {len(PASSAGES)}"
                )

    def test_results_are_best_first_and_ties_break_by_id(self) -> None:
        # The same texts under ids that count down: ties that the order of adding gets wrong.
        twins = [Passage(f"twin-{99 - n}", passage.text) for n, passage in enumerate(PASSAGES)]
        with self._built([*twins, *PASSAGES, *_copies_of(PASSAGES[4])]) as retriever:
            for hits in retriever.search(list(QUERIES), MORE_THAN_ALL):
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
            for k in (2, MORE_THAN_ALL):
                for hits in retriever.search(list(QUERIES), k):
                    is_traced(hits)

    def test_passages_come_back_whole(self) -> None:
        known = {passage.id: passage for passage in PASSAGES}
        with self._built() as retriever:
            for hits in retriever.search(list(QUERIES), MORE_THAN_ALL):
                for hit in hits:
                    assert known.get(hit.passage.id) == hit.passage, (
                        f"a passage comes back as it was given: {hit.passage} "
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


def _copies_of(passage: Passage) -> list[Passage]:
    return [Passage(name, passage.text, passage.metadata) for name in ("two", "one")]


def _finds(retriever: Retriever, passages: Sequence[Passage]) -> None:
    results = retriever.search([passage.text for passage in passages], MORE_THAN_ALL)
    for passage, hits in zip(passages, results, strict=True):
        assert passage.id in ids(hits), (
            "a passage is found by its own text, under its own id: "
            f"{passage.id!r} is not among {[name[:40] for name in ids(hits)]}"
        )
