"""Training: what it learns, its budget, its curve, and how it goes on after an interruption."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hybridge import SentenceTransformerEncoder
from hybridge.adaptation import Example, TrainingSettings
from hybridge.adaptation.bi_encoder import TrainableBiEncoder
from hybridge.adaptation.training import Trained, Validate, check_room, train
from hybridge.errors import HybridgeError, InvalidInputError

QUERIES = [f"q{n}" for n in range(24)]
PASSAGES = [f"p{n}" for n in range(24)]
PAIRS = [Example(query, (passage,)) for query, passage in zip(QUERIES, PASSAGES, strict=True)]
SETTINGS = TrainingSettings(steps=60, batch_size=8, learning_rate=5e-3, max_tokens=None)


@pytest.fixture
def trainee(tiny: Path) -> TrainableBiEncoder:
    return TrainableBiEncoder(SentenceTransformerEncoder(tiny, backend="torch", device="cpu"))


@pytest.fixture
def accuracy(trainee: TrainableBiEncoder) -> Validate:
    """The share of queries that score their own passage highest."""

    def validate(model: Any) -> float:
        scores = trainee.scores(model, QUERIES, [PASSAGES] * len(QUERIES))
        return float(np.mean(np.argmax(scores, axis=1) == np.arange(len(QUERIES))))

    return validate


@pytest.fixture
def trained(
    trainee: TrainableBiEncoder, accuracy: Validate, tmp_path: Path
) -> Callable[..., Trained]:
    def run(
        examples: list[Example] = PAIRS,
        settings: TrainingSettings = SETTINGS,
        validate: Validate = accuracy,
        folder: Path = tmp_path / "run",
    ) -> Trained:
        return train(trainee, [examples], settings, folder, validate=validate)

    return run


def test_a_model_learns_which_passages_go_with_which_queries(
    trained: Callable[..., Trained],
) -> None:
    result = trained()

    assert result.curve[0].step == 0
    assert result.curve[0].score < 0.3  # by chance
    assert [point.step for point in result.curve] == [0, 15, 30, 45, 60]
    assert max(point.score for point in result.curve) > 0.9
    assert result.best == max(result.curve, key=lambda point: (point.score, -point.step)).step
    losses = [point.loss for point in result.curve[1:]]
    assert losses == sorted(losses, key=lambda loss: -loss)  # type: ignore[operator]


def test_one_seed_gives_one_model_and_another_seed_another(
    trained: Callable[..., Trained], tmp_path: Path
) -> None:
    results = [
        trained(settings=replace(SETTINGS, seed=seed, steps=10), folder=folder)
        for seed, folder in ((1, tmp_path / "a"), (1, tmp_path / "b"), (2, tmp_path / "c"))
    ]

    weights = [torch.cat([w.flatten() for w in r.model.parameters()]) for r in results]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_classes_of_a_loss_begin_alike_too(
    trained: Callable[..., Trained], tmp_path: Path
) -> None:
    examples = [Example(query, PASSAGES[:2], (1, 2)) for query in QUERIES]
    settings = replace(SETTINGS, objective="classification", steps=4)

    rising = [iter(range(9)) for _ in range(2)]
    results = [
        trained(examples, settings, lambda model, it=it: float(next(it)), tmp_path / str(i))
        for i, it in enumerate(rising)
    ]

    weights = [torch.cat([w.flatten() for w in r.model.parameters()]) for r in results]
    assert torch.equal(weights[0], weights[1])


def test_margins_are_of_cosines_over_the_temperature(trainee: TrainableBiEncoder) -> None:
    settings = replace(SETTINGS, objective="margins", temperature=0.1)
    model = trainee.load().eval()
    texts = QUERIES[:4], PASSAGES[:4], PASSAGES[4:8]
    query, good, bad = (model.encode(each, normalize_embeddings=True) for each in texts)
    margins = ((query * good).sum(1) - (query * bad).sum(1)) / 0.1

    loss = trainee.loss(model, settings, {})
    features = [model.preprocess(each) for each in texts]
    found = loss(features, torch.tensor([3.0, 1.0, 0.0, -2.0]))

    assert found.item() == pytest.approx(np.mean((margins - [3, 1, 0, -2]) ** 2), rel=1e-4)


@pytest.mark.parametrize(
    ("objective", "labels"), [("regression", (5.0, 0.0)), ("classification", (1.0, -1.0))]
)
def test_labels_that_a_loss_cannot_learn_are_refused(
    trained: Callable[..., Trained], objective: Any, labels: tuple[float, float]
) -> None:
    examples = [Example("q1", ("p1", "p2"), labels)]
    with pytest.raises(InvalidInputError, match=rf"labels of objective '{objective}' must be from"):
        trained(examples, replace(SETTINGS, objective=objective))


def test_a_model_that_only_gets_worse_is_left_as_it_was(
    trainee: TrainableBiEncoder, trained: Callable[..., Trained]
) -> None:
    falling = iter(range(100, 0, -1))

    result = trained(validate=lambda model: float(next(falling)))

    assert result.best == 0
    assert result.steps == 45  # the first validation, and two without a gain after it
    before = trainee.load().state_dict()
    assert all(torch.equal(before[name], w) for name, w in result.model.state_dict().items())


def test_an_interrupted_training_ends_at_the_same_weights(
    trained: Callable[..., Trained], accuracy: Validate, tmp_path: Path
) -> None:
    whole = trained(folder=tmp_path / "whole")
    calls = 0

    def interrupted(model: Any) -> float:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return accuracy(model)

    with pytest.raises(KeyboardInterrupt):
        trained(validate=interrupted, folder=tmp_path / "parts")
    # A checkpoint that was being written when the process died.
    torn = tmp_path / "parts" / "checkpoints" / "checkpoint-45"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"\0")
    resumed = trained(folder=tmp_path / "parts")

    assert [(p.step, p.score) for p in resumed.curve] == [(p.step, p.score) for p in whole.curve]
    state = whole.model.state_dict()
    assert all(torch.equal(state[name], w) for name, w in resumed.model.state_dict().items())


@pytest.mark.parametrize(
    ("objective", "examples"),
    [
        ("triplet", [Example(q, (p, "p29")) for q, p in zip(QUERIES, PASSAGES, strict=True)]),
        ("regression", [Example(q, PASSAGES[:2], (1.0, 0.0)) for q in QUERIES]),
        ("classification", [Example(q, PASSAGES[:2], (1, 2)) for q in QUERIES]),
        ("ranking", [Example(q, PASSAGES[:2], (3, 1)) for q in QUERIES]),
        ("margins", [Example(q, PASSAGES[:3], (0.9, 0.5, 0.1)) for q in QUERIES]),
        ("distillation", [Example(q, PASSAGES[:3], (0.9, 0.5, 0.1)) for q in QUERIES]),
    ],
)
def test_each_objective_lowers_its_loss(
    trained: Callable[..., Trained], objective: Any, examples: list[Example]
) -> None:
    settings = replace(SETTINGS, objective=objective, patience=9)

    result = trained(examples, settings)

    first, *_, last = [point.loss for point in result.curve[1:]]
    assert last is not None
    assert first is not None
    assert last < first


def test_a_large_batch_in_small_parts_gives_the_same_gradients(
    trained: Callable[..., Trained], tmp_path: Path
) -> None:
    short = replace(SETTINGS, steps=5)
    whole = trained(settings=short, folder=tmp_path / "whole")
    parts = trained(settings=replace(short, mini_batch=3), folder=tmp_path / "parts")

    assert parts.curve[-1].loss == pytest.approx(whole.curve[-1].loss, rel=0.2)


def test_minutes_limit_the_steps(trained: Callable[..., Trained]) -> None:
    settings = TrainingSettings(
        **vars(SETTINGS) | {"steps": None, "epochs": 100_000, "minutes": 0.05}
    )

    result = trained(settings=settings)

    assert 1 <= result.steps < 100_000
    assert result.seconds < 60


def test_the_generators_of_the_process_are_left_alone(trained: Callable[..., Trained]) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)

    trained(settings=replace(SETTINGS, steps=2))

    assert torch.equal(torch.rand(3), expected)


def test_a_folder_of_another_training_is_refused(
    trained: Callable[..., Trained], tmp_path: Path
) -> None:
    trained(settings=replace(SETTINGS, steps=2))

    with pytest.raises(InvalidInputError, match="a training with other settings"):
        trained()
    with pytest.raises(InvalidInputError, match="a training with other examples"):
        trained(PAIRS[:9], replace(SETTINGS, steps=2))
    shutil.rmtree(tmp_path / "run")
    assert trained(settings=replace(SETTINGS, steps=3)).steps == 3


def test_a_folder_without_room_is_named_before_training(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=3 << 20))

    check_room(tmp_path, 10_000)
    with pytest.raises(HybridgeError, match=r"420 MiB.*3 MiB are free"):
        check_room(tmp_path, 10_000_000)


def test_examples_that_an_objective_cannot_use_are_named(trained: Callable[..., Trained]) -> None:
    settings = replace(SETTINGS, objective="margins")

    with pytest.raises(InvalidInputError, match="'q0' has none"):
        trained(settings=settings)
    with pytest.raises(InvalidInputError, match="no example"):
        trained([])
