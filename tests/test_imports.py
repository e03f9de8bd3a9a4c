"""Files that import each other in a circle can only be read together: there are none."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
HOMES = {
    "hybridge": ROOT / "src",
    "langchain_hybridge": ROOT / "integrations" / "langchain",
    "llama_index": ROOT / "integrations" / "llama_index",
}


def module(path: PurePosixPath) -> str:
    return ".".join(path.parent.parts if path.stem == "__init__" else path.with_suffix("").parts)


def imported(path: PurePosixPath, text: str, modules: set[str]) -> Iterator[str]:
    """Yield the imports of these modules anywhere in a file, also those for types alone.

    An import within a function delays a circle, and one for types hides it from Python; a reader
    of the two files meets both.
    """
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            above = path.parts[: -node.level] if node.level else ()
            origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inside = f"{origin}.{alias.name}"
                yield from {inside if inside in modules else origin} & modules


def circle(files: Mapping[str, str]) -> list[str]:
    """Modules each of which the next one imports, the first once more at the end; [] for none."""
    paths = {PurePosixPath(name): text for name, text in files.items()}
    modules = set(map(module, paths))
    graph = {
        module(path): set(imported(path, text, modules)) - {module(path)}
        for path, text in paths.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_files_import_each_other_in_a_circle() -> None:
    files = {
        path.relative_to(home).as_posix(): path.read_text("utf-8")
        for package, home in HOMES.items()
        for path in sorted((home / package).rglob("*.py"))
    }
    assert {"hybridge/__init__.py", "llama_index/retrievers/hybridge/nodes.py"} <= files.keys()
    assert circle(files) == []


def test_a_circle_is_found_however_it_is_imported() -> None:
    ways = {
        "from .b import x": "from .a import y",
        "from . import b": "import p.a",
        "def f():\n    from p.b import x": "from p import a",
        "if TYPE_CHECKING:\n    from ..p.b import x": "from .a import y as y",
    }
    for one, other in ways.items():
        files = {"p/__init__.py": "", "p/a.py": one, "p/b.py": other}
        assert set(circle(files)) == {"p.a", "p.b"}
        assert circle({**files, "p/b.py": "import json"}) == []


def test_a_package_that_its_own_module_imports_is_a_circle() -> None:
    assert set(circle({"p/__init__.py": "from .a import x", "p/a.py": "from . import y"})) == {
        "p",
        "p.a",
    }
