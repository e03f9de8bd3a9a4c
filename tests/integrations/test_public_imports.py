"""The adapters stand on what Hybridge documents, and on a version that has it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADAPTERS = {
    "langchain": ROOT / "integrations" / "langchain" / "langchain_hybridge",
    "llama_index": ROOT / "integrations" / "llama_index" / "llama_index",
}
FILES = sorted(path for folder in ADAPTERS.values() for path in folder.rglob("*.py"))
# Modules that the reference documents.
PUBLIC = {
    "hybridge",
    *(
        module
        for page in sorted((ROOT / "docs" / "api").glob("*.md"))
        for module in re.findall(r"^::: (hybridge\.\w+)$", page.read_text("utf-8"), re.MULTILINE)
    ),
}


def imported(text: str) -> Iterator[tuple[str, str]]:
    """What a file imports of Hybridge, anywhere in it: modules, each with a name in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "hybridge":
                    yield alias.name, ""
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = node.module or ""
            if module.split(".")[0] == "hybridge":
                yield from ((module, alias.name) for alias in node.names)


def private(text: str) -> list[str]:
    """Those of a file's imports that are not public."""
    found = []
    for module, name in imported(text):
        listed = module in PUBLIC and (not name or name in import_module(module).__all__)
        if not listed and f"{module}.{name}" not in PUBLIC:
            found.append(f"{module}: {name}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_an_adapter_imports_public_names_alone(path: Path) -> None:
    assert private(path.read_text("utf-8")) == []


def test_a_private_import_is_found_wherever_it_is() -> None:
    assert {"hybridge.interop", "hybridge.errors"} <= PUBLIC
    assert len(FILES) > 20
    assert private("from hybridge import HybridIndex, colbert\nimport hybridge.filters") == []
    for line in (
        "from hybridge.index.tuned import TunedIndex",
        "from hybridge.arguments import check_k",
        "import hybridge.copying",
        "def f():\n    from hybridge.filters import nothing_of_the_kind",
    ):
        assert len(private(line)) == 1
