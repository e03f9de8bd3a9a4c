"""What stands between the network and the application: hosts, keys, origins, and limits.

Each guard is an ASGI application around the next one. `add_guards` puts them in their order.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import quote, urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import InvalidInputError
from .metrics import Metrics
from .problems import problem

__all__ = ["KEYS_VARIABLE", "LOOPBACK", "Guards", "Keys", "add_guards", "keys_from_environment"]

logger = logging.getLogger(__name__)

KEYS_VARIABLE = "HYBRIDGE_API_KEYS"
"""The variable of the environment that holds the keys, parted by commas."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""The names of this machine, by which alone a server on it may be asked."""

_SHORTEST = 16  # letters of a key, which must not be guessed

# Scripts, styles and pictures come from this server alone, and none stand within a page.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN = ("/health/", "/static/", "/login")  # What is answered without a key.


class Keys:
    """The keys of a server, and the cookies that stand for them.

    Args:
        keys: of at least 16 letters each.

    Attributes:
        cookie: the cookie's name.

    >>> keys = Keys(["correct-horse-battery"])
    >>> keys.accept("correct-horse-battery"), keys.accept("wrong")
    (True, False)
    """

    cookie = "hybridge"

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys = [key.encode() for key in keys]
        if any(len(key) < _SHORTEST for key in self._keys):
            raise InvalidInputError(
                f"a key must have at least {_SHORTEST} letters: make one with "
                "python -c 'import secrets; print(secrets.token_urlsafe(24))'"
            )
        # Cookies end with the process.
        secret = secrets.token_bytes(32)
        self._tokens = [hmac.new(secret, key, sha256).hexdigest().encode() for key in self._keys]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def accept(self, key: str) -> bool:
        """Return whether this is a key; the time that it takes says nothing."""
        return _is_among(key, self._keys)

    def token(self, key: str) -> str:
        """Return the value of the cookie that stands for a key."""
        return self._tokens[self._keys.index(key.encode())].decode()

    def allow(self, headers: Headers) -> bool:
        """Return whether a request has a key, or a cookie that stands for one."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.accept(key.strip()):
            return True
        # As browsers write them: `http.cookies` reads none behind one that it takes for invalid.
        cookie = cookie_parser(headers.get("cookie", "")).get(self.cookie)
        return cookie is not None and _is_among(cookie, self._tokens)


def _is_among(value: str, known: list[bytes]) -> bool:
    encoded = value.encode(errors="replace")
    # All are compared, so that the time does not show which.
    return sum(hmac.compare_digest(encoded, each) for each in known) > 0


def keys_from_environment(environment: Mapping[str, str] = os.environ) -> Keys:
    """Return the keys in `HYBRIDGE_API_KEYS`.

    Args:
        environment: where the variable is.

    Raises:
        InvalidInputError: a key is too short.
    """
    keys = environment.get(KEYS_VARIABLE, "").split(",")
    return Keys(key.strip() for key in keys if key.strip())


@dataclass(frozen=True)
class Guards:
    """What a server allows.

    Args:
        keys: one of which a request must have; none asks for none.
        hosts: the names by which the server may be asked; None for any.
        body: bytes of a request's body at most.
        body_seconds: that a body may take to arrive.
        seconds: until an answer begins, and between its parts.
        at_once: requests that are answered at the same time.
    """

    keys: Keys = field(default_factory=Keys)
    hosts: frozenset[str] | None = LOOPBACK
    body: int = 8 * 1024 * 1024
    body_seconds: float = 10.0
    seconds: float = 60.0
    at_once: int = 64


def add_guards(app: FastAPI, guards: Guards, metrics: Metrics) -> None:
    """Put the guards in front of an application.

    Args:
        app: the application.
        guards: what it allows.
        metrics: where requests are counted.
    """
    # The last one added is the first to see a request.
    app.add_middleware(_Body, most=guards.body, seconds=guards.body_seconds)
    app.add_middleware(_Time, seconds=guards.seconds)
    app.add_middleware(_AtOnce, most=guards.at_once)
    app.add_middleware(_Origin)
    if guards.keys:
        app.add_middleware(_Key, keys=guards.keys)
    if guards.hosts is not None:
        app.add_middleware(_Host, hosts=guards.hosts)
    app.add_middleware(_Outermost, metrics=metrics)


class _Outermost:
    """Counts requests, sets headers that browsers obey, and answers what nothing else caught."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        began = time.perf_counter()
        self.metrics.in_flight += 1
        try:
            await self.app(scope, receive, sending)
        except Exception:
            if status:
                raise
            logger.exception("%s %r failed", scope["method"], scope["path"])
            detail = "an internal error: the server's log has it"
            await problem(500, detail)(scope, receive, sending)
        finally:
            self.metrics.in_flight -= 1
            route = getattr(scope.get("route"), "path", "other")
            seconds = time.perf_counter() - began
            self.metrics.count(route, scope["method"], status, seconds)


class _Host:
    """Refuses a request for another host: a page's name that its owner points at this machine."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self.app = app
        self.hosts = frozenset(map(str.lower, hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/health/"):
            host = Headers(scope=scope).get("host", "")
            if _name(host) not in self.hosts:
                answer = problem(
                    421,
                    f"this server is not {host!r:.100}: ask it as one of "
                    f"{', '.join(sorted(self.hosts))}, or start it with --allowed-host",
                )
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _name(host: str) -> str | None:
    """Return the name in a Host header, without the port; None for what is no host."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


class _Key:
    """Asks for a key: of programs as a bearer's token, of people by a form."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self.app = app
        self.keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_OPEN):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self.keys.allow(headers):
            await self.app(scope, receive, send)
            return
        answer = problem(
            401,
            "give one of the server's keys, as in 'Authorization: Bearer KEY'",
            {"WWW-Authenticate": "Bearer"},
        )
        if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            query = scope["query_string"].decode("latin-1")
            page = scope["path"] + (f"?{query}" if query else "")
            answer.status_code = 303
            answer.headers["Location"] = f"/login?to={quote(page)}"
        await answer(scope, receive, send)


class _Origin:
    """Refuses what another site's page asks for, but for a link that a person follows.

    Such a page could read no answer, yet make this server work and measure how long it takes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            follows = scope["method"] in _SAFE and headers.get("sec-fetch-dest") == "document"
            if not (follows or _is_own(headers, scope["method"])):
                answer = problem(403, "another site's page may not ask this: use this server's")
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _is_own(headers: Headers, method: str) -> bool:
    """Return whether a request is from a page of this server, or from no page at all."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or method in _SAFE or origin.partition("://")[2] == headers.get("host")


class _AtOnce:
    """Refuses requests beyond so many at once."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app = app
        self.most = most
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/health/"):
            await self.app(scope, receive, send)
            return
        if self.running >= self.most:
            detail = f"{self.most} requests are being answered: ask again in a second"
            await problem(503, detail, {"Retry-After": "1"})(scope, receive, send)
            return
        self.running += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.running -= 1


class _Time:
    """Ends a request whose answer takes too long to begin, or stalls."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        loop, began = asyncio.get_running_loop(), False
        limit = asyncio.timeout(self.seconds)

        async def timed(message: Message) -> None:
            nonlocal began
            began = True
            limit.reschedule(loop.time() + self.seconds)
            await send(message)  # Which waits for a client that does not read.

        try:
            async with limit:
                await self.app(scope, receive, timed)
        except TimeoutError:
            if not limit.expired():
                raise
            if not began:
                detail = f"no answer within {self.seconds:g} s: ask for less, or raise --seconds"
                await problem(503, detail, {"Retry-After": "5"})(scope, receive, send)
            # Of an answer that began nothing can be said: the server ends the connection.


class _Body:
    """Reads a request's body before the application does, up to so many bytes and seconds."""

    def __init__(self, app: ASGIApp, most: int, seconds: float) -> None:
        self.app = app
        self.most = most
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if "content-length" not in headers and "transfer-encoding" not in headers:
            await self.app(scope, receive, send)
            return
        # The rest of a body that is refused is not read: the connection ends.
        close = {"Connection": "close"}
        length = headers.get("content-length", "0")
        too_large = problem(413, f"a body may have {self.most:,} bytes at most", close)
        if not length.isdecimal() or int(length[:20]) > self.most:
            await too_large(scope, receive, send)
            return
        body = bytearray()
        try:
            async with asyncio.timeout(self.seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > self.most:
                        await too_large(scope, receive, send)
                        return
        except TimeoutError:
            detail = f"the body did not arrive within {self.seconds:g} s"
            await problem(408, detail, close)(scope, receive, send)
            return
        whole: Message | None = {"type": "http.request", "body": bytes(body), "more_body": False}

        async def replayed() -> Message:
            nonlocal whole
            if whole is None:
                return await receive()
            message, whole = whole, None
            return message

        await self.app(scope, replayed, send)
