"""The weights of a saved model as arrays, without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelNotFoundError
from ..files import read_object
from .unsupported import UnsupportedModelError

__all__ = ["Weights", "read_weights"]

Floats = NDArray[np.float32]

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "BF16": "<u2"}
# Names of the same tensors in checkpoints older than PyTorch's own.
_RENAMED = {"gamma": "weight", "beta": "bias"}


class Weights(Mapping[str, Floats]):
    """A model's tensors by their names; it records which of them were read.

    Args:
        tensors: the tensors, by their names in the file.
    """

    def __init__(self, tensors: Mapping[str, Floats]) -> None:
        self._tensors = {_renamed(name): tensor for name, tensor in tensors.items()}
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Floats:
        self._read.add(name)
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    @property
    def unread(self) -> list[str]:
        """The names of the tensors that were not read."""
        return sorted(set(self._tensors) - self._read)


def read_weights(folder: Path) -> Weights | None:
    """Return the weights of a saved model in float32; None where it has no safetensors.

    Args:
        folder: the folder of the transformer.

    Raises:
        UnsupportedModelError: a tensor is of a type that has no arrays, as 8-bit floats.
        ModelNotFoundError: a file cannot be read, or is damaged.
    """
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file():
        files = ["model.safetensors"]
    elif index.is_file():
        files = _shards(index)
    else:
        return None
    tensors: dict[str, Floats] = {}
    for file in files:
        tensors.update(_read(folder / file))
    return Weights(tensors)


def _shards(index: Path) -> list[str]:
    """Return the files that hold the tensors, in the index's own folder."""
    names = read_object(index).get("weight_map")
    if not isinstance(names, dict):
        raise ModelNotFoundError(f"{str(index)!r} has no 'weight_map' of tensors to files")
    return sorted({Path(str(name)).name for name in names.values()})


def _read(path: Path) -> dict[str, Floats]:
    from safetensors import SafetensorError, deserialize

    try:
        with path.open("rb") as file:
            entries = deserialize(file.read())  # type: ignore[no-untyped-call]
        return {name: _array(entry) for name, entry in entries}
    except KeyError as error:
        raise UnsupportedModelError(
            f"the weights in {str(path)!r} are of the type {error.args[0]}, which is not read here"
        ) from error
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelNotFoundError(
            f"the weights in {str(path)!r} cannot be read: {type(error).__name__}: {error}"
        ) from error


def _array(entry: Mapping[str, object]) -> Floats:
    dtype = str(entry["dtype"])
    flat = np.frombuffer(entry["data"], _DTYPES[dtype])  # type: ignore[call-overload]
    if dtype == "BF16":  # the upper half of a float32
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    array: Floats = flat.astype(np.float32, copy=False).reshape(entry["shape"])
    return array


def _renamed(name: str) -> str:
    stem, _, last = name.rpartition(".")
    return f"{stem}.{_RENAMED.get(last, last)}" if stem else name
