"""A checkpoint is validated before it is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hybridge.colbert.ragatouille.checkpoint import StanfordCheckpoint
from hybridge.errors import InvalidInputError, ModelNotFoundError


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint of which only the weights' names are true."""
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    names = load_file(checkpoint / "model.safetensors")
    save_file({name: torch.zeros(1) for name in names}, folder / "model.safetensors")
    return folder


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_checkpoint_has_its_lengths(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkpoint.parent)
    found = StanfordCheckpoint.find(checkpoint.name)  # a relative path
    assert found.folder == checkpoint
    assert found.name is None
    assert (found.dimension, found.query_length, found.positions) == (384, 32, 512)
    assert (
        found.passage_length
        == json.loads((checkpoint / "artifact.metadata").read_text())["doc_maxlen"]
    )


def test_missing_settings_have_colberts_defaults(copy: Path) -> None:
    (copy / "artifact.metadata").write_text("{}")
    found = StanfordCheckpoint.find(copy)
    assert (found.dimension, found.query_length, found.passage_length) == (128, 32, 220)


def test_lengths_end_where_positions_do(copy: Path) -> None:
    edit(copy / "artifact.metadata", doc_maxlen=8192, query_maxlen=8192)
    found = StanfordCheckpoint.find(copy)
    assert (found.query_length, found.passage_length) == (512, 512)
    # RoBERTa's count begins behind the padding token's number.
    roberta = {"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}
    edit(copy / "config.json", **roberta)
    assert StanfordCheckpoint.find(copy).positions == 512


def test_the_identity_is_what_vectors_depend_on(checkpoint: Path, copy: Path) -> None:
    moved = copy.rename(copy.with_name("moved"))
    identity = StanfordCheckpoint.find(moved).identity
    assert identity != StanfordCheckpoint.find(checkpoint).identity
    shutil.copytree(moved, copy)
    assert StanfordCheckpoint.find(copy).identity == identity
    edit(copy / "artifact.metadata", similarity="l2")  # which PLAID does not look at
    assert StanfordCheckpoint.find(copy).identity == identity
    edit(copy / "artifact.metadata", mask_punctuation=False)
    assert StanfordCheckpoint.find(copy).identity != identity


def test_weights_may_be_torchs_own(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    torch.save({"linear.weight": torch.zeros(2)}, copy / "pytorch_model.bin")
    assert StanfordCheckpoint.find(copy).dimension == 384


def test_missing_or_wrong_files_are_named(copy: Path, minilm: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"no artifact\.metadata.*export_checkpoint"):
        StanfordCheckpoint.find(minilm)
    with pytest.raises(ModelNotFoundError, match=r"there is no folder '/none'"):
        StanfordCheckpoint.find("/none")
    with pytest.raises(InvalidInputError, match="must be a name on the hub"):
        StanfordCheckpoint.find(3)  # type: ignore[arg-type]
    for content in ("not JSON", "[]", '{"dim": "many"}', '{"query_maxlen": 0}'):
        (copy / "artifact.metadata").write_text(content)
        with pytest.raises(ModelNotFoundError, match=r"artifact\.metadata"):
            StanfordCheckpoint.find(copy)


def test_a_name_belongs_to_colberts_authors() -> None:
    with pytest.raises(ModelNotFoundError, match="'colbert-ir/none-such' is not on this machine"):
        StanfordCheckpoint.find("none-such")


def test_no_projection_is_made_up(copy: Path) -> None:
    save_file({"bert.embeddings": torch.zeros(1)}, copy / "model.safetensors")
    with pytest.raises(ModelNotFoundError, match=r"lack 'linear\.weight'"):
        StanfordCheckpoint.find(copy)
    (copy / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelNotFoundError, match=r"the weights in .* cannot be read"):
        StanfordCheckpoint.find(copy)


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer_config.json", "config.4.0.0.json"], ids=str
)
def test_code_is_refused(copy: Path, name: str) -> None:
    if name == "config.4.0.0.json":  # which transformers reads instead, where config.json says so
        shutil.copy(copy / "config.json", copy / name)
        edit(copy / "config.json", configuration_files=[name])
    edit(copy / name, auto_map={"AutoModel": "code.NovelModel"})
    with pytest.raises(ModelNotFoundError, match=rf"{name}' names code .* which is never run"):
        StanfordCheckpoint.find(copy)
