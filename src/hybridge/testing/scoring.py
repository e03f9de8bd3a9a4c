"""Rules of `score`, for retrievers that have it."""

from __future__ import annotations

from .base import MORE_THAN_ALL, RetrieverSuite, as_scorer, needs
from .checks import close, ids, is_float, refused
from .corpus import PASSAGES, QUERIES

__all__ = ["ScoreRules"]

_IDS = [passage.id for passage in PASSAGES]


class ScoreRules(RetrieverSuite):
    """Tests of `Scorer.score`; skipped for a retriever that is no `Scorer`."""

    @needs("scores")
    def test_score_gives_what_search_reports(self) -> None:
        with self._built() as retriever:
            scorer = as_scorer(retriever)
            results = retriever.search(list(QUERIES), MORE_THAN_ALL)
            scores = scorer.score(list(QUERIES), list(map(ids, results)))
            for query, hits, scored in zip(QUERIES, results, scores, strict=True):
                for hit, score in zip(hits, scored, strict=True):
                    assert close(hit.score, score, self.tolerance), (
                        "score gives what search reports: "
                        f"{hit.passage.id!r} for {query!r} has {score}, but was found with "
                        f"{hit.score} (tolerance {self.tolerance})"
                    )

    @needs("scores")
    def test_score_gives_one_float_for_each_id_in_its_order(self) -> None:
        asked = [_IDS, _IDS[::-1], [_IDS[3], _IDS[3]], []]
        with self._built() as retriever:
            scorer = as_scorer(retriever)
            results = scorer.score([QUERIES[0]] * len(asked), asked)
            assert [len(scores) for scores in results] == [len(each) for each in asked], (
                f"score gives one score for each id: {results} for {asked}"
            )
            for score in results[0]:
                assert is_float(score), (
                    f"scores are finite Python floats, found or not: {score!r}, "
                    f"of type {type(score).__name__}"
                )
            expected = dict(zip(_IDS, results[0], strict=True))
            for scores, each in zip(results, asked, strict=True):
                for score, name in zip(scores, each, strict=True):
                    assert close(score, expected[name], self.tolerance), (
                        f"score answers in the order it was asked: {name!r} got {score}, "
                        f"and {expected[name]} in another order"
                    )
            assert scorer.score([], []) == [], "no queries get no scores"

    @needs("scores")
    def test_score_refuses_an_unknown_id(self) -> None:
        with self._built() as retriever:
            scorer = as_scorer(retriever)
            refused("an unknown id", scorer.score, ["water"], [[_IDS[0], "unknown"]])

    @needs("scores")
    def test_score_refuses_lists_that_do_not_fit(self) -> None:
        with self._built() as retriever:
            scorer = as_scorer(retriever)
            for wrong in ([], [_IDS, _IDS]):
                what = f"{len(wrong)} lists of ids for one query"
                refused(what, scorer.score, ["water"], wrong)
            refused("a string in place of the list of queries", scorer.score, "water", [_IDS])
            refused("a string in place of a list of ids", scorer.score, ["water"], [_IDS[0]])
