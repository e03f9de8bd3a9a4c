"""What is sent to a Qdrant engine: one request of its REST API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidInputError

__all__ = ["Request"]

_LEAVES = re.compile(r"/\.{1,2}(?:/|$)")


@dataclass(frozen=True)
class Request:
    """One request of Qdrant's REST API.

    Args:
        action: its purpose, for messages: "search", "add passages", "create a collection".
        method: "GET", "POST", "PUT", "PATCH" or "DELETE".
        path: names in it are quoted: "/collections/beets/points/query/batch".
        body: JSON, with numpy arrays as lists; None without.
        params: of the query string, for example ``{"wait": "true"}``.
        is_retried: whether it may be repeated: reads, and writes with ids.

    >>> Request("count", "POST", "/collections/beets/points/count", {"exact": True}).is_retried
    True
    """

    action: str
    method: str
    path: str
    body: Any = None
    params: Mapping[str, str] | None = None
    is_retried: bool = True

    def __post_init__(self) -> None:
        if _LEAVES.search(self.path):  # "/collections/.." is the path of another thing
            raise InvalidInputError(f"{self.path!r} has a name that is '.' or '..': choose another")
