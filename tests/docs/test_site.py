"""The site holds every page, every public module and every command; the build checks its links."""

from __future__ import annotations

import pkgutil
import re
import runpy
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

import hybridge
from hybridge.cli.commands import hybridge as cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
READMES = runpy.run_path(str(DOCS / "hooks" / "readmes.py"))
ADAPTERS = {
    "langchain_hybridge",
    "llama_index.postprocessor.hybridge",
    "llama_index.retrievers.hybridge",
    "llama_index.vector_stores.hybridge",
}
# What other modules are made of, and nobody imports; the command line has a page of its own.
INTERNAL = {
    "__main__",
    "analysis",
    "arguments",
    "cli",
    "copying",
    "doctor",
    "forking",
    "gathering",
    "hits",
    "iteration",
    "queries",
    "report",
    "steps",
    "threads",
}


def test_the_navigation_names_every_page_once() -> None:
    written = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    named = list(_pages(CONFIG["nav"]))
    assert sorted(named) == sorted(written | set(READMES["PAGES"].values()))


def test_every_public_module_is_in_the_reference() -> None:
    modules = {module.name for module in pkgutil.iter_modules(hybridge.__path__)}
    assert modules >= INTERNAL
    documented = _documented()
    assert sorted(documented) == sorted({f"hybridge.{m}" for m in modules - INTERNAL} | ADAPTERS)


def test_every_name_that_hybridge_exports_is_in_the_reference() -> None:
    named = {name for module in _documented() for name in import_module(module).__all__}
    assert set(hybridge.__all__) - named == set()
    page = (DOCS / "api" / "index.md").read_text("utf-8")
    rows = page.split("## Names of `hybridge`")[1].split("|---|---|\n")[1]
    assert sorted(re.findall(r"`(\w+)`", rows)) == hybridge.__all__


@pytest.mark.parametrize(
    ("written", "led"),
    [
        ("[its README](../langchain/README.md)", "[its README](langchain.md)"),
        ("[measured](../../README.md#measured)", "[measured](index.md#measured)"),
        ("[examples/](examples)", "examples/"),
        ("[the guide](../../docs/guides/reranking.md#x)", "[the guide](guides/reranking.md#x)"),
        ("[Six](../../notebooks)", "[Six](guides/notebooks.md)"),
        ("[elsewhere](https://example.org)", "[elsewhere](https://example.org)"),
        ("[below](#below)", "[below](#below)"),
        ("found[0](x)", "found[0](x)"),
    ],
)
def test_links_of_a_readme_are_led_to_where_things_lie_in_the_site(written: str, led: str) -> None:
    assert READMES["page_of"]("integrations/llama_index/README.md", written) == led


def test_the_command_lines_page_shows_every_command_and_option() -> None:
    hook = runpy.run_path(str(DOCS / "hooks" / "commands.py"))
    page = (DOCS / "guides" / "command-line.md").read_text("utf-8")
    shown = hook["on_page_markdown"](page)
    for name, command in cli.commands.items():
        section = shown.split(f"## hybridge {name}\n")[1].split("\n## ")[0]
        for option in (flag for parameter in command.params for flag in parameter.opts):
            assert not option.startswith("-") or option in section
    assert hook["on_page_markdown"]("another page") == "another page"


def test_the_page_on_notebooks_names_all_of_them() -> None:
    page = (DOCS / "guides" / "notebooks.md").read_text("utf-8")
    named = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert named == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_every_recipe_is_in_the_migration_table() -> None:
    table = (DOCS / "migration.md").read_text("utf-8")
    for readme in ("langchain", "llama_index"):
        text = (ROOT / "integrations" / readme / "README.md").read_text("utf-8")
        recipes = text.split("## Coming from …")[1].split("\n## ")[0]
        for recipe in re.findall(r"^### (.+)$", recipes, re.MULTILINE):
            assert f"[{recipe}](" in table


def _pages(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    else:
        for inner in entry.values() if isinstance(entry, dict) else entry:
            yield from _pages(inner)


def _documented() -> list[str]:
    pages = (page.read_text("utf-8") for page in sorted((DOCS / "api").glob("*.md")))
    return [module for page in pages for module in re.findall(r"^::: (\S+)$", page, re.MULTILINE)]
