"""Tuning of boosts: the weights that are best, and the scores are those of the search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from hybridge import BM25Retriever, CallableEncoder, HybridIndex, Passage, Pipeline
from hybridge.errors import InvalidInputError
from hybridge.evaluation import evaluate
from hybridge.reranking import TextReranker
from hybridge.results import Boost, BoostedRetriever, Decay, FlooredRetriever
from hybridge.tuning import Space, tune
from hybridge.tuning.target import Target

WORDS = ["aaa", "bbb", "ccc", "ddd"]
PASSAGES = [
    Passage(f"{word}-{age}", f"{word} " * (3 if age else 1) + "x y z", {"year": 2026 - age})
    for word in WORDS
    for age in (0, 5, 10)
]
QUERIES = {word: word for word in WORDS}
QRELS = {word: {f"{word}-0": 1} for word in WORDS}  # the newest, which has the word least often
# A number is in seconds: so the years of these passages are.
BOOSTS = [Decay("year", 5.0, weight=0.1, now=2026), Boost({"year": 2016}, 0.1)]


class Longest(TextReranker):
    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        return [[float(len(text)) for text in some] for some in texts]


@pytest.fixture(scope="module")
def index() -> Iterator[HybridIndex]:
    encoder = CallableEncoder(
        lambda texts: [[text.count(word) + 0.1 for word in WORDS] for text in texts],
        dimension=4,
        identity="words",
    )
    with HybridIndex.create(encoder=encoder) as index:
        index.add(PASSAGES)
        yield index


@pytest.mark.engine
@pytest.mark.parametrize("reranked", [False, True])
def test_the_weights_that_are_best_are_found(index: HybridIndex, reranked: bool) -> None:
    inner = Pipeline(index, Longest("length")) if reranked else index
    boosted = BoostedRetriever(inner, BOOSTS, depth=8)
    space = Space(
        fusion=["convex"], weights=[0.5], depth=[20], k1=[], b=[],
        rerank_depths=[10] if reranked else None, rerank_blends=[0.5] if reranked else None,
        boost_weights=[0.0, 0.1, 9.0],
    )  # fmt: skip
    tuning = tune(boosted, QUERIES, QRELS, "MRR@3", folds=2, space=space, progress=False)
    assert tuning.chosen.boost_weights == (9.0, 0.0)
    assert tuning.default.boost_weights == (0.1, 0.1)
    found = tuning.apply()
    assert isinstance(found, BoostedRetriever)
    assert [boost.weight for boost in found.boosts] == [9.0, 0.0]
    assert [boost.weight for boost in BOOSTS] == [0.1, 0.1]
    score = evaluate(found, QUERIES, QRELS, ["MRR@3"], k=3).mean("BoostedRetriever", "MRR@3")
    assert score == max(trial.score for trial in tuning.trials) == 1.0
    for trial in tuning.trials:
        if trial.setting.boost_weights and len(trial.setting.boost_weights) == 2:
            made = Target.of(boosted).build(trial.setting)
            own = evaluate(made, QUERIES, QRELS, ["MRR@3"], k=3)
            assert own.mean("BoostedRetriever", "MRR@3") == trial.score
    assert "boost_weights" in str(tuning)


@pytest.mark.engine
def test_what_has_no_boosts_or_cannot_be_tuned_is_refused(index: HybridIndex) -> None:
    with pytest.raises(
        InvalidInputError, match=r"boost_weights cannot be tuned.*no boost is around"
    ):
        tune(index, QUERIES, QRELS, folds=2, space=Space(boost_weights=[0.5]))
    with pytest.raises(InvalidInputError, match="calibrate_floor"):
        tune(FlooredRetriever(index, {"dense": 0.3}), QUERIES, QRELS, folds=2)
    with pytest.raises(InvalidInputError, match="give all in one list"):
        tune(BoostedRetriever(BoostedRetriever(index, BOOSTS), BOOSTS), QUERIES, QRELS, folds=2)
    with pytest.raises(InvalidInputError, match="or boosts around it, not BM25Retriever"):
        tune(BoostedRetriever(BM25Retriever(PASSAGES), BOOSTS), QUERIES, QRELS, folds=2)
    with pytest.raises(InvalidInputError, match="weight is a finite number"):
        Space(boost_weights=[float("inf")])
