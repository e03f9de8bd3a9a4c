"""The folder of what is made of models and can be made again."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["user_cache"]


def user_cache() -> Path:
    """Return ``HYBRIDGE_CACHE``, or the folder that the platform gives to caches of this user.

    >>> user_cache().is_absolute()
    True
    """
    if named := os.environ.get("HYBRIDGE_CACHE"):
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("hybridge", appauthor=False)
