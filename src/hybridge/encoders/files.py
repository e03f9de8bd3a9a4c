"""The JSON files of a model's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import ModelNotFoundError

__all__ = ["read_modules", "read_object"]


def read_object(path: Path, *, optional: bool = False) -> dict[str, Any]:
    """Return the JSON object in a file of a model's folder.

    Args:
        path: the file.
        optional: return an empty object for a missing file.

    Raises:
        ModelNotFoundError: the file cannot be read, or holds something else.

    >>> read_object(Path("/no/such/config.json"), optional=True)
    {}
    """
    if optional and not path.exists():
        return {}
    content = _read(path)
    if not isinstance(content, dict):
        raise ModelNotFoundError(f"{str(path)!r} is not a JSON object but {content!r:.40}")
    return content


def read_modules(folder: Path) -> list[dict[str, Any]]:
    """Return the modules of a model saved by sentence-transformers, in their order.

    Args:
        folder: the folder of a saved model.

    Returns:
        An empty list where another library saved it.

    Raises:
        ModelNotFoundError: the file cannot be read, or holds no list of objects.

    >>> read_modules(Path("/no/such/model"))
    []
    """
    path = folder / "modules.json"
    if not path.is_file():
        return []
    content = _read(path)
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise ModelNotFoundError(f"{str(path)!r} is not a list of JSON objects: {content!r:.40}")
    return content


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelNotFoundError(f"{str(path)!r} cannot be read: {error}") from error
    except ValueError as error:
        raise ModelNotFoundError(f"{str(path)!r} is not JSON: {error}") from error
