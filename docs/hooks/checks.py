"""What built pages must and must not hold; the strict build fails where they err."""

from __future__ import annotations

import logging
import re
from importlib import import_module

from mkdocs.structure.pages import Page

FORBIDDEN = {
    "something fetched": r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=.?https?:",
    "a doctest that is no code block": r"<blockquote>\s*<blockquote>\s*<blockquote>",
    "reStructuredText": r"\.\. \w+::|:math:`",
}

logger = logging.getLogger(f"mkdocs.hooks.{__name__}")


def on_post_page(output: str, page: Page, **_: object) -> None:
    """Warn of what is there or is missing."""
    for what, pattern in FORBIDDEN.items():
        found = re.search(pattern, output)
        if found:
            logger.warning("%s holds %s: %s", page.file.src_uri, what, found[0])
    for module in re.findall(r"^::: (\S+)$", page.markdown or "", re.MULTILINE):
        for name in import_module(module).__all__:
            if not name.startswith("_") and f'id="{module}.{name}"' not in output:
                logger.warning("%s does not show %s of %s", page.file.src_uri, name, module)
