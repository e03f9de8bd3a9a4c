"""What holds for the package as a whole: its names, its imports and its metadata."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from logging import Logger
from pathlib import Path
from typing import TypeVar

import pytest

import hybridge

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "hybridge"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HEAVY = {
    "bm25s",
    "colbert",
    "faiss",
    "langchain_core",
    "llama_index",
    "numba",
    "qdrant_client",
    "qdrant_edge",
    "ragatouille",
    "sentence_transformers",
    "torch",
    "transformers",
}


def _module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
PUBLIC_MODULES = [
    name for name in MODULES if not any(part.startswith("_") for part in name.split("."))
]
# Its classes derive from sentence-transformers', so that it alone imports torch at its top.
DERIVED = "hybridge.adaptation.hooks"


def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def _names_defined_in(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        match node:
            case (
                ast.FunctionDef(decorator_list=decorators)
                | ast.AsyncFunctionDef(decorator_list=decorators)
            ) if any(ast.unparse(each).startswith("router.") for each in decorators):
                pass  # a route, which is known by its path
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))


@pytest.mark.parametrize(
    "module",
    [pytest.param(m, marks=pytest.mark.model) if m == DERIVED else m for m in PUBLIC_MODULES],
)
def test_all_lists_the_public_names_and_no_others(module: str) -> None:
    imported = importlib.import_module(module)
    listed = imported.__all__
    assert len(listed) == len(set(listed))
    assert [name for name in listed if not hasattr(imported, name)] == []
    defined = {name for name in _names_defined_in(_tree(module)) if not name.startswith("_")}
    public = {name for name in defined if not isinstance(getattr(imported, name), Logger | TypeVar)}
    assert public - set(listed) == set()


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(_tree(module))


def test_every_lazy_export_has_the_home_that_type_checkers_see() -> None:
    seen = {
        alias.asname or alias.name: statement.module or ""
        for block in _tree("hybridge").body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert seen == hybridge._HOMES
    for name, home in seen.items():
        source = importlib.import_module(f"hybridge.{home}")
        assert getattr(hybridge, name) is getattr(source, name)


def test_about_forty_names_are_exported_each_with_a_docstring() -> None:
    assert 30 < len(hybridge.__all__) < 50
    assert {*hybridge.__all__} <= {*dir(hybridge)}
    for name in hybridge.__all__:
        value = getattr(hybridge, name)
        # A class without a docstring has its base's.
        assert vars(value)["__doc__"] if isinstance(value, type) else value.__doc__, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'HybridgeIndex'"):
        hybridge.HybridgeIndex  # noqa: B018


@pytest.mark.parametrize(
    "code",
    [
        "import hybridge",
        "import sys; sys.argv = ['hybridge', '--help']; from hybridge.cli import main; main()",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.splitlines()[-1]
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "hybridge" in imported
    assert imported & HEAVY == set()


def test_the_version_is_the_distribution_s() -> None:
    assert hybridge.__version__ == version("hybridge")
    assert "version" not in PROJECT


def test_the_changelog_tells_of_this_version_and_of_what_comes_next() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    releases = [line.split()[1] for line in text.splitlines() if line.startswith("## ")]
    assert releases[:2] == ["[Unreleased]", f"[{hybridge.__version__}]"]


def test_the_extras_are_there() -> None:
    expected = {"offline", "colbert", "cli", "bench", "notebooks", "dev", "all"}
    assert expected <= PROJECT["optional-dependencies"].keys()
