"""The adapter stands on public names alone, and costs nothing until it is used."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import llama_index.postprocessor.hybridge
import llama_index.retrievers.hybridge
import llama_index.vector_stores.hybridge

PACKAGES = [
    llama_index.postprocessor.hybridge,
    llama_index.retrievers.hybridge,
    llama_index.vector_stores.hybridge,
]
MODULES = {
    package.__name__ + ("" if path.stem == "__init__" else f".{path.stem}"): path
    for package in PACKAGES
    for path in sorted(Path(str(package.__file__)).parent.glob("*.py"))
}


def imports(path: Path) -> Iterator[tuple[str, str | None]]:
    """Each module that a file imports from, with each name; None for the module itself."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)


@pytest.mark.parametrize("module", MODULES)
def test_names_of_hybridge_are_public(module: str) -> None:
    for source, name in imports(MODULES[module]):
        if name is None or not source.startswith(
            ("hybridge", *(each.__name__ for each in PACKAGES))
        ):
            continue
        home = importlib.import_module(source)
        is_module = source == "hybridge" and name in ("colbert", "cross_encoder")
        assert is_module or name in home.__all__, f"{source} does not offer {name}"
        assert not any(part.startswith("_") for part in [*source.split("."), name])


@pytest.mark.parametrize("module", MODULES)
def test_llamaindex_s_core_is_all_of_llamaindex_that_is_needed(module: str) -> None:
    ours = tuple(package.__name__ for package in PACKAGES)
    for source, name in imports(MODULES[module]):
        root, *inner = source.split(".")
        if root == "llama_index":
            assert inner[0] == "core" or source.startswith(ours), f"{module} imports {source}"
        else:
            allowed = {"hybridge", "qdrant_client"} | sys.stdlib_module_names
            assert root in allowed, f"{module} imports {source}"
        assert not any(
            part.startswith("_") for part in [*inner, name or ""] if part != "__future__"
        )


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_everything_public_is_listed_and_there(package: ModuleType) -> None:
    offered = package.__all__
    assert offered == sorted(offered)
    public = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and isinstance(value, type)
    }
    others = set(offered) - public
    assert public < set(offered)
    assert "__version__" in others
    assert all(isinstance(getattr(package, name), str | FunctionType) for name in others)


@pytest.mark.parametrize("module", MODULES)
def test_each_module_lists_what_it_offers(module: str) -> None:
    imported = importlib.import_module(module)
    assert imported.__all__ == sorted(set(imported.__all__))
    assert all(hasattr(imported, each) for each in imported.__all__)
    assert (imported.__doc__ or "").strip()


@pytest.mark.parametrize("module", MODULES)
def test_each_module_can_be_read_at_a_sitting(module: str) -> None:
    assert len(MODULES[module].read_text("utf-8").splitlines()) <= 450


def test_importing_it_loads_no_model_library() -> None:
    heavy = {"torch", "transformers", "sentence_transformers", "ragatouille", "qdrant_client"}
    needed = {
        source
        for path in MODULES.values()
        for source, _ in imports(path)
        if source.startswith("llama_index.core")
    }
    code = (
        "import importlib, sys\n"
        f"for name in {sorted(needed)!r}: importlib.import_module(name)\n"
        "before = set(sys.modules)\n"
        f"for name in {list(MODULES)!r}: importlib.import_module(name)\n"
        f"heavy = {sorted(heavy)!r}\n"
        "print([name for name in heavy if name in before])\n"
        "print([name for name in heavy if name in set(sys.modules) - before])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    already, loaded = done.stdout.splitlines()[-2:]
    assert "torch" not in already  # or the next line could not fail
    assert loaded == "[]"
