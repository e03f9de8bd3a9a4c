"""Token vectors by RAGatouille's model: the same in every batch, and truncated at our limits."""

from __future__ import annotations

import gc
import json
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import MultiVectorEncoder

from hybridge.colbert import (
    TokenEncoder,
    export_checkpoint,
    max_sim,
    token_encoder_from_config,
)
from hybridge.colbert.ragatouille import RAGatouilleTokenEncoder
from hybridge.errors import InvalidInputError

QUERY = "does aspirin thin the blood?"
LONG = " ".join(["zero-dimensional biomaterials lack inductive properties"] * 9)


@pytest.fixture
def tiny(tiny_colbert: MultiVectorEncoder, tmp_path: Path) -> Path:
    """A checkpoint with random weights and all of ColBERT's habits."""
    return export_checkpoint(tiny_colbert, tmp_path / "tiny")


def test_it_is_a_token_encoder(encoder: RAGatouilleTokenEncoder) -> None:
    assert isinstance(encoder, TokenEncoder)
    again = token_encoder_from_config(json.loads(json.dumps(encoder.to_config())))
    assert isinstance(again, RAGatouilleTokenEncoder)
    assert again.identity == encoder.identity
    assert again.to_config() == encoder.to_config()
    for other in ({"passage_length": 65}, {"query_length": 64}):
        assert RAGatouilleTokenEncoder(encoder.folder, **other).identity != encoder.identity


def test_vectors_do_not_depend_on_their_company(
    encoder: RAGatouilleTokenEncoder, abstracts: list[str]
) -> None:
    texts = [*abstracts[:4], *(text[:60] for text in abstracts), "x", "", " \n"]
    together = encoder.encode_passages(texts)
    for text, vectors in zip(texts, together, strict=True):
        (alone,) = encoder.encode_passages([text])
        np.testing.assert_array_equal(alone, vectors)
    queries = [QUERY, "", LONG, "a", *(text[:40] for text in abstracts[:4])]
    for query, vectors in zip(queries, encoder.encode_queries(queries), strict=True):
        np.testing.assert_array_equal(encoder.encode_queries([query])[0], vectors)


def test_vectors_have_length_1_and_blanks_have_none(encoder: RAGatouilleTokenEncoder) -> None:
    for vectors in (*encoder.encode_queries([QUERY, LONG]), *encoder.encode_passages([LONG])):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for encode in (encoder.encode_queries, encoder.encode_passages):
        assert [vectors.shape for vectors in encode(["", " \t"])] == [(0, 384)] * 2
        assert encode([]) == []


def test_ragatouille_reranks_by_the_same_scores(
    encoder: RAGatouilleTokenEncoder, tiny: Path, abstracts: list[str]
) -> None:
    """With short texts, so that neither cuts; theirs is called as it comes, but for the patches.

    Theirs takes padding for a token that is like no other, which matters to a random model, where
    the best match may be worse than that: its texts are all of one length.
    """
    encoder.encode_queries(["load everything"])
    from ragatouille import RAGPretrainedModel

    words = ["one two three", "four one six", "seven eight nine", "ten two eight"]
    for folder, texts in (
        (encoder.folder, [text[:120] for text in abstracts]),
        (tiny, words),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = RAGPretrainedModel.from_pretrained(str(folder), n_gpu=1, verbose=0)
            results = theirs.rerank(QUERY, texts, k=len(texts))
        expected = {result["content"]: result["score"] for result in results}
        ours = RAGatouilleTokenEncoder(folder, query_length=32)
        (query,) = ours.encode_queries([QUERY])
        scores = max_sim(query, ours.encode_passages(texts))
        assert scores == pytest.approx([expected[text] for text in texts], abs=1e-3)


def test_queries_are_filled_up_and_not_cut(tiny: Path) -> None:
    encoder = RAGatouilleTokenEncoder(tiny)
    short, long, endless = encoder.encode_queries(["one two", "one " * 20, "one " * 100])
    assert len(short) == 8  # as the checkpoint says, with [MASK]
    assert len(long) == 23  # [CLS], marker, 20, [SEP]
    assert len(endless) == 48  # all that the model can read
    fixed = RAGatouilleTokenEncoder(tiny, query_length=12)
    assert [len(vectors) for vectors in fixed.encode_queries(["one two", "one " * 20])] == [12, 12]


def test_a_model_that_fills_up_nothing_has_no_vectors_for_it(
    encoder: RAGatouilleTokenEncoder,
) -> None:
    (vectors,) = encoder.encode_queries(["blood"])
    assert len(vectors) == 4  # [CLS], marker, blood, [SEP]


def test_passages_are_cut_and_their_punctuation_skipped(tiny: Path) -> None:
    encoder = RAGatouilleTokenEncoder(tiny)
    skipped, cut = encoder.encode_passages(["one, two. three", "one " * 100])
    assert len(skipped) == 6
    assert len(cut) == 12
    (longer,) = RAGatouilleTokenEncoder(tiny, passage_length=40).encode_passages(["one " * 100])
    assert len(longer) == 40


def test_two_models_live_in_one_process(encoder: RAGatouilleTokenEncoder, tiny: Path) -> None:
    before = encoder.encode_passages([QUERY])[0]
    from colbert.infra import Run

    gc.collect()
    depth = len(Run().stack)
    other = RAGatouilleTokenEncoder(tiny)
    assert other.encode_passages([QUERY])[0].shape[1] == 4
    np.testing.assert_array_equal(encoder.encode_passages([QUERY])[0], before)
    assert len(Run().stack) == depth
    del other
    gc.collect()
    assert len(Run().stack) == depth, "a model that goes takes nobody's folders along"


def test_threads_do_not_meet(tiny: Path, abstracts: list[str]) -> None:
    encoder = RAGatouilleTokenEncoder(tiny)  # loaded by whichever thread is first
    texts = ["one " * count for count in range(1, 13)]

    def encode(text: str) -> tuple[bytes, bytes]:
        (query,), (passage,) = encoder.encode_queries([text]), encoder.encode_passages([text])
        return query.tobytes(), passage.tobytes()

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(encode, texts))
    assert together == list(map(encode, texts))


def test_loading_prints_nothing_and_uses_no_hub(
    tiny: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # What it was trained from is none of our business, and would be looked for on the hub.
    path = tiny / "artifact.metadata"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_name": "nobody/none"}))
    assert len(RAGatouilleTokenEncoder(tiny).encode_queries(["one"])[0]) == 8
    assert capfd.readouterr() == ("", "")


def test_half_precision_runs_in_single(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "half"
    shutil.copytree(tiny, folder)
    weights = load_file(tiny / "model.safetensors")
    half = {name: tensor.half() for name, tensor in weights.items()}
    save_file(half, folder / "model.safetensors", {"format": "pt"})
    encoder = RAGatouilleTokenEncoder(folder)
    found = encoder.encode_passages(["one two three"])[0]
    assert encoder._loaded().linear.weight.dtype == torch.float32
    np.testing.assert_allclose(
        found, RAGatouilleTokenEncoder(tiny).encode_passages(["one two three"])[0], atol=1e-2
    )


def test_bad_arguments_are_refused(tiny: Path) -> None:
    for name in ("query_length", "passage_length"):
        for length in (3, 49, 0, True, 2.5):
            with pytest.raises(InvalidInputError, match=f"{name} must be"):
                RAGatouilleTokenEncoder(tiny, **{name: length})  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="batch_size must be"):
        RAGatouilleTokenEncoder(tiny, batch_size=0)
    with pytest.raises(InvalidInputError, match="device 'abacus' cannot be used here"):
        RAGatouilleTokenEncoder(tiny, device="abacus").encode_queries(["one"])
    encoder = RAGatouilleTokenEncoder(tiny)
    for encode in (encoder.encode_queries, encoder.encode_passages):
        for wrong in ("one", ["one", None]):
            with pytest.raises(InvalidInputError):
                encode(wrong)  # type: ignore[operator]


def test_damaged_weights_are_noticed(tiny: Path) -> None:
    weights = load_file(tiny / "model.safetensors")
    weights["linear.weight"][0, 0] = float("nan")
    save_file(weights, tiny / "model.safetensors", {"format": "pt"})
    with pytest.raises(InvalidInputError, match="NaN or infinity for 'one two'"):
        RAGatouilleTokenEncoder(tiny).encode_passages(["one two"])
