"""The address of a Qdrant server, as people write it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from ..errors import InvalidInputError

__all__ = ["Address", "shown"]

_PORTS = {"http": 6333, "https": 443}
_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Address:
    """Where a server listens.

    Args:
        base: scheme, host, port and path, before the paths of requests.
        port: of the server.
        headers: of a user and password in the address, for a proxy that asks for them.

    >>> Address.parse("https://qdrant.example.org/vectors/").base
    'https://qdrant.example.org:443/vectors'
    """

    base: str
    port: int
    headers: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, url: str, *, has_key: bool = False, is_whole: bool = False) -> Address:
        """Read an address: port 443 for https, 6333 for http, unless it names another.

        Args:
            url: such as "http://localhost:6333", with a path for a server behind a proxy.
            has_key: without a scheme, a server with a key is reached by https.
            is_whole: without a port, http is on 80, as for any other program.

        Raises:
            InvalidInputError: it is no address of a server.
        """
        if not isinstance(url, str):
            raise InvalidInputError(f"url must be an address as a string, not {url!r}")
        text = url.strip()
        if "://" not in text:
            text = f"{'https' if has_key else 'http'}://{text}"
        try:
            parts = urlsplit(text)
            port = parts.port or (_USUAL_PORTS if is_whole else _PORTS).get(parts.scheme, 0)
        except ValueError as error:
            # The reason may quote a password that has a slash.
            reason = "quote / ? # and @ in its password" if "@" in text else error
            raise InvalidInputError(f"{shown(text)!r} is no address: {reason}") from None
        if parts.scheme not in _PORTS:
            raise InvalidInputError(
                f"{shown(text)!r} is no address of Qdrant's REST API: begin it with http:// or "
                "https://"
            )
        if not parts.hostname or any(map(str.isspace, text)):
            raise InvalidInputError(
                f"{shown(text)!r} names no host: give for example 'http://localhost:6333'"
            )
        if parts.query or parts.fragment:
            raise InvalidInputError(
                f"{shown(text)!r} goes on after its path: leave out what follows ? or #, and give "
                "a key as api_key="
            )
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        base = f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"
        return cls(base, port, _credentials(parts))

    def __str__(self) -> str:
        return self.base

    @property
    def is_secure(self) -> bool:
        """Whether it begins with https."""
        return self.base.startswith("https:")


def _credentials(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def shown(text: str) -> str:
    """Return an address without what may be secret: user, password and query.

    >>> shown("https://ada:secret@qdrant.example.org/vectors?api_key=secret")
    'https://qdrant.example.org/vectors'
    """
    scheme, mark, rest = text.partition("://") if "://" in text else ("", "", text)
    named = rest.partition("?")[0].partition("#")[0]
    if "@" in rest and "@" not in named:  # part of a password, or of a query
        named = "…"
    return f"{scheme}{mark}{named.rpartition('@')[2]}"
