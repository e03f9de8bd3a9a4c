"""A late-interaction model's training, and the token encoder that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

from hybridge import Hit, Passage, SentenceTransformerEncoder
from hybridge.adaptation import Example, TrainingSettings
from hybridge.adaptation.late_interaction import TrainableTokenModel
from hybridge.adaptation.training import Trained, train
from hybridge.colbert import ColBERTReranker, MultiVectorTokenEncoder, export_checkpoint, max_sim
from hybridge.errors import InvalidInputError

QUERIES = [f"q{n}" for n in range(16)]
PASSAGES = [f"p{n}" for n in range(16)]
PAIRS = [Example(query, (passage,)) for query, passage in zip(QUERIES, PASSAGES, strict=True)]
SETTINGS = replace(
    TrainableTokenModel.defaults, steps=60, batch_size=8, learning_rate=5e-3, max_tokens=None
)


@pytest.fixture
def trainee(tiny: Path) -> TrainableTokenModel:
    return TrainableTokenModel(MultiVectorTokenEncoder(tiny, backend="torch", device="cpu"))


@pytest.fixture
def colbert(tiny: Path) -> MultiVectorEncoder:
    """A ColBERT of random weights: markers, queries filled up to six tokens, a projection."""
    transformer = Transformer(
        str(tiny),
        document_length=10,
        query_expansion={"strategy": "fixed", "attend": False, "length": 6},
    )
    torch.manual_seed(0)
    projection = Dense(
        16,
        8,
        bias=False,
        activation_function=torch.nn.Identity(),
        module_input_name="token_embeddings",
    )
    return MultiVectorEncoder(
        modules=[
            transformer,
            projection,
            MultiVectorMask([]),
            Normalize(module_input_name="token_embeddings"),
        ],
        prompts={"query": "q29 ", "document": "p29 "},
        device="cpu",
    )


def accuracy(trainee: TrainableTokenModel) -> Callable[[Any], float]:
    """The share of queries that score their own passage highest."""

    def validate(model: Any) -> float:
        scores = trainee.scores(model, QUERIES, [PASSAGES] * len(QUERIES))
        return float(np.mean(np.argmax(scores, axis=1) == np.arange(len(QUERIES))))

    return validate


@pytest.fixture
def trained(trainee: TrainableTokenModel, tmp_path: Path) -> Callable[..., Trained]:
    def run(examples: list[Example], settings: TrainingSettings = SETTINGS) -> Trained:
        return train(trainee, [examples], settings, tmp_path / "run", validate=accuracy(trainee))

    return run


@pytest.mark.parametrize("objective", TrainableTokenModel.objectives)
def test_each_objective_learns_which_passages_go_with_which_queries(
    trained: Callable[..., Trained], objective: Any
) -> None:
    examples = PAIRS
    if objective != "contrastive":
        examples = [
            Example(f"q{n}", tuple(f"p{(n + i) % 16}" for i in (0, *others)), (3.0, 0.0, 0.0, 0.0))
            for n in range(16)
            for others in ((1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12), (13, 14, 15))
        ]
    steps = 300 if objective == "margins" else 90  # its batch has eight pairs of passages

    result = trained(examples, replace(SETTINGS, objective=objective, steps=steps))

    assert result.curve[0].score < 0.3
    assert max(point.score for point in result.curve) > 0.8
    first, *_, last = [point.loss for point in result.curve[1:]]
    assert last is not None
    assert first is not None
    assert last < first


def test_a_large_batch_in_small_parts_has_the_same_loss(
    trainee: TrainableTokenModel, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, steps=5, validations=1)
    losses = [
        train(trainee, [PAIRS], each, tmp_path / name, validate=lambda model: 0.0).curve[1].loss
        for name, each in (("whole", settings), ("parts", replace(settings, mini_batch=3)))
    ]

    assert losses[0] == pytest.approx(losses[1], rel=0.2)


def test_a_bi_encoder_is_trained_in_a_copy(trained: Callable[..., Trained], tiny: Path) -> None:
    encoder = SentenceTransformerEncoder(tiny, backend="torch", device="cpu")
    shared = TrainableTokenModel(MultiVectorTokenEncoder(encoder))
    before = encoder.encode_passages(PASSAGES)

    model = shared.load()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()

    assert shared.parent == str(tiny)
    assert np.array_equal(encoder.encode_passages(PASSAGES), before)
    assert encoder.max_tokens == 32


def test_scores_are_those_of_the_encoder(trainee: TrainableTokenModel) -> None:
    encoder = trainee.encoder
    passages = [["p1", "p2 p3", ""], ["p2 p3"], []]

    scores = trainee.scores(trainee.load(), ["q1 q2", "q3", "q4"], passages)

    for query, texts, row in zip(["q1 q2", "q3", "q4"], passages, scores, strict=True):
        [asked] = encoder.encode_queries([query])
        expected = max_sim(asked, encoder.encode_passages(texts))
        assert row[:2] == pytest.approx(expected[:2], abs=1e-5)


@pytest.mark.parametrize("pool_factor", [1, 2])
def test_the_trained_model_is_an_encoder_with_the_parents_settings(
    tiny: Path, tmp_path: Path, pool_factor: int
) -> None:
    prompted = SentenceTransformerEncoder(
        tiny, query_prompt="q28 ", passage_prompt="p28 ", dtype="float32"
    )
    parent = MultiVectorTokenEncoder(
        prompted, query_length=12, passage_length=14, pool_factor=pool_factor
    )
    trainee = TrainableTokenModel(parent)
    model = train(
        trainee, [PAIRS], replace(SETTINGS, steps=4), tmp_path / "run", validate=lambda model: 1.0
    ).model
    with torch.no_grad():
        next(model.parameters()).mul_(1.5)  # the parent's otherwise, for none was better
    model.save(str(tmp_path / "model"), create_model_card=False)
    texts = ["p1 p2 p3 p4", "p5 " * 20]

    encoder = trainee.wrapped(tmp_path / "model")

    assert encoder.backend == "onnx"
    assert encoder.prompts == ("q28 ", "p28 ")
    assert encoder.max_tokens == 14
    ours, theirs = encoder.encode_passages(texts), parent.encode_passages(texts)
    assert [each.shape for each in ours] == [each.shape for each in theirs]
    assert not np.allclose(ours[0], theirs[0], atol=1e-3)
    expected = trainee.scores(model, ["q1 " * 20], [texts])
    [asked] = encoder.encode_queries(["q1 " * 20])
    assert len(asked) == 12
    assert max_sim(asked, ours) == pytest.approx(expected[0], abs=1e-4)


def test_a_checkpoint_keeps_its_markers_its_lengths_and_its_projection(
    colbert: MultiVectorEncoder, tmp_path: Path
) -> None:
    trainee = TrainableTokenModel(MultiVectorTokenEncoder(colbert))
    before = {name: weight.clone() for name, weight in colbert.state_dict().items()}

    result = train(trainee, [PAIRS], SETTINGS, tmp_path / "run", validate=accuracy(trainee))
    result.model.save(str(tmp_path / "model"), create_model_card=False)

    assert max(point.score for point in result.curve) > result.curve[0].score
    assert all(torch.equal(before[name], each) for name, each in colbert.state_dict().items())
    weights = result.model.state_dict()
    assert not torch.equal(weights["1.linear.weight"], before["1.linear.weight"])
    encoder = trainee.wrapped(tmp_path / "model")
    long_query, long_passage = "q1 " * 20, "p1 " * 20
    assert [len(each) for each in encoder.encode_queries(["q1", long_query])] == [6, 6]
    assert encoder.max_tokens == 10
    assert len(encoder.encode_passages([long_passage])[0]) == 10
    assert encoder.prompts == ("q29 ", "p29 ")
    asked, passages = encoder.encode_queries(["q1"]), encoder.encode_passages(["p1", "p2"])
    expected = trainee.scores(result.model, ["q1"], [["p1", "p2"]])
    assert max_sim(asked[0], passages) == pytest.approx(expected[0], abs=1e-4)


def test_of_a_reranker_comes_a_reranker_with_its_settings(tiny: Path, tmp_path: Path) -> None:
    parent = ColBERTReranker(
        tiny, name="mine", threshold=-9, query_length=12, search_text="{title} {text}"
    )
    trainee = TrainableTokenModel(parent)
    model = trainee.load()
    with torch.no_grad():
        next(model.parameters()).mul_(1.5)
    model.save(str(tmp_path / "model"), create_model_card=False)

    reranker = trainee.wrapped(tmp_path / "model")

    assert isinstance(reranker, ColBERTReranker)
    hits = [Hit(Passage(f"p{n}", "p9", {"title": f"p{n}"}), 1.0) for n in (1, 4)]
    [reranked] = reranker.rerank(["q3"], [hits])
    [expected] = trainee.scores(model, ["q3"], [["p1 p9", "p4 p9"]])
    assert sorted(hit.score for hit in reranked) == pytest.approx(sorted(expected), abs=1e-4)
    apart = {"encoder"}
    assert {k: v for k, v in vars(reranker).items() if k not in apart} == {
        k: v for k, v in vars(parent).items() if k not in apart
    }
    assert [hit.score for hit in parent.rerank(["q3"], [hits])[0]] != [
        hit.score for hit in reranked
    ]


def test_a_passage_is_read_to_the_shorter_limit(colbert: MultiVectorEncoder, tiny: Path) -> None:
    checkpoint = TrainableTokenModel(MultiVectorTokenEncoder(colbert))
    plain = TrainableTokenModel(MultiVectorTokenEncoder(tiny))

    def read(trainee: TrainableTokenModel, max_tokens: int | None) -> Any:
        return trainee.arguments(replace(SETTINGS, max_tokens=max_tokens))["max_length"]

    assert [read(checkpoint, each) for each in (160, 7, None)] == [
        {"document": 10},
        {"document": 7},
        {"document": 10},
    ]
    assert read(plain, 160) == {"document": 32}


def test_an_objective_of_another_kind_of_model_is_refused(trainee: TrainableTokenModel) -> None:
    with pytest.raises(InvalidInputError, match="its objectives are contrastive, distillation"):
        trainee.columns(PAIRS, replace(SETTINGS, objective="triplet"))


@pytest.mark.slow
def test_real_token_vectors_are_trained_and_exported(minilm: Path, tmp_path: Path) -> None:
    trainee = TrainableTokenModel(MultiVectorTokenEncoder(minilm))
    bread, blood = "Yeast makes the dough rise.", "Platelets make blood clot."
    queries, passages = ["why does bread rise", "why does blood clot"], [bread, blood]
    examples = [
        Example(queries[0], (bread, blood)),
        Example(queries[1], (blood, bread)),
    ]

    def margin(model: Any) -> float:
        scores = trainee.scores(model, queries, [passages] * 2)
        return min(scores[0][0] - scores[0][1], scores[1][1] - scores[1][0])

    settings = replace(trainee.defaults, steps=4, validations=1, batch_size=2, learning_rate=1e-4)
    result = train(trainee, [examples], settings, tmp_path / "run", validate=margin)
    result.model.save(str(tmp_path / "model"), create_model_card=False)
    encoder = trainee.wrapped(tmp_path / "model")
    exported = MultiVectorTokenEncoder(export_checkpoint(encoder, tmp_path / "exported"))

    assert result.curve[1].score > result.curve[0].score
    expected = trainee.scores(result.model, queries, [passages] * 2)
    for each in (encoder, exported):  # whose vectors differ a little, for it has a marker more
        documents = each.encode_passages(passages)
        found = [max_sim(asked, documents) for asked in each.encode_queries(queries)]
        assert np.argmax(found, axis=1).tolist() == [0, 1]
        assert each is exported or np.allclose(found, expected, atol=1e-3)
