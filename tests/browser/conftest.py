"""A real server over a small index, and a real Chromium that looks at it.

The fixture `visit` opens pages. At the end of a test each page that it opened must have made no
request to another host, and have logged no error.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hybridge import HybridIndex
from hybridge.server import create_app

from .passages import HOSTILE, PASSAGES
from .rerankers import Shortest

Scheme = Literal["light", "dark"]
Visit = Callable[..., Page]

# What the server sends on its own; a test of pages must not depend on whether it does already.
_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
SIZES = {"wide": (1280, 800), "narrow": (400, 800)}


def chromium() -> str | None:
    """Return where Chromium is: the one of the system, or None for Playwright's own."""
    found = os.environ.get("HYBRIDGE_CHROMIUM") or shutil.which("chromium")
    return found or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass(frozen=True)
class Served:
    """A running server."""

    url: str
    index: HybridIndex
    app: Any


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the passages on a free port, all day."""
    folder = tmp_path_factory.mktemp("served") / "manual"
    with HybridIndex.create(folder, late_interaction=True) as index:
        index.add([*PASSAGES, *HOSTILE])
        app = create_app(index, rerankers={"shortest": Shortest()}, name="manual")
        with Running(_WithPolicy(app)) as url:
            yield Served(url, index, app)


class _WithPolicy:
    """Middleware that adds the content security policy where there is none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message["headers"]}
                if b"content-security-policy" not in names:
                    header = (b"content-security-policy", _POLICY.encode())
                    message["headers"] = [*message["headers"], header]
            await send(message)

        await self._app(scope, receive, add)


class Running:
    """A server in a thread, until the block ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="warning", lifespan="on")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def __enter__(self) -> str:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            self._thread.join(0.01)
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


# Not of the session: while Playwright runs, its event loop keeps tests of others from running one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one Chromium for the tests of a file."""
    with sync_playwright() as playwright:
        path = chromium() or playwright.chromium.executable_path
        if not Path(path).exists():
            pytest.skip(
                "there is no Chromium: install the system's (apt install chromium), or "
                "Playwright's (playwright install chromium)"
            )
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(served: Served, browser: Browser) -> Iterator[Visit]:
    """Return a function that opens a path of the server in a new window.

    With ``fails=True`` requests that fail are expected, which browsers log.
    """
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_page(
        path: str = "/", *, size: str = "wide", scheme: Scheme = "light", fails: bool = False
    ) -> Page:
        width, height = SIZES[size]
        context = browser.new_context(
            base_url=served.url,
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        if not fails:
            page.on("console", lambda message: _note(faults, message.type, message.text))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("request", lambda request: _check_host(faults, request.url, served.url))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not faults


def _note(faults: list[str], kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        faults.append(f"{kind}: {text}")


def _check_host(faults: list[str], url: str, own: str) -> None:
    if not url.startswith((own, "data:", "blob:", "about:")):
        faults.append(f"request to {url}")


def check_accessibility(page: Page) -> None:
    """Fail on a finding of axe-core that is serious."""
    found = Axe().run(page).response["violations"]
    serious = [
        (each["id"], [node["html"][:200] for node in each["nodes"]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    assert not serious


def check_width(page: Page) -> None:
    """Fail on content that is wider than the window, or than a dialog."""
    wider = page.evaluate(
        """() => {
          const root = document.documentElement;
          if (root.scrollWidth <= root.clientWidth) return [];
          return [...document.querySelectorAll("body *")]
            .filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1)
            .map((e) => e.outerHTML.slice(0, 120)).slice(0, 5);
        }"""
    )
    assert not wider
    sheets = page.evaluate(
        "() => [...document.querySelectorAll('dialog[open]')]"
        ".map((sheet) => sheet.scrollWidth - sheet.clientWidth)"
    )
    assert all(width <= 0 for width in sheets)
