"""The models on this machine: those in the hub's cache, and those in installed packages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import ModelNotFoundError
from .kinds import Kind, kind_of
from .packages import PACKAGED
from .resolution import ModelSource, find_here, hub_cache

__all__ = ["LocalModel", "folder_bytes", "models_here"]

_PREFIX = "models--"


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on this machine.

    Args:
        name: its name on the hub.
        kind: its kind, from its files; None where they cannot be read.
        source: ``"cache"`` (of the hub) or ``"package"``.
        dtype: the one precision that the files are in; None for weights, which serve every one.
        folder: the folder with the files.
        size: their bytes.
    """

    name: str
    kind: Kind | None
    source: Literal["cache", "package"]
    dtype: Literal["int8"] | None
    folder: Path
    size: int


def models_here() -> list[LocalModel]:
    """Return the models on this machine, by name, from their files' names and configuration.

    A model in the hub's cache hides its packaged copy, as it does where a name is looked up. Models
    in folders of your own are not looked for.

    >>> from hybridge.encoders.packages import PACKAGED
    >>> all(model.source == "cache" or model.name in PACKAGED for model in models_here())
    True
    """
    names = sorted({*_cached_names(), *PACKAGED}, key=str.lower)
    sources = (find_here(name, dtype="int8", onnx=True) for name in names)
    return [_described(source) for source in sources if source is not None]


def folder_bytes(folder: Path, *, links: bool = True) -> int:
    """Return the bytes of all files in a folder; 0 where there is none.

    Args:
        folder: the folder.
        links: count the files that links lead to.

    >>> folder_bytes(Path("/no/such/folder"))
    0
    """
    total = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file() and (links or not path.is_symlink()):
                total += path.stat().st_size
        except OSError:  # removed meanwhile
            continue
    return total


def _cached_names() -> list[str]:
    root = hub_cache()
    if not root.is_dir():
        return []
    found = (path.name.removeprefix(_PREFIX) for path in root.glob(f"{_PREFIX}*--*"))
    return [name.replace("--", "/") for name in found]


def _described(source: ModelSource) -> LocalModel:
    assert source.folder is not None
    assert source.kind in ("cache", "package")
    assert source.name is not None
    return LocalModel(
        source.name,
        _kind(source, source.folder),
        source.kind,
        source.dtype,
        source.folder,
        folder_bytes(source.folder),
    )


def _kind(source: ModelSource, folder: Path) -> Kind | None:
    if source.num_labels is not None:
        return "cross-encoder"
    if source.pooling is not None:
        return "bi-encoder"
    try:
        return kind_of(folder).kind
    except ModelNotFoundError:
        return None
