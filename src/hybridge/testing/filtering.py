"""Rules of `where`: what it lets through, and that it acts before the cut to `k`."""

from __future__ import annotations

from ..passages import JSON, Passage
from .base import MORE_THAN_ALL, RetrieverSuite, needs
from .checks import ids, refused
from .corpus import PASSAGES, QUERIES

__all__ = ["FilterRules"]

_Where = dict[str, JSON]

_MACHINES: _Where = {"topic": "machines"}
_SOME: tuple[_Where, ...] = (_MACHINES, {"year": 2003}, {"topic": "sky", "year": 2005})


class FilterRules(RetrieverSuite):
    """Tests of `where`; a retriever that does not take it has the first to pass alone."""

    def test_where_is_obeyed_or_refused(self) -> None:
        with self._built() as retriever:
            for where in _SOME:
                if not self.filters:
                    what = f"where={where}, by a retriever that does not filter,"
                    refused(what, retriever.search, list(QUERIES), where=where)
                    continue
                for k in (2, len(PASSAGES), MORE_THAN_ALL):
                    for hits in retriever.search(list(QUERIES), k, where=where):
                        for hit in hits:
                            assert _matches(hit.passage, where), (
                                f"a filtered-out passage is never returned: k={k} and {where} "
                                f"gave {hit.passage.id!r} with {dict(hit.passage.metadata)}"
                            )

    @needs("filters")
    def test_where_loses_no_match(self) -> None:
        with self._built() as retriever:
            everything = retriever.search(list(QUERIES), MORE_THAN_ALL)
            for where in _SOME:
                filtered = retriever.search(list(QUERIES), MORE_THAN_ALL, where=where)
                for query, hits, longest in zip(QUERIES, filtered, everything, strict=True):
                    lost = {hit.passage.id for hit in longest if _matches(hit.passage, where)}
                    lost -= {*ids(hits)}
                    assert not lost, (
                        "a filter keeps every match that is found without it: "
                        f"{query!r} where {where} lost {sorted(lost)}"
                    )

    @needs("filters")
    def test_where_comes_before_the_cut_to_k(self) -> None:
        with self._built() as retriever:
            everything = retriever.search(list(QUERIES), MORE_THAN_ALL, where=_MACHINES)
            results = retriever.search(list(QUERIES), 2, where=_MACHINES)
            for query, hits, longest in zip(QUERIES, results, everything, strict=True):
                assert ids(hits) == ids(longest)[:2], (
                    "k counts what the filter leaves: "
                    f"{query!r} where {_MACHINES} found {ids(hits)}, not {ids(longest)[:2]}"
                )

    @needs("filters")
    def test_where_that_nothing_matches_finds_nothing(self) -> None:
        with self._built() as retriever:
            results = retriever.search(list(QUERIES), where={"topic": "nowhere"})
            assert results == [[] for _ in QUERIES], (
                f"a filter that nothing matches leaves nothing: {list(map(ids, results))}"
            )


def _matches(passage: Passage, where: _Where) -> bool:
    return all(passage.metadata.get(key) == value for key, value in where.items())
