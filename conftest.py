"""What holds for every test, the docstring examples under src included."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from threading import current_thread, main_thread
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

# Before anything imports a model library: no test waits for a model hub.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Graphs of models are made once a run, in a folder that its workers share: never in the user's.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["HYBRIDGE_CACHE"] = tempfile.mkdtemp(prefix="hybridge-tests-")
    atexit.register(shutil.rmtree, os.environ["HYBRIDGE_CACHE"], ignore_errors=True)


def _may_hold_folders(memory: Path) -> bool:
    """Whether a file system has room, and runs what is put there."""
    try:
        runs = not os.statvfs(memory).f_flag & os.ST_NOEXEC
        return runs and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30
    except (AttributeError, OSError):
        return False


# Small indexes wait for a disk longer than they compute; a killed process leaves as much in memory.
MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes folders of its own there
if "TMPDIR" not in os.environ and _may_hold_folders(MEMORY):
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None

# What tests with a mark use: by themselves, or by their fixtures and helpers.
MODULES = {
    "engine": {
        "langchain_qdrant",
        "llama_index.vector_stores.qdrant",
        "qdrant_client",
        "qdrant_edge",
    },
    "model": {"colbert", "ragatouille", "sentence_transformers", "torch", "transformers"},
}
NAMES = {
    "engine": {
        "ClientStore",
        "Double",
        "EdgeStore",
        "HybridIndex",
        "HybridVectorStore",
        "LocalConnection",
        "connect",
        "from_documents",
        "from_nodes",
        "from_texts",
        "new_index",
        "to_edge",
        "to_rest",
    },
    "model": {
        "ColBERTReranker",
        "ColBERTRetriever",
        "CrossEncoderReranker",
        "MultiVectorTokenEncoder",
        "SentenceTransformerEncoder",
        "as_encoder",
        "as_token_encoder",
        "export_checkpoint",
        "has_native_bfloat16",
        "training_free",
    },
    "slow": {"Popen", "examine", "fork", "subprocess"},
}
HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--unmarked",
        action="store_true",
        help=f"run the tests that have none of the marks {', '.join(NAMES)}",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Unmarked(alone=config.option.unmarked))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests by what they use, and leave out those that are not to run."""
    for item in items:
        for mark in _marks(item):
            item.add_marker(mark)
    left_out = {item for item in items if not _is_able(item)}
    if config.option.unmarked:
        left_out |= {item for item in items if any(map(item.get_closest_marker, NAMES))}
    if left_out:
        config.hook.pytest_deselected(items=[*left_out])
        items[:] = [item for item in items if item not in left_out]


def _is_able(item: pytest.Item) -> bool:
    """Whether a suite says that its retriever is able to what this rule of conformance asks."""
    ability = getattr(getattr(item, "function", None), "needs", None)
    return ability is None or bool(getattr(getattr(item, "cls", None), ability, True))


def _marks(item: pytest.Item) -> set[str]:
    used = set(_names_used(item))
    marks = {mark for mark, names in NAMES.items() if used & (names | MODULES.get(mark, set()))}
    return marks | _marks_of(item.path)


def _names_used(item: pytest.Item) -> Iterator[str]:
    """The names in the code of a test or example, and of what it calls of these tests' code."""
    waiting: list[Any] = [getattr(item, "function", None), getattr(item, "cls", None)]
    waiting += getattr(getattr(item, "callspec", None), "params", {}).values()
    for fixtures in getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {}).values():
        waiting += [fixture.func for fixture in fixtures]
    if isinstance(item, pytest.DoctestItem):
        waiting += [compile(part.source, "<example>", "exec") for part in item.dtest.examples]
    seen = set()
    while waiting:
        found = waiting.pop()
        found = getattr(found, "__func__", found)  # of a method
        if not isinstance(found, FunctionType | type | property | CodeType) or found in seen:
            continue
        seen.add(found)
        if hasattr(found, "hypothesis"):
            waiting.append(found.hypothesis.inner_test)
        elif isinstance(found, FunctionType) and _is_here(found.__module__):
            names = set(_names_in(found.__code__))
            yield from names
            waiting += map(found.__globals__.get, names)
        elif isinstance(found, type) and _is_here(found.__module__):
            waiting += [*found.__bases__, *vars(found).values()]
        elif isinstance(found, property):
            waiting.append(found.fget)
        elif isinstance(found, CodeType):
            yield from _names_in(found)


def _names_in(code: CodeType) -> Iterator[str]:
    """The names in a code, and in those within it: of functions and comprehensions."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names_in(inner)


@cache
def _is_here(module: str) -> bool:
    path = getattr(sys.modules.get(module), "__file__", None)
    return path is not None and Path(path).is_relative_to(HERE / "tests")


@cache
def _marks_of(path: Path) -> frozenset[str]:
    """The marks of all tests of a file or folder: modules that it imports at its top decide."""
    if not path.is_relative_to(HERE):
        return frozenset()
    file = path / "conftest.py" if path.is_dir() else path
    text = file.read_text("utf-8") if file.suffix == ".py" and file.is_file() else ""
    imported = {*re.findall(r"^(?:from|import) ([\w.]+)", text, re.MULTILINE)}
    imported |= {name.partition(".")[0] for name in imported}
    return _marks_of(path.parent) | {mark for mark in MODULES if imported & MODULES[mark]}


class Unmarked(Loader, MetaPathFinder):
    """A test without a mark cannot do what the marks are for.

    Args:
        alone: whether no other tests run, as by `--unmarked`: then nothing can, from the start on.
    """

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._in_test = False
        sys.meta_path.insert(0, self)
        sys.addaudithook(self._refuse_processes)

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Do not even import a file whose tests all have a mark, if they are not to run."""
        return True if self._alone and _marks_of(collection_path) else None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._in_test = not any(map(item.get_closest_marker, NAMES))
        try:
            return (yield)
        finally:
            self._in_test = False

    @property
    def _refuses(self) -> bool:
        # Other threads may be those of a test before, which has its marks.
        return self._in_test and current_thread() is main_thread()

    def _refuse_processes(self, event: str, _: tuple[Any, ...]) -> None:
        if self._refuses and event in {"os.fork", "os.posix_spawn", "subprocess.Popen"}:
            pytest.fail("This test starts a process: mark it 'slow'.")

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        is_refused = (self._alone or self._refuses) and any(
            fullname in names for names in MODULES.values()
        )
        return ModuleSpec(fullname, self) if is_refused else None

    def exec_module(self, module: ModuleType) -> None:
        """Refuse an import. Whether there is such a module may be asked."""
        name = module.__name__
        [mark] = [mark for mark, names in MODULES.items() if name in names]
        pytest.fail(f"This test imports {name}: mark it {mark!r}.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """With HYBRIDGE_NO_SKIPS set, as CI does, a skipped test or module is a failed one."""
    if os.environ.get("HYBRIDGE_NO_SKIPS") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"HYBRIDGE_NO_SKIPS is set, and this was skipped. {reason}"
