"""The JSON files of a model's folder, read or refused with their name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import ModelNotFoundError

__all__ = ["read_object"]


def read_object(path: Path, *, optional: bool = False) -> dict[str, Any]:
    """The JSON object in a file of a model's folder.

    Args:
        path: the file.
        optional: take a file that is not there for an empty object.

    Raises:
        ModelNotFoundError: the file cannot be read, or holds something else.

    >>> read_object(Path("/no/such/config.json"), optional=True)
    {}
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        if optional and isinstance(error, FileNotFoundError):
            return {}
        raise ModelNotFoundError(f"{str(path)!r} cannot be read: {error}") from error
    except ValueError as error:
        raise ModelNotFoundError(f"{str(path)!r} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelNotFoundError(f"{str(path)!r} is not a JSON object but {content!r:.40}")
    return content
