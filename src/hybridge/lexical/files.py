"""Atomic writes of files, and files of arrays without pickle."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptIndexError, IndexNotFoundError, StoreError

__all__ = ["load_arrays", "remove_file", "replace_file", "save_arrays"]

_META = "meta"
# The errors of numpy and zipfile for unreadable files, found by cutting and changing some.
_READING_ERRORS = (
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write, which replaces `path` when the block ends without an error.

    Until then it is `.<name>.tmp` beside `path`, and replaces one that a killed process left: a
    folder has one writer at a time. The new content survives a loss of power.

    Raises:
        StoreError: it cannot be written; `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_file(path: Path) -> None:
    """Delete a file; the deletion survives a loss of power.

    Raises:
        StoreError: it cannot be deleted.
    """
    try:
        path.unlink()
    except OSError as error:
        raise StoreError(f"cannot delete {path}: {error}") from error
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the renaming or deletion of a file in a folder survive a loss of power."""
    # Windows opens no folders and some network file systems sync none.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def save_arrays(path: Path, meta: Mapping[str, Any], **arrays: NDArray[Any]) -> None:
    """Write arrays and JSON into one file, an uncompressed .npz.

    Raises:
        StoreError: it cannot be written.
    """
    encoded = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    contents: dict[str, Any] = {_META: encoded, **arrays}
    with replace_file(path) as file:
        np.savez(file, **contents)


def load_arrays(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read the JSON and the arrays that `save_arrays` wrote.

    Raises:
        IndexNotFoundError: there is no such file.
        CorruptIndexError: it is truncated, or something else.
    """
    if not path.exists():
        raise IndexNotFoundError(f"there is no file {path}")
    try:
        # Opened here, because np.load leaves a file open that is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(arrays.pop(_META).tobytes())
    except _READING_ERRORS as error:
        raise CorruptIndexError(f"{path} is truncated, or no index: {error!r}") from error
    if not isinstance(meta, dict):
        raise CorruptIndexError(f"{path} is no index: it holds {type(meta).__name__}")
    return meta, arrays
