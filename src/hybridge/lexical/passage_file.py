"""Passages in a JSON Lines file: a header, then one passage a line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import (
    CorruptIndexError,
    IndexExistsError,
    IndexNotFoundError,
    InvalidInputError,
    StoreError,
)
from ..passages import Passage
from .files import replace_file

__all__ = ["check_ours", "read_passages", "write_passages"]

_FORMAT = "hybridge-passages"
_VERSION = 1


def write_passages(path: Path, header: Mapping[str, Any], passages: Sequence[Passage]) -> None:
    """Write passages to a file, which is replaced.

    Args:
        path: of the file.
        header: JSON values, which `read_passages` returns.
        passages: in any order.

    Raises:
        StoreError: it cannot be written; the file is as it was.
    """
    first = {**header, "format": _FORMAT, "version": _VERSION, "passages": len(passages)}
    with replace_file(path) as file:
        file.write(_line(first))
        file.writelines(
            _line({"id": p.id, "text": p.text, "metadata": p.metadata}) for p in passages
        )


def read_passages(path: Path) -> tuple[dict[str, Any], list[Passage]]:
    """Return the header and the passages that `write_passages` wrote.

    Raises:
        IndexNotFoundError: there is no such file.
        CorruptIndexError: it is truncated, not Hybridge's, or of an unknown format.
        StoreError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = _header(path, file.readline())
            passages = [Passage(**json.loads(line)) for line in file]
    except FileNotFoundError:
        raise IndexNotFoundError(f"there are no passages at {path}") from None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error}") from error
    except (InvalidInputError, RecursionError, TypeError, ValueError) as error:
        raise CorruptIndexError(f"{path} is truncated or damaged: {error}") from error
    if len({passage.id for passage in passages}) != header.get("passages"):
        raise CorruptIndexError(
            f"{path} holds {len(passages)} of its {header.get('passages')} passages"
        )
    return header, passages


def check_ours(folder: Path, name: str) -> None:
    """Raise unless passages may be written to the file `name` in a folder.

    Raises:
        IndexExistsError: there is a file, or a folder that holds other things.
    """
    if not folder.exists():
        return
    try:
        with (folder / name).open("rb") as file:
            _header(folder / name, file.readline())
    except (OSError, CorruptIndexError):
        if not folder.is_dir() or any(not f.name.endswith(".tmp") for f in folder.iterdir()):
            raise IndexExistsError(
                f"{folder} holds something else: save to a new or an empty folder"
            ) from None


def _header(path: Path, line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except ValueError:
        header = None
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise CorruptIndexError(f"{path} was not written by Hybridge")
    if header.get("version") != _VERSION:
        raise CorruptIndexError(
            f"{path} is of format {header.get('version')!r}, and this version of Hybridge reads "
            f"{_VERSION}: upgrade it"
        )
    return header


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
