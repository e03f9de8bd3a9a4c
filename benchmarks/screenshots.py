"""Take the documentation's pictures of the pages, by a real Chromium over the demo's index."""

from __future__ import annotations

import argparse
import shutil
import socket
import threading
from pathlib import Path
from urllib.parse import urlencode

import uvicorn
from playwright.sync_api import Browser, sync_playwright

from hybridge import HybridIndex
from hybridge.server import create_app

QUESTION = "Why does my function remember the list from the previous call?"
BM25_ALONE = {"compare": "1", "k": "5", "b.k": "5", "b.weights": '{"bm25": 1, "dense": 0}'}
# A name → the parameters of its link, the size of the window, and whether it is dark. FIRST stands
# for the id of the first answer.
FIRST = ""
PICTURES: dict[str, tuple[dict[str, str], tuple[int, int], bool]] = {
    "page-compare": (BM25_ALONE, (1280, 800), False),
    "page-explain": ({"explain": FIRST}, (1280, 800), True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path, help="the folder of the demo's index")
    parser.add_argument("--output", type=Path, default=Path("docs/pictures"))
    arguments = parser.parse_args()
    with HybridIndex.open(arguments.index, read_only=True) as index, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        app = create_app(index, name="Python")
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, args=([bound],))
        thread.start()
        [[first, *_]] = index.search([QUESTION])
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                for name in PICTURES:
                    take(browser, url, name, first.passage.id, arguments.output / f"{name}.png")
        finally:
            server.should_exit = True
            thread.join()


def take(browser: Browser, url: str, name: str, first: str, file: Path) -> None:
    """Take one picture.

    Args:
        browser: a running one.
        url: of the server.
        name: of the picture.
        first: the id of the passage that is explained.
        file: is written.
    """
    chosen, (width, height), is_dark = PICTURES[name]
    params = {"q": QUESTION} | {key: value or first for key, value in chosen.items()}
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if is_dark else "light",
        device_scale_factor=1.5,
    )
    page.goto(f"{url}?{urlencode(params)}")
    page.screenshot(path=file)
    print(file, page.title())
    page.close()


if __name__ == "__main__":
    main()
