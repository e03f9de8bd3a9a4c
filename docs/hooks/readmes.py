"""The READMEs and CONTRIBUTING are pages of the site, with their links rewritten for it."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[2]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "integrations/langchain/README.md": "langchain.md",
    "integrations/llama_index/README.md": "llama-index.md",
}
# A folder that has a page about it.
FOLDERS = {"notebooks": "guides/notebooks.md"}
_LINK = re.compile(r"(?P<label>\[[^\]]+\])\((?P<target>[^)#:\s]+)(?P<anchor>#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each README."""
    from mkdocs.structure.files import File

    for readme, page in PAGES.items():
        text = (ROOT / readme).read_text("utf-8")
        files.append(File.generated(config, page, content=page_of(readme, text)))
    return files


def page_of(readme: str, text: str) -> str:
    """The README's text with links that hold in the site; one that leads out of it is its label."""

    def led(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(readme), link["target"]))
        if not (ROOT / path).exists():
            return link[0]  # no link at all, such as code, or a broken one, which MkDocs reports
        page = (PAGES | FOLDERS).get(path) or path.removeprefix("docs/")
        if page == path:
            return link["label"][1:-1]
        return f"{link['label']}({page}{link['anchor'] or ''})"

    return _LINK.sub(led, text)
