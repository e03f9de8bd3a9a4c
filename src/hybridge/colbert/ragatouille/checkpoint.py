"""A ColBERT checkpoint in Stanford's format, validated before anything is loaded.

Where a folder lacks something, colbert-ai asks the hub for it, for 48 seconds where there is none,
or goes on with random numbers; so everything is checked first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...encoders.files import read_object
from ...encoders.identity import folder_digest
from ...encoders.loading import check_device
from ...encoders.positions import readable_tokens
from ...encoders.resolution import resolve
from ...errors import ModelNotFoundError
from ...forking import cached_property

__all__ = ["StanfordCheckpoint"]

_METADATA = "artifact.metadata"
# The settings that vectors depend on, with colbert-ai's defaults.
_SETTINGS = {
    "attend_to_mask_tokens": False,
    "dim": 128,
    "doc_maxlen": 220,
    "doc_token_id": "[unused1]",
    "mask_punctuation": True,
    "query_maxlen": 32,
    "query_token_id": "[unused0]",
}
# transformers' default.
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
        settings: those of ``artifact.metadata`` that vectors depend on.
        positions: how many tokens the model can read.
    """

    folder: Path
    name: str | None
    settings: Mapping[str, Any]
    positions: int

    @classmethod
    def find(cls, model: str | Path) -> StanfordCheckpoint:
        """Find and validate a checkpoint.

        Args:
            model: a folder, or a name on the Hugging Face hub; one without an owner belongs to
                ``colbert-ir``.

        Raises:
            ModelNotFoundError: there is no such model, it is no ColBERT checkpoint in Stanford's
                format, or it requires its own code.
        """
        source = resolve(model, owner="colbert-ir")
        folder = source.fetch().absolute()
        if not (folder / _METADATA).is_file():
            raise ModelNotFoundError(
                f"{str(folder)!r} has no {_METADATA}, so it is no ColBERT checkpoint in "
                f"Stanford's format: {_HOW}"
            )
        metadata = read_object(folder / _METADATA)
        settings = {name: metadata.get(name, default) for name, default in _SETTINGS.items()}
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
        """Identify the model, by its hub name or else a digest of the files, and its settings."""
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

    def load(self, device: str | None) -> Any:
        """Load colbert-ai's `Checkpoint` as RAGatouille does, in float32.

        Call it within `contained` and `preserved`.

        Args:
            device: torch's name of a device; None takes the best there is.

        Raises:
            InvalidInputError: there is no such device.
            ModelNotFoundError: the files cannot be loaded.
        """
        from colbert.utils.amp import MixedPrecisionManager
        from ragatouille.models import ColBERT

        check_device(device)
        try:
            # An absolute path as a string, without the name of the model that this one was trained
            # from: anything else is looked for on the hub.
            model = ColBERT(str(self.folder), n_gpu=1, verbose=0, model_name=None)
        except (AttributeError, OSError, RuntimeError, ValueError) as error:
            raise ModelNotFoundError(
                f"{str(self.folder)!r} cannot be loaded as a ColBERT checkpoint: {error}"
            ) from error
        # Leave its context now, in order, instead of whenever it is collected.
        model.run_context.__exit__(None, None, None)
        model.run_context = nullcontext()
        checkpoint = model.inference_ckpt
        checkpoint.model.float()  # the precision of the file may be one that is slow here
        if device is not None:
            checkpoint.model.to(device)
        checkpoint.amp_manager = MixedPrecisionManager(False)
        checkpoint.query_tokenizer.used = True  # or it prints at its first use
        return checkpoint


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
    """Return the names of the tensors in a folder, without reading the tensors."""
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
        raise ModelNotFoundError(
            f"the weights in {str(folder)!r} cannot be read: {error}"
        ) from error
    return names
