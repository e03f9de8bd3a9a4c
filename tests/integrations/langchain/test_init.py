"""The adapter stands on public names alone, and costs nothing until it is used."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import pytest

import langchain_hybridge

FOLDER = Path(langchain_hybridge.__file__).parent
MODULES = sorted(FOLDER.glob("*.py"))


def imports(path: Path) -> Iterator[tuple[str, str | None]]:
    """Each module that a file imports from, with each name; None for the module itself."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_names_of_the_core_are_public(path: Path) -> None:
    for module, name in imports(path):
        if module.split(".")[0] != "hybridge" or name is None:
            continue
        home = importlib.import_module(module)
        is_module = f"{module}.{name}" in sys.modules and name in ("colbert", "cross_encoder")
        assert is_module or name in home.__all__, f"{module} does not offer {name}"
        assert not any(part.startswith("_") for part in [*module.split("."), name])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_langchain_s_core_is_all_of_langchain_that_is_needed(path: Path) -> None:
    allowed = {"hybridge", "langchain_core", "pydantic", "pydantic_core", "qdrant_client"}
    if path.stem in (
        "fields",
        "structured_query",
    ):  # imported where it is installed, and nowhere needed
        allowed |= {"langchain_classic"}
    for module, name in imports(path):
        root, *inner = module.split(".")
        assert root in allowed | sys.stdlib_module_names, f"{path.name} imports {module}"
        assert not any(part.startswith("_") for part in inner)
        if root == "langchain_core" and name is not None:
            assert not name.startswith("_")


def test_everything_public_is_listed_and_there() -> None:
    offered = langchain_hybridge.__all__
    assert offered == sorted(offered)
    public = {
        name
        for name, value in vars(langchain_hybridge).items()
        if not name.startswith("_") and isinstance(value, type)
    }
    others = set(offered) - public
    assert public < set(offered)
    assert "__version__" in others
    assert all(isinstance(getattr(langchain_hybridge, name), str | FunctionType) for name in others)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_each_module_lists_what_it_offers(path: Path) -> None:
    name = "langchain_hybridge" + ("" if path.stem == "__init__" else f".{path.stem}")
    module = importlib.import_module(name)
    assert sorted(module.__all__) == sorted(set(module.__all__))
    assert all(hasattr(module, each) for each in module.__all__)
    assert (module.__doc__ or "").strip()


def test_importing_it_loads_no_model_library() -> None:
    heavy = ["torch", "transformers", "sentence_transformers", "ragatouille", "langchain_classic"]
    code = (
        "import sys, langchain_hybridge;"
        "from langchain_hybridge import *;"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_an_earlier_name_still_works() -> None:
    with pytest.warns(DeprecationWarning, match="HybridRetriever is called HybridgeRetriever"):
        assert langchain_hybridge.HybridRetriever is langchain_hybridge.HybridgeRetriever
    with pytest.raises(AttributeError, match="has no attribute 'NoSuchName'"):
        _ = langchain_hybridge.NoSuchName
