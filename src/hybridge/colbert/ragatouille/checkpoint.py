"""A ColBERT checkpoint in Stanford's format, found and looked over before anything is loaded.

What colbert-ai does with a folder that lacks something is to ask the hub for it, for 48 seconds
where there is none, or to go on with random numbers; so nothing is left for it to find out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...encoders.files import read_object
from ...encoders.identity import folder_digest
from ...encoders.positions import readable_tokens
from ...encoders.resolution import resolve
from ...errors import ModelNotFoundError
from ...forking import cached_property

__all__ = ["StanfordCheckpoint"]

_METADATA = "artifact.metadata"
# What vectors depend on, with the values that colbert-ai takes where one is missing.
_SETTINGS = {
    "attend_to_mask_tokens": False,
    "dim": 128,
    "doc_maxlen": 220,
    "doc_token_id": "[unused1]",
    "mask_punctuation": True,
    "query_maxlen": 32,
    "query_token_id": "[unused0]",
}
# What transformers takes where a configuration does not say.
_POSITIONS = 512
_HOW = (
    "hybridge.colbert.export_checkpoint writes such a folder for any late-interaction model; "
    "models of other formats run with engine='sentence-transformers'"
)


@dataclass(frozen=True)
class StanfordCheckpoint:
    """A folder with weights, a tokenizer and ``artifact.metadata``.

    Args:
        folder: an absolute path.
        name: the model's name on the hub; None for the caller's own folder.
        settings: what ``artifact.metadata`` says of the vectors.
        positions: how many tokens the model can read.
    """

    folder: Path
    name: str | None
    settings: Mapping[str, Any]
    positions: int

    @classmethod
    def find(cls, model: str | Path) -> StanfordCheckpoint:
        """The checkpoint of this name or in this folder.

        Args:
            model: a folder, or a name on the Hugging Face hub; one without an owner belongs to
                ``colbert-ir``.

        Raises:
            ModelNotFoundError: there is no such model, or it is no ColBERT checkpoint in
                Stanford's format, or it would have to run code of its own.
        """
        source = resolve(model, owner="colbert-ir")
        folder = source.fetch().absolute()
        if not (folder / _METADATA).is_file():
            raise ModelNotFoundError(
                f"{str(folder)!r} has no {_METADATA}, so it is no ColBERT checkpoint in "
                f"Stanford's format: {_HOW}"
            )
        given = read_object(folder / _METADATA)
        settings = {name: given.get(name, usual) for name, usual in _SETTINGS.items()}
        for name in ("dim", "doc_maxlen", "query_maxlen"):
            if not isinstance(settings[name], int) or settings[name] < 1:
                raise ModelNotFoundError(
                    f"{name} in {str(folder / _METADATA)!r} must be a whole number from 1, not "
                    f"{settings[name]!r}"
                )
        config = read_object(folder / "config.json")
        _check_no_code(folder)
        if "linear.weight" not in _weights(folder):
            raise ModelNotFoundError(
                f"the weights in {str(folder)!r} lack 'linear.weight', ColBERT's projection: {_HOW}"
            )
        return cls(folder, source.name, settings, readable_tokens(config) or _POSITIONS)

    def __reduce__(self) -> tuple[Callable[..., StanfordCheckpoint], tuple[str | Path]]:
        return StanfordCheckpoint.find, (self.name or self.folder,)

    @cached_property
    def identity(self) -> str:
        """The model, by its name on the hub or else a digest of the files, and its settings."""
        model = self.name or f"folder:{folder_digest(self.folder)}"
        return f"{model} {json.dumps(dict(self.settings))}"

    @property
    def dimension(self) -> int:
        """The length of a token's vector."""
        return int(self.settings["dim"])

    @property
    def query_length(self) -> int:
        """Tokens that a query is filled up to with [MASK]."""
        return min(int(self.settings["query_maxlen"]), self.positions)

    @property
    def passage_length(self) -> int:
        """Tokens of a passage that are read, markers included."""
        return min(int(self.settings["doc_maxlen"]), self.positions)


def _check_no_code(folder: Path) -> None:
    # config.json may name a config.<version>.json that is read instead of it, and the tokenizer's
    # own is tokenizer_config.json.
    for path in sorted(folder.glob("*config*.json")):
        if "auto_map" in read_object(path):
            raise ModelNotFoundError(
                f"{str(path)!r} names code of the model's own (auto_map), which is never run: "
                "choose a model whose architecture and tokenizer transformers knows"
            )


def _weights(folder: Path) -> set[str]:
    """The names of the tensors in a folder, which are not read."""
    from safetensors import SafetensorError, safe_open

    names: set[str] = set()
    try:
        for path in folder.glob("*.safetensors"):
            with safe_open(path, framework="numpy") as file:
                names.update(file.keys())
        if not names:
            import torch

            for path in folder.glob("*.bin"):
                names.update(torch.load(path, map_location="meta", weights_only=True))
    except (EOFError, OSError, RuntimeError, ValueError, SafetensorError) as error:
        where = f"the weights in {str(folder)!r}"
        raise ModelNotFoundError(f"{where} cannot be read: {error}") from error
    return names
