"""Collections by name: a real dataset of ir_datasets over local files, and every way to fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ir_datasets
import pytest

from hybridge.errors import CollectionNotFoundError, InvalidInputError
from hybridge.evaluation import load_ir_dataset

NAME = "hybridge-test/tiny"


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Puts a dataset into the catalogue, for one test."""
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "home"))
    names: list[str] = []

    def put(dataset: Any, name: str = NAME) -> None:
        ir_datasets.registry.register(name, dataset)
        names.append(name)

    yield put
    for name in names:
        del ir_datasets.registry._registered[name]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    contents = {
        "docs_tsv": "d1\tAbout apples \nd2\tAbout pears\nd3\tAbout plums\n",
        "queries_tsv": "q1\tapples?\nq2\tnot judged\nq3\tpears?\n",
        "qrels_trec": "q3 0 d2 1\nq1 0 d1 2\nq1 0 d2 0\nq1 0 d3 -2\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    return {name: str(tmp_path / name) for name in contents}


def test_a_dataset_becomes_a_collection(
    register: Callable[..., None], files: dict[str, str]
) -> None:
    register(ir_datasets.create_dataset(**files))
    loaded = load_ir_dataset(NAME)
    assert [(p.id, p.text) for p in loaded.passages] == [
        ("d1", "About apples"),
        ("d2", "About pears"),
        ("d3", "About plums"),
    ]
    assert loaded.queries == {"q1": "apples?", "q3": "pears?"}
    assert loaded.qrels == {"q3": {"d2": 1}, "q1": {"d1": 2, "d2": 0, "d3": 0}}


def test_an_unknown_name_gives_near_ones() -> None:
    with pytest.raises(InvalidInputError, match=r"no collection 'beir/scifat/test'.*beir/scifact"):
        load_ir_dataset("beir/scifat/test")
    with pytest.raises(InvalidInputError, match=r"knows no collection \['vaswani'\]"):
        load_ir_dataset(["vaswani"])  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=r"see https://ir-datasets\.com"):
        load_ir_dataset("%%%")


def test_what_a_dataset_lacks_is_said_and_which_of_its_parts_has_it(
    register: Callable[..., None], files: dict[str, str]
) -> None:
    register(ir_datasets.create_dataset(docs_tsv=files["docs_tsv"]))
    with pytest.raises(InvalidInputError, match=r"has no queries and no qrels$"):
        load_ir_dataset(NAME)
    register(ir_datasets.create_dataset(**files), f"{NAME}/judged")
    with pytest.raises(InvalidInputError, match=f"one of its parts, such as {NAME}/judged"):
        load_ir_dataset(NAME)
    with pytest.raises(InvalidInputError, match=r"'msmarco-passage' has .*msmarco-passage/dev"):
        load_ir_dataset("msmarco-passage")


def test_a_judged_query_that_is_not_there(
    register: Callable[..., None], files: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "queries_tsv").write_text("q1\tapples?\n")
    register(ir_datasets.create_dataset(**files))
    with pytest.raises(InvalidInputError, match=r"judges 1 queries .*'q3'"):
        load_ir_dataset(NAME)


@pytest.mark.parametrize("gone", ["docs_tsv", "queries_tsv", "qrels_trec"])
def test_files_that_somebody_must_put_there(
    register: Callable[..., None], files: dict[str, str], gone: str
) -> None:
    Path(files[gone]).unlink()
    register(ir_datasets.create_dataset(**files))
    with pytest.raises(CollectionNotFoundError, match=rf"not on disk .*{gone}"):
        load_ir_dataset(NAME)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_files_that_cannot_be_downloaded_fail_soon(
    register: Callable[..., None], files: dict[str, str], tmp_path: Path
) -> None:
    closed = ir_datasets.util.RequestsDownload("http://127.0.0.1:9/qrels.txt")
    download = ir_datasets.util.Download([closed], cache_path=str(tmp_path / "qrels"))
    register(
        ir_datasets.Dataset(
            ir_datasets.formats.TsvDocs(ir_datasets.util.LocalDownload(files["docs_tsv"])),
            ir_datasets.formats.TsvQueries(ir_datasets.util.LocalDownload(files["queries_tsv"])),
            ir_datasets.formats.TrecQrels(download, {}),
        )
    )
    start = time.monotonic()
    with pytest.raises(CollectionNotFoundError, match="check the network"):
        load_ir_dataset(NAME)
    assert time.monotonic() - start < 10
