"""The digest follows the content: it survives a move and notices one changed number."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from hybridge.encoders.identity import folder_digest, model_digest


def _model() -> SentenceTransformer:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    weights = np.arange(12, dtype=np.float32).reshape(3, 4)
    embedding = StaticEmbedding(tokenizer, embedding_weights=weights)
    return SentenceTransformer(modules=[embedding], device="cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    _model().save(str(folder))
    return folder


def test_a_folder_keeps_its_digest_when_it_moves(folder: Path, tmp_path: Path) -> None:
    before = folder_digest(folder)
    moved = shutil.move(folder, tmp_path / "elsewhere")
    assert folder_digest(Path(moved)) == before


def test_what_shapes_no_vector_is_not_part_of_the_digest(folder: Path) -> None:
    before = folder_digest(folder)
    (folder / "README.md").write_text("another model card")
    (folder / ".git").mkdir()
    (folder / ".git" / "index.json").write_text("{}")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "config.json").write_text("{}")
    assert folder_digest(folder) == before


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_one_changed_byte_changes_a_folders_digest(folder: Path, suffix: str) -> None:
    before = folder_digest(folder)
    path = next(folder.rglob(f"*{suffix}"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert folder_digest(folder) != before


def test_a_file_under_another_name_changes_a_folders_digest(folder: Path) -> None:
    before = folder_digest(folder)
    (folder / "modules.json").rename(folder / "modules2.json")
    assert folder_digest(folder) != before


def test_two_equal_objects_have_one_digest() -> None:
    assert model_digest(_model()) == model_digest(_model())


def test_one_changed_number_changes_an_objects_digest() -> None:
    model = _model()
    before = model_digest(model)
    model[0].embedding.weight.data[2, 3] += 1e-3
    assert model_digest(model) != before


def test_precision_settings_and_modules_change_an_objects_digest() -> None:
    digests = {
        model_digest(_model()),
        model_digest(_model().half()),
        model_digest(_model().bfloat16()),
        model_digest(SentenceTransformer(modules=[_model()[0], Normalize()], device="cpu")),
    }
    shorter = _model()
    shorter.truncate_dim = 2
    digests.add(model_digest(shorter))
    assert len(digests) == 5


def test_a_digest_is_what_json_and_a_person_can_hold() -> None:
    digest = model_digest(_model())
    assert json.loads(json.dumps(digest)) == digest
    assert len(digest) == 32
