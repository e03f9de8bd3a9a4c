"""Digests as names of models that have none on the hub.

A digest reads every byte, about a second a gigabyte, because two fine-tunes of one model may differ
in a few numbers only.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer, SparseEncoder

__all__ = ["folder_digest", "model_digest"]

# Weights, configurations and vocabularies; not model cards, licences or exports to other engines.
_SUFFIXES = {".bin", ".json", ".model", ".safetensors", ".txt"}
_EXPORTS = {"onnx", "openvino"}


def folder_digest(folder: Path) -> str:
    """Return the digest of a saved model, whatever the folder's path.

    Args:
        folder: the folder of a saved model.

    Returns:
        32 hexadecimal digits.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "config.json").write_text("{}")
    ...     len(folder_digest(Path(folder)))
    32
    """
    digest = _new()
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") or part in _EXPORTS for part in inside.parts)
        if hidden or path.suffix not in _SUFFIXES or not path.is_file():
            continue
        digest.update(inside.as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def model_digest(model: SentenceTransformer | SparseEncoder) -> str:
    """Return the digest of a loaded model: its weights, in their precision, and its settings.

    The settings are sentence-transformers' own, so this digest may change with its version; save a
    model and use its folder for a lasting index.

    Args:
        model: the model, on any device; it is not changed.

    Returns:
        32 hexadecimal digits.
    """
    import torch

    is_dense = hasattr(model, "truncate_dim")
    settings = _dense_settings(model) if is_dense else _sparse_settings(model)
    digest = _new()
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode() + b"\0")
        data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(data.numpy().data)
    return digest.hexdigest()


def _dense_settings(model: Any) -> list[object]:
    settings = [[type(module).__name__, _settings(module)] for module in model]
    return [*settings, [model.max_seq_length, model.truncate_dim]]


def _sparse_settings(model: Any) -> list[object]:
    settings = [
        # How many dimensions there are, its pooling knows only once it has been used.
        [type(module).__name__, {**module.get_config_dict(), "embedding_dimension": None}]
        for module in model.modules()
        if hasattr(module, "get_config_dict")
    ]
    return [*settings, [model.max_seq_length, model.max_active_dims]]


def _settings(module: Any) -> object:
    return module.get_config_dict() if hasattr(module, "get_config_dict") else None


def _new() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)
