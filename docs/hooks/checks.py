"""What no built page may hold; the strict build fails where one does."""

from __future__ import annotations

import logging
import re

from mkdocs.structure.pages import Page

FORBIDDEN = {
    "something fetched": r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=.?https?:",
    "a doctest that is no code block": r"<blockquote>\s*<blockquote>\s*<blockquote>",
    "reStructuredText": r"\.\. \w+::|:math:`",
}

logger = logging.getLogger(f"mkdocs.hooks.{__name__}")


def on_post_page(output: str, page: Page, **_: object) -> None:
    """Warn of it, by name."""
    for what, pattern in FORBIDDEN.items():
        found = re.search(pattern, output)
        if found:
            logger.warning("%s holds %s: %s", page.file.src_uri, what, found[0])
