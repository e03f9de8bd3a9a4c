"""`tune` as a whole: honest, deterministic, and what it promises can be had."""

from __future__ import annotations

import logging
from dataclasses import replace
from statistics import fmean
from typing import Any

import pytest
from scipy import stats

from hybridge import Pipeline, SentenceTransformerEncoder
from hybridge.errors import InvalidInputError
from hybridge.evaluation import Collection, evaluate
from hybridge.fusion import RRF
from hybridge.index import HybridIndex
from hybridge.lexical import BM25Parameters
from hybridge.tuning import Setting, Space, Tuning, tune

from .conftest import Make
from .test_cached_reranker import Longest

Judged = tuple[Collection, Collection]

SMALL = Space(
    fusion=["convex", "rrf", "min-max"],
    weights=[0, 0.2, 0.5, 0.8, 1],
    depth=[20, 50],
    k1=[0.6, 2.0],
    b=[0.3, 0.9],
)


@pytest.fixture
def tuning(make: Make, judged: Judged) -> Tuning:
    """Of an index that is set up badly, so that there is something to gain."""
    train, test = judged
    index = make(weights={"bm25": 0.05, "dense": 0.95}, bm25=BM25Parameters(k1=9.0, b=0.0))
    return tune(index, train.queries, train.qrels, space=SMALL, test=test, seed=3)


def mean(retriever: Any, collection: Collection, measure: str = "nDCG@10", k: int = 10) -> float:
    evaluation = evaluate({"it": retriever}, collection.queries, collection.qrels, [measure], k=k)
    return evaluation.mean("it", measure)


def test_scores_are_those_of_the_retrievers(tuning: Tuning, judged: Judged) -> None:
    train, test = judged
    index = tuning.target.index
    assert tuning.default_score == mean(index, train)
    assert tuning.default_test_score == mean(index, test)
    assert tuning.test_score == mean(tuning.apply(), test)
    scores = {trial.setting: trial.score for trial in tuning.trials}
    assert scores[tuning.chosen] == pytest.approx(mean(tuning.apply(), train), abs=1e-12)
    assert scores[tuning.chosen] == max(scores.values())
    for trial in tuning.trials[::9]:
        tuned = index.tuned(**tuning.target.options(trial.setting))
        assert trial.score == pytest.approx(mean(tuned, train), abs=1e-12)


def test_bad_settings_are_found_out(tuning: Tuning) -> None:
    assert tuning.difference > 0.1
    assert not tuning.within_noise
    assert tuning.test_score is not None
    assert tuning.default_test_score is not None
    assert tuning.test_score > tuning.default_test_score
    assert tuning.held_out.keys() == tuning.default_held_out.keys()
    assert tuning.k == 10


def test_significance_is_scipys(tuning: Tuning) -> None:
    gains = [tuning.held_out[query] - old for query, old in tuning.default_held_out.items()]
    assert tuning.difference == pytest.approx(fmean(gains))
    assert tuning.p <= 0.001
    expected = stats.bootstrap((gains,), lambda x, axis: x.mean(axis=axis), rng=7)
    low, high = expected.confidence_interval
    assert tuning.interval == pytest.approx((low, high), abs=0.02)


def test_the_same_seed_gives_the_same_tuning(make: Make, judged: Judged) -> None:
    train = judged[0]
    first, again = (
        tune(make(), train.queries, train.qrels, space=SMALL, folds=3, seed=5) for _ in range(2)
    )
    assert first == again
    assert str(first) == str(again)


def test_the_chosen_constants_are_those_of_an_index_made_with_them(
    tuning: Tuning, make: Make, judged: Judged
) -> None:
    test = judged[1]
    chosen = tuning.chosen
    assert chosen.k1 is not None
    assert chosen.b is not None
    made = make(
        fusion=chosen.fusion,
        weights=chosen.weights,
        depth=chosen.depth,
        bm25=BM25Parameters(k1=chosen.k1, b=chosen.b),
    )
    assert mean(made, test) == tuning.test_score


def test_late_interaction_is_blended(make: Make, judged: Judged) -> None:
    train = judged[0]
    space = Space(fusion=["convex"], weights=[0.5], depth=[20], blend=[0, 0.3, 0.6], k1=[], b=[])
    tuning = tune(make(late_interaction=True), train.queries, train.qrels, space=space)
    assert [value for value, _ in tuning.curve("blend")] == [0, 0.3, 0.35, 0.6]
    best = dict(tuning.curve("blend"))[tuning.chosen.blend]
    assert best == pytest.approx(mean(tuning.apply(), train), abs=1e-12)


def test_stored_weights_are_tuned_without_their_constants(make: Make, judged: Judged) -> None:
    train = judged[0]
    index = make(lexical="qdrant")
    space = Space(fusion=["convex", "dbsf"], weights=[0.2, 0.5], depth=[20])
    tuning = tune(index, train.queries, train.qrels, "MRR@5", space=space, folds=4)
    assert tuning.chosen.k1 is None
    assert tuning.parameters == ["fusion", "weights", "depth"]
    scores = {trial.setting: trial.score for trial in tuning.trials}
    expected = mean(tuning.apply(), train, "MRR@5", 5)
    assert scores[tuning.chosen] == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
def test_a_pipeline_is_tuned_stage_by_stage(make: Make, judged: Judged) -> None:
    train, test = judged
    index = make(late_interaction=True)
    assert index.late_interaction is not None
    reranker = Longest()
    pipeline = Pipeline(index.tuned(blend=0), reranker, index.late_interaction, depth=[20, 12])
    space = replace(SMALL, blend=[], k1=[], b=[], rerank_depths=[10, 20], rerank_blends=[0, 0.5, 1])
    tuning = tune(pipeline, train.queries, train.qrels, space=space, folds=3, test=test)
    chosen = tuning.apply()
    assert isinstance(chosen, Pipeline)
    assert tuning.chosen.rerank_blends[0] == 0  # length says nothing of relevance
    assert tuning.test_score == mean(chosen, test)
    assert tuning.default_test_score == mean(pipeline, test)
    scores = {trial.setting: trial.score for trial in tuning.trials}
    assert scores[tuning.chosen] == pytest.approx(mean(chosen, train), abs=1e-12)
    asked = [pair for pair in reranker.asked if pair[0] in train.queries.values()]
    assert len(asked) > len(set(asked)) > 0  # again by `mean` above, and by nothing else
    assert {len(trial.setting.rerank_depths) for trial in tuning.trials} == {0, 1, 2}
    assert all(isinstance(value, tuple) for value, _ in tuning.curve("rerank_depths"))


def test_noise_is_called_noise(
    make: Make, judged: Judged, caplog: pytest.LogCaptureFixture
) -> None:
    train = judged[0]
    # The three give much the same lists.
    space = Space(fusion=["convex"], weights=[0.48, 0.5, 0.52], depth=[50], k1=[], b=[])
    with caplog.at_level(logging.WARNING, "hybridge.tuning"):
        tuning = tune(make(), train.queries, train.qrels, space=space)
    assert tuning.within_noise
    assert [record.getMessage() for record in caplog.records] == [tuning.verdict]
    assert tuning.verdict in str(tuning)
    assert "default" in tuning.verdict


def test_test_queries_that_were_tuned_on_are_told_of(
    make: Make, judged: Judged, caplog: pytest.LogCaptureFixture
) -> None:
    train = judged[0]
    space = Space(fusion=["rrf"], weights=[], depth=[], k1=[], b=[])
    first = next(iter(train.queries))
    test = {first: train.queries[first]}, {first: train.qrels[first]}
    tuning = tune(make(), train.queries, train.qrels, space=space, test=test)
    assert any("1 of 1 test queries" in r.getMessage() for r in caplog.records)
    assert tuning.test_score is not None


def test_test_queries_are_asked_in_batches(make: Make, judged: Judged) -> None:
    train, test = judged
    index = make()
    asked: list[int] = []
    encode = index.encoder.encode_queries

    def counting(texts: Any) -> Any:
        asked.append(len(texts))
        return encode(texts)

    index.encoder.encode_queries = counting  # type: ignore[method-assign]
    space = Space(fusion=["rrf"], weights=[], depth=[], k1=[], b=[])
    tune(index, train.queries, train.qrels, space=space, test=test)
    # By the default and by the chosen setting, of which the second has their vectors.
    assert asked == [len(train.queries), len(test.queries)]


def test_a_measure_without_a_cutoff_sees_a_hundred(make: Make, judged: Judged) -> None:
    train = judged[0]
    space = Space(fusion=["rrf"], weights=[], depth=[20, 50], k1=[], b=[])
    tuning = tune(make(), train.queries, train.qrels, "AP", space=space)
    assert tuning.k == 100
    assert {trial.setting.depth for trial in tuning.trials} == {100}
    assert tuning.default_score == pytest.approx(
        mean(tuning.target.build(tuning.default), train, "AP", 100), abs=1e-12
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"measure": "nDGC@10"}, "there is no measure 'nDGC@10'"),
        ({"measure": ["nDCG@10"]}, "measure must be one measure"),
        ({"folds": 1}, "folds must be from 2 to 60"),
        ({"folds": 61}, "folds must be from 2 to 60"),
        ({"folds": "5"}, "folds must be a whole number"),
        ({"seed": -1}, "seed must be"),
        ({"space": {"depth": [50]}}, "space must be a Space"),
        ({"space": Space(blend=[0.5])}, "blend cannot be tuned here: the index keeps no token"),
        ({"space": Space(rerank_depths=[50])}, "rerank_depths cannot be tuned here"),
        ({"test": ["no"]}, "test must be a Collection or a pair"),
        ({"test": ({}, {"q": {"p": 1}})}, "qrels judges 1 queries that queries lacks"),
        ({"qrels": {}}, "qrels holds no judgement"),
        ({"queries": {}}, "that queries lacks"),
        ({"retriever": "index"}, "what can be tuned is"),
    ],
)
def test_bad_input_is_refused_before_any_work(
    make: Make, judged: Judged, arguments: dict[str, Any], message: str
) -> None:
    train = judged[0]
    index = make()
    index.encoder.encode_queries = None  # type: ignore[assignment, method-assign]
    given = {"retriever": index, "queries": train.queries, "qrels": train.qrels, **arguments}
    with pytest.raises(InvalidInputError, match=message):
        tune(**given)


def test_k1_of_stored_weights_and_empty_indexes_are_refused(make: Make, judged: Judged) -> None:
    train = judged[0]
    with pytest.raises(InvalidInputError, match=r"k1 cannot be tuned here: .*lexical='qdrant'"):
        tune(make(lexical="qdrant"), train.queries, train.qrels, space=Space(k1=[0.9]))
    with (
        HybridIndex.create(encoder=make().encoder) as empty,
        pytest.raises(InvalidInputError, match="the index is empty"),
    ):
        tune(empty, train.queries, train.qrels)


@pytest.mark.slow
def test_a_real_model(encoder: SentenceTransformerEncoder, judged: Judged) -> None:
    train, test = (_begun(collection, 8) for collection in judged)
    space = Space(fusion=["convex", "rrf"], weights=[0.3, 0.7], depth=[20], k1=[], b=[])
    with HybridIndex.create(encoder=encoder) as index:
        index.add(train.passages)
        tuning = tune(index, train.queries, train.qrels, space=space, test=test)
        assert tuning.test_score == mean(tuning.apply(), test)
        scores = {trial.setting: trial.score for trial in tuning.trials}
        rrf = scores[Setting(RRF(), None, 20, k1=1.2, b=0.75)]
        expected = mean(index.tuned(fusion="rrf", depth=20), train)
        assert rrf == pytest.approx(expected, abs=1e-12)


def _begun(collection: Collection, count: int) -> Collection:
    """The first queries, and the passages that answer them."""
    qrels = dict(list(collection.qrels.items())[:count])
    answers = {answer for judgements in qrels.values() for answer in judgements}
    return Collection(
        [passage for passage in collection.passages if passage.id in answers],
        {query: collection.queries[query] for query in qrels},
        qrels,
    )
