"""The files decide the kind of a model; by default it is a bi-encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hybridge.encoders.kinds import kind_of
from hybridge.errors import ModelNotFoundError

WRAPPER = "config_sentence_transformers.json"


def is_late_interaction(folder: Path) -> bool:
    return kind_of(folder).kind == "late-interaction model"


@pytest.mark.parametrize(
    ("file", "content", "late"),
    [
        ("config.json", {"architectures": ["HF_ColBERT"]}, True),
        ("config.json", {"architectures": ["BertModel"], "_name_or_path": "colbert"}, False),
        ("config.json", {"architectures": None}, False),
        (WRAPPER, {"model_type": "MultiVectorEncoder"}, True),
        (WRAPPER, {"model_type": "ColBERT"}, True),
        (WRAPPER, {"query_prefix": "[Q] "}, True),
        (WRAPPER, {"model_type": "SentenceTransformer", "prompts": {"query": "q: "}}, False),
        ("README.md", {"model_type": "ColBERT"}, False),
    ],
)
def test_the_files_decide(tmp_path: Path, file: str, content: Any, late: bool) -> None:
    (tmp_path / file).write_text(json.dumps(content))
    assert is_late_interaction(tmp_path) is late


def test_the_real_bi_encoder_is_one(minilm: Path, checkpoint: Path) -> None:
    assert not is_late_interaction(minilm)
    assert is_late_interaction(checkpoint)


@pytest.mark.parametrize("file", ["config.json", WRAPPER])
@pytest.mark.parametrize("content", ["{", "[]", "null"])
def test_what_is_no_json_object_is_named(tmp_path: Path, file: str, content: str) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(ModelNotFoundError, match=f"{file}' is not"):
        is_late_interaction(tmp_path)


@pytest.mark.parametrize("file", ["config.json", WRAPPER])
def test_what_cannot_be_read_is_named(tmp_path: Path, file: str) -> None:
    (tmp_path / file).mkdir()
    with pytest.raises(ModelNotFoundError, match=f"{file}' cannot be read"):
        is_late_interaction(tmp_path)
