"""ONNX Runtime scores as sentence-transformers does, and leaves to torch what it would not."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau
from sentence_transformers import CrossEncoder
from torch.nn import Identity
from transformers import (
    AutoModelForCausalLM,
    DistilBertConfig,
    GPT2Config,
    LlamaConfig,
    PretrainedConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from hybridge import BM25Retriever
from hybridge.cross_encoder import CrossEncoderReranker
from hybridge.encoders.onnx.processor import Processor, this_processor
from hybridge.encoders.onnx.unsupported import UnsupportedModelError
from hybridge.errors import InvalidInputError, ModelNotFoundError

PACKAGED = "cross-encoder/ms-marco-MiniLM-L12-v2"
TEXTS = ["w2", "w3 " * 7, "w4 w5 w6", "w1 " * 40, "w7 " * 12]
# The greeting of the model's card, and its scores there, in float32.
BERLIN = "How many people live in Berlin?"
CARD = {
    "Berlin had a population of 3,520,031 registered inhabitants in an area of 891.82 square "
    "kilometers.": 9.218911,
    "Berlin is well known for its museums.": -4.0780287,
}

Make = Callable[..., Path]


def _by_sentence_transformers(folder: Path, query: str, texts: list[str]) -> list[float]:
    model = CrossEncoder(str(folder), device="cpu")
    model.max_seq_length = min(model.max_seq_length, 32)
    pairs = [(query, text) for text in texts]
    scores: list[float] = model.predict(pairs, activation_fn=Identity()).tolist()
    return scores


@pytest.mark.parametrize("kind", [None, DistilBertConfig, RobertaConfig, XLMRobertaConfig])
def test_every_architecture_scores_as_in_sentence_transformers(
    make_tiny: Make, kind: Callable[..., PretrainedConfig] | None
) -> None:
    folder = make_tiny() if kind is None else make_tiny(kind=kind, positions=33)
    reranker = CrossEncoderReranker(folder, dtype="float32", backend="onnx", batch_size=2)
    expected = _by_sentence_transformers(folder, "w1 w8", TEXTS)
    assert reranker.score_texts(["w1 w8"], [TEXTS])[0] == pytest.approx(expected, abs=1e-5)
    assert (reranker.backend, reranker.dtype) == ("onnx", "float32")


def test_a_folder_that_sentence_transformers_saved_is_read(tiny: Path, tmp_path: Path) -> None:
    model = CrossEncoder(str(tiny), device="cpu", max_length=16)
    model.save(str(tmp_path))
    reranker = CrossEncoderReranker(tmp_path, dtype="float32", backend="onnx")
    expected = _by_sentence_transformers(tmp_path, "w1", TEXTS)
    assert reranker.score_texts(["w1"], [TEXTS])[0] == pytest.approx(expected, abs=1e-5)
    assert model.max_seq_length == 16


def test_the_length_is_as_in_torch(make_tiny: Make) -> None:
    short, long = make_tiny(), make_tiny(positions=600)
    text = "w1 " + "w2 " * 700
    for folder, length in [(short, None), (short, 16), (long, None), (long, 600)]:
        by_onnx, by_torch = (
            CrossEncoderReranker(folder, dtype="float32", max_length=length, backend=backend)
            for backend in ("onnx", "torch")
        )
        [expected] = by_torch.score_texts(["w3"], [[text]])
        assert by_onnx.score_texts(["w3"], [[text]])[0] == pytest.approx(expected, abs=1e-5)
    for length in (4, 601):
        reranker = CrossEncoderReranker(long, max_length=length, backend="onnx")
        with pytest.raises(InvalidInputError, match=f"must be from 5 to 600 .* not {length}"):
            reranker.score_texts(["w1"], [["w2"]])


def test_several_scores_a_pair_are_refused(make_tiny: Make, tiny: Path, tmp_path: Path) -> None:
    refusal = r"3 scores a pair \(LABEL_0, LABEL_1, LABEL_2\)"
    with pytest.raises(InvalidInputError, match=refusal):
        CrossEncoderReranker(make_tiny(labels=3)).score_texts(["w1"], [["w2"]])
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["id2label"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidInputError, match="2 scores a pair"):  # by transformers' default
        CrossEncoderReranker(tmp_path).score_texts(["w1"], [["w2"]])


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("verifies", [True, False])
def test_int8_is_the_default_where_it_is_exact_and_agrees(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exact: bool, verifies: bool
) -> None:
    def verify(*_: object) -> dict[str, Any]:
        if not verifies:
            raise UnsupportedModelError("it disagrees")
        return {"against": "float32", "agreement": 1.0}

    flags = frozenset({"avx512_vnni"} if exact else {"avx2"})
    monkeypatch.setattr(
        "hybridge.cross_encoder.onnx.this_processor", lambda: Processor("x86_64", flags)
    )
    monkeypatch.setattr("hybridge.encoders.onnx.export.verify_int8", verify)
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    reranker = CrossEncoderReranker(tmp_path)
    assert (reranker.backend, reranker.dtype) == (
        ("onnx", "int8") if exact and verifies else ("onnx", "float32")
    )


def _copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "copy"))


def _with_template(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")


def _with_prompt(folder: Path) -> None:
    path = folder / "config_sentence_transformers.json"
    settings = json.loads(path.read_text())
    settings |= {"prompts": {"ask": "w9 "}, "default_prompt_name": "ask"}
    path.write_text(json.dumps(settings))


@pytest.mark.parametrize(
    ("change", "reason"), [(_with_template, "in a chat"), (_with_prompt, "it has a prompt")]
)
def test_what_torch_reads_otherwise_is_left_to_it(
    tiny: Path, tmp_path: Path, change: Callable[[Path], None], reason: str
) -> None:
    CrossEncoder(str(tiny), device="cpu").save(str(tmp_path))
    change(tmp_path)
    assert CrossEncoderReranker(tmp_path).backend == "torch"
    with pytest.raises(UnsupportedModelError, match=reason):
        _ = CrossEncoderReranker(tmp_path, backend="onnx").backend
    with pytest.raises(UnsupportedModelError, match=reason):
        _ = CrossEncoderReranker(tmp_path, dtype="int8").backend


@pytest.mark.parametrize(
    ("kind", "build"), [(LlamaConfig, AutoModelForCausalLM), (GPT2Config, None)], ids=str
)
def test_decoders_run_in_torch(make_tiny: Make, kind: Any, build: Any) -> None:
    folder = make_tiny(kind=kind, **({} if build is None else {"build": build}))
    assert CrossEncoderReranker(folder).backend == "torch"
    with pytest.raises(UnsupportedModelError, match="is for torch"):
        _ = CrossEncoderReranker(folder, backend="onnx").backend


def test_an_object_and_half_precision_run_in_torch(tiny: Path) -> None:
    for reranker in (
        CrossEncoderReranker(CrossEncoder(str(tiny), device="cpu")),
        CrossEncoderReranker(tiny, backend="torch", dtype="float32"),
    ):
        assert (reranker.backend, reranker.dtype) == ("torch", "float32")
    half = CrossEncoderReranker(tiny, dtype="bfloat16")
    assert (half.backend, half.dtype) == ("torch", "bfloat16")


@pytest.mark.parametrize("dtype", [None, "int8", "auto"])
def test_the_packaged_model_scores_as_on_its_card(dtype: Any) -> None:
    reranker = CrossEncoderReranker(PACKAGED, dtype=dtype)
    [scores] = reranker.score_texts([BERLIN], [list(CARD)])
    assert scores == pytest.approx(list(CARD.values()), abs=0.5)  # it is in int8
    assert (reranker.source, reranker.backend, reranker.dtype) == ("package", "onnx", "int8")


def test_the_packaged_model_has_one_precision_and_512_tokens() -> None:
    for options in ({"dtype": "float32"}, {"backend": "torch"}, {"device": "cuda"}):
        with pytest.raises(ModelNotFoundError, match='dtype="int8"'):
            CrossEncoderReranker(PACKAGED, **options)  # type: ignore[arg-type]
    reranker = CrossEncoderReranker(PACKAGED, max_length=513)
    with pytest.raises(InvalidInputError, match=r"must be from 5 to 512 .* not 513"):
        reranker.score_texts([BERLIN], [["Berlin"]])
    long = CrossEncoderReranker(PACKAGED, window=100)
    [[found, missed]] = long.score_texts(
        [BERLIN], [["bread needs yeast " * 400 + next(iter(CARD)), "bread needs yeast " * 400]]
    )
    assert found > missed + 5


def test_a_copy_in_another_process_scores_alike(tiny: Path) -> None:
    reranker = CrossEncoderReranker(tiny, dtype="float32", backend="onnx")
    expected = reranker.score_texts(["w1"], [TEXTS])
    again = pickle.loads(pickle.dumps(reranker))
    assert again.score_texts(["w1"], [TEXTS]) == expected
    assert again.backend == "onnx"


@pytest.mark.parametrize("model", ["folder", PACKAGED])
def test_torch_is_not_imported(folder: Path, model: str) -> None:
    name = str(folder) if model == "folder" else model
    _ = CrossEncoderReranker(name).backend  # which compares a graph with torch, once
    program = f"""
import sys
from hybridge import CrossEncoderReranker
[scores] = CrossEncoderReranker({name!r}).score_texts(["what thins blood?"], [["aspirin", "bread"]])
print(len(scores), sorted({{"torch", "transformers", "sentence_transformers"}} & set(sys.modules)))
"""
    answer = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert answer == "2 []\n"


@pytest.mark.slow
def test_int8_ranks_as_float32_does(scifact: Any, folder: Path) -> None:
    queries = [scifact.queries[query] for query in list(scifact.qrels("test"))[:5]]
    candidates = BM25Retriever(scifact.passages).search(queries, 30)
    lists = [[hit.passage.text for hit in hits] for hits in candidates]
    exact, rounded = (
        CrossEncoderReranker(folder, dtype=dtype, max_length=128).score_texts(queries, lists)
        for dtype in ("float32", "int8")
    )
    taus = [kendalltau(*pair).statistic for pair in zip(exact, rounded, strict=True)]
    # Sums of int8 may overflow without VNNI.
    assert np.mean(taus) >= (0.97 if this_processor().multiplies_int8 else 0.96)
