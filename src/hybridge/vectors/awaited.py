"""The payload indexes that the next `optimize` makes: a file beside the embedded engine's own.

It outlives the process of the searches, because another process may call `optimize`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..errors import CorruptIndexError
from ..lexical.files import replace_file

__all__ = ["read_awaited", "write_awaited"]

_FILE = "awaited.json"


def read_awaited(folder: Path) -> dict[str, str]:
    """Read the payload indexes that a store in a folder awaits, path to kind.

    Raises:
        CorruptIndexError: the file is damaged.
    """
    path = folder / _FILE
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}
    except (OSError, TypeError, ValueError) as error:
        raise CorruptIndexError(
            f"{path} cannot be read ({error}): delete it, it holds no passages"
        ) from error


def write_awaited(folder: Path, indexes: Mapping[str, str]) -> None:
    """Replace the payload indexes that a store in a folder awaits.

    Raises:
        StoreError: the file cannot be written.
    """
    with replace_file(folder / _FILE) as file:
        file.write(json.dumps(dict(indexes), indent=1).encode())
