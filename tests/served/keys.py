"""What a key may do: a server's API keys and its tokens for one collection."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from hybridge.vectors.local import Refused

__all__ = ["Access", "check_access"]


@dataclass(frozen=True)
class Access:
    """What a key may do.

    Args:
        mode: "m" to manage the server, "r" to read; of a collection "r", "rw", or "prw" for its
            points alone.
        collection: the only one that it is for; None for the server.
        is_expired: whether its time is over.
    """

    mode: str = "m"
    collection: str | None = None
    is_expired: bool = False

    def sees(self, collection: str) -> bool:
        return self.collection in (None, collection)


def check_access(access: Access | None, method: str, path: str, *, writes: bool) -> None:
    """Refuse a request that a key does not allow.

    Args:
        writes: whether it changes something.

    Raises:
        Refused: in the server's words.
    """
    if access is None:
        return
    parts = list(map(unquote, path.strip("/").split("/")))
    name = parts[1] if len(parts) > 1 and parts[0] == "collections" else None
    if access.collection is None:
        if writes and access.mode != "m":
            raise Refused(403, "Forbidden: Global manage access is required")
        return
    is_of_server = name is None or (len(parts) == 2 and method != "GET") or name == "aliases"
    if is_of_server and path != "/collections":
        raise Refused(403, "Forbidden: Global access is required")
    if name is not None and name != access.collection:
        raise Refused(403, f"Forbidden: Access to collection {name} is required")
    if writes and (access.mode == "r" or (access.mode == "prw" and "index" in parts)):
        raise Refused(403, f"Forbidden: Write access to collection {name} is required")
