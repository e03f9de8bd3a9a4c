"""A cross-encoder's training: what each objective learns, and the reranker that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder

from hybridge import Hit, Passage
from hybridge.adaptation import Example, TrainingSettings
from hybridge.adaptation.cross_encoder import TrainableCrossEncoder
from hybridge.adaptation.training import Trained, train
from hybridge.cross_encoder import CrossEncoderReranker
from hybridge.errors import InvalidInputError

# A passage is relevant if its number is even, and the more so the smaller it is.
QUERIES = [f"q{n}" for n in range(16)]
GOOD, BAD = [f"p{n}" for n in range(0, 24, 2)], [f"p{n}" for n in range(1, 24, 2)]


def lists(grades: bool = False) -> list[Example]:
    random = np.random.default_rng(0)
    examples = []
    for query in QUERIES:
        passages = (str(random.choice(GOOD)), *(str(each) for each in random.permutation(BAD)[:3]))
        labels = (1.0, 0.0, 0.0, 0.0) if grades else ()
        examples.append(Example(query, passages, labels))
    return examples


SETTINGS = replace(
    TrainableCrossEncoder.defaults,
    steps=40,
    learning_rate=5e-3,
    max_tokens=None,
    negatives=3,
    patience=4,
)


@pytest.fixture
def trainee(tiny_cross_encoder: Path) -> TrainableCrossEncoder:
    return TrainableCrossEncoder(
        CrossEncoderReranker(tiny_cross_encoder, backend="torch", device="cpu")
    )


@pytest.fixture
def trained(trainee: TrainableCrossEncoder, tmp_path: Path) -> Callable[..., Trained]:
    def run(examples: list[Example], settings: TrainingSettings = SETTINGS) -> Trained:
        return train(trainee, [examples], settings, tmp_path / "run", validate=accuracy)

    def accuracy(model: Any) -> float:
        """The share of pairs of a good and a bad passage in the right order."""
        scores = np.array(trainee.scores(model, QUERIES, [GOOD + BAD] * len(QUERIES)))
        return float(np.mean(scores[:, : len(GOOD), None] > scores[:, None, len(GOOD) :]))

    return run


@pytest.mark.parametrize("objective", TrainableCrossEncoder.objectives)
def test_each_objective_learns_which_passages_are_relevant(
    trained: Callable[..., Trained], objective: Any
) -> None:
    needs_teacher = objective in ("margins", "distillation")
    examples = [
        replace(each, labels=(4.0, -4.0, -4.0, -4.0)) if needs_teacher else each for each in lists()
    ]

    # A step reads eight queries with their passages, or eight pairs.
    steps = 40 if objective in ("ranking", "contrastive", "distillation") else 160

    result = trained(examples, replace(SETTINGS, objective=objective, steps=steps))

    assert result.curve[0].score < 0.8
    assert max(point.score for point in result.curve) > 0.95
    first, *_, last = [point.loss for point in result.curve[1:]]
    assert last is not None
    assert first is not None
    assert last < first


@pytest.mark.parametrize("objective", ["ranking", "classification", "regression"])
def test_without_labels_the_first_passage_is_the_relevant_one(
    trainee: TrainableCrossEncoder, objective: Any
) -> None:
    settings = replace(SETTINGS, objective=objective)

    columns = trainee.columns(lists(), settings)

    assert columns == trainee.columns(lists(grades=True), settings)


def test_grades_are_learned_as_an_order(trained: Callable[..., Trained]) -> None:
    triples = [(q, ("p2", "p4", "p6"), (2.0, 1.0, 0.0)) for q in QUERIES]
    trainee_scores = trained([Example(*each) for each in triples])

    scores = trainee_scores.model.predict([("q0", "p2"), ("q0", "p4"), ("q0", "p6")])

    assert scores[0] > scores[1] > scores[2]


@pytest.mark.parametrize(
    ("objective", "labels"), [("classification", (2.0, 0.0)), ("ranking", (1.0, -1.0))]
)
def test_labels_that_a_loss_cannot_learn_are_refused(
    trainee: TrainableCrossEncoder, objective: Any, labels: tuple[float, float]
) -> None:
    with pytest.raises(InvalidInputError, match=rf"labels of objective '{objective}' must be from"):
        trainee.columns(
            [Example("q1", ("p1", "p2"), labels)], replace(SETTINGS, objective=objective)
        )


def test_an_objective_of_another_kind_of_model_is_refused(trainee: TrainableCrossEncoder) -> None:
    with pytest.raises(InvalidInputError, match="a cross-encoder is not trained by 'triplet'"):
        trainee.columns(lists(), replace(SETTINGS, objective="triplet"))


def test_pairs_alone_have_the_passages_of_others_for_negatives(
    trained: Callable[..., Trained], trainee: TrainableCrossEncoder
) -> None:
    pairs = [Example(f"q{n}", (f"p{n}",)) for n in range(16)]
    settings = replace(SETTINGS, objective="contrastive", steps=4)

    loss = trainee.loss(trainee.load(), settings, trainee.columns(pairs, settings))

    assert loss.num_negatives == 3
    assert trained(pairs, settings).steps == 4


def test_a_large_batch_in_small_parts_has_the_same_loss(
    trainee: TrainableCrossEncoder, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, objective="contrastive", steps=4, validations=1)
    losses = [
        train(trainee, [lists()], each, tmp_path / name, validate=lambda model: 0.0).curve[1].loss
        for name, each in (("whole", settings), ("parts", replace(settings, mini_batch=3)))
    ]

    assert losses[0] == pytest.approx(losses[1], rel=0.3)  # other negatives of the batch, dropout


@pytest.mark.parametrize("objective", ["ranking", "classification"])
def test_minutes_limit_the_steps(trained: Callable[..., Trained], objective: Any) -> None:
    settings = replace(SETTINGS, objective=objective, steps=None, epochs=100_000, minutes=0.03)

    result = trained(lists(), settings)

    assert 1 <= result.steps < 100_000
    assert result.seconds < 60


@pytest.mark.parametrize(("objective", "steps"), [("ranking", 4), ("classification", 16)])
def test_an_epoch_reads_every_passage(
    trained: Callable[..., Trained], objective: Any, steps: int
) -> None:
    settings = replace(SETTINGS, objective=objective, steps=None, epochs=2)

    assert trained(lists(), settings).steps == steps  # 16 queries, 64 pairs, eight a step


def test_the_trained_model_is_a_reranker_with_the_parents_settings(
    trained: Callable[..., Trained], tiny_cross_encoder: Path, tmp_path: Path
) -> None:
    model = trained(lists()).model
    model.save(str(tmp_path / "model"), create_model_card=False)
    parent = CrossEncoderReranker(
        tiny_cross_encoder,
        name="mine",
        sigmoid=True,
        threshold=0.01,
        search_text="{title}: {text}",
        dtype="float32",
        batch_size=3,
    )
    expected = model.predict([("q3", "p4: p9"), ("q3", "p1: p9")], activation_fn=torch.nn.Sigmoid())

    reranker = TrainableCrossEncoder(parent).wrapped(tmp_path / "model")

    hits = [Hit(Passage(f"p{n}", "p9", {"title": f"p{n}"}), 1.0) for n in (1, 4)]
    [reranked] = reranker.rerank(["q3"], [hits])
    assert reranker.backend == "onnx"
    assert [hit.passage.id for hit in reranked] == ["p4", "p1"]
    assert [hit.score for hit in reranked] == pytest.approx(expected.tolist(), abs=1e-5)
    assert reranked[0].trace[-1].stage == "mine"
    settings = {k: v for k, v in vars(parent).items() if k not in ("_origin", "_scorer")}
    assert {name: vars(reranker)[name] for name in settings} == settings


def test_the_parent_is_left_as_it_was(
    trained: Callable[..., Trained], trainee: TrainableCrossEncoder
) -> None:
    before = trainee.reranker.score_texts(["q1"], [["p1", "p2"]])

    trained(lists())

    assert trainee.reranker.score_texts(["q1"], [["p1", "p2"]]) == before


def test_an_object_is_trained_in_a_copy_in_float32(tiny_cross_encoder: Path) -> None:
    half = CrossEncoder(
        str(tiny_cross_encoder), device="cpu", model_kwargs={"dtype": torch.bfloat16}
    )
    trainee = TrainableCrossEncoder(CrossEncoderReranker(half))

    loaded = trainee.load()

    assert trainee.parent == "object"
    assert loaded.dtype == torch.float32
    assert half.dtype == torch.bfloat16
    assert loaded.model is not half.model


@pytest.mark.slow
def test_a_real_cross_encoder_is_trained(models_path: Path, tmp_path: Path) -> None:
    parent = models_path / "scifact-cross-encoder"
    trainee = TrainableCrossEncoder(CrossEncoderReranker(parent, dtype="float32"))
    bread, blood = "Yeast makes the dough rise.", "Platelets make blood clot."
    examples = [
        Example("why does bread rise", (bread, blood)),
        Example("why does blood clot", (blood, bread)),
    ]

    def margin(model: Any) -> float:
        found = trainee.scores(
            model, [each.query for each in examples], [each.passages for each in examples]
        )
        return min(scores[0] - scores[1] for scores in found)

    settings = replace(trainee.defaults, steps=4, validations=1, batch_size=2, learning_rate=1e-4)
    result = train(trainee, [examples], settings, tmp_path / "run", validate=margin)
    result.model.save(str(tmp_path / "model"), create_model_card=False)

    assert result.curve[1].score > result.curve[0].score
    [scores] = trainee.wrapped(tmp_path / "model").score_texts(
        ["why does blood clot"], [[blood, bread]]
    )
    expected = trainee.scores(result.model, ["why does blood clot"], [[blood, bread]])[0]
    assert scores == pytest.approx(expected, abs=1e-3)
