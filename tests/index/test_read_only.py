"""An index opened for reading only, beside its writer or without one."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from hybridge import Analyzer, CallableEncoder, Hit, HybridIndex, Passage
from hybridge.errors import (
    ClosedError,
    CopyError,
    CorruptIndexError,
    EncoderMismatchError,
    IndexNotFoundError,
    ReadOnlyError,
)
from hybridge.vectors import HNSW

from .conftest import word_vectors

QUERIES = ["tide 7", "red whale", "ship"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index"


def _tides(*numbers: int, **metadata: Any) -> list[Passage]:
    return [Passage(f"p{n}", f"tide {n} of ship {n % 7}", metadata) for n in numbers]


def _answers(index: HybridIndex) -> list[list[list[Hit]]]:
    where = {"year": {"$gte": 2000}}
    return [
        index.search(QUERIES, 20),
        index.search(QUERIES, 20, where=where),
        index.bm25.search(QUERIES, 20),
        index.bm25.search(QUERIES, 20, where=where),
        index.dense.search(QUERIES, 20),
    ]


def _contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file()
    }


class TestBesideAWriter:
    @pytest.mark.parametrize("lexical", ["bm25s", "qdrant"])
    def test_it_stays_as_it_was_until_it_is_refreshed(
        self, path: Path, words: CallableEncoder, lexical: Literal["bm25s", "qdrant"]
    ) -> None:
        with HybridIndex.create(path, encoder=words, lexical=lexical) as writer:
            writer.add(_tides(*range(60), year=1999))
            with HybridIndex.open(path, encoder=words, read_only=True) as reader:
                before = _answers(reader)
                assert before == _answers(writer)
                chance = random.Random(3)
                for turn in range(6):
                    writer.delete([f"p{chance.randrange(60)}" for _ in range(5)])
                    writer.add(_tides(*chance.sample(range(90), 9), year=2000 + turn))
                    writer.add([Passage(f"p{turn}", f"red whale {turn}")])
                    writer.update_metadata([f"p{turn}"], {"year": 2024})
                    assert _answers(reader) == before
                    reader.refresh()
                    before = _answers(reader)
                    assert before == _answers(writer)
                    assert list(reader) == list(writer)

    def test_refreshing_where_nothing_changed_copies_nothing(
        self, path: Path, words: CallableEncoder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with HybridIndex.create(path, encoder=words) as writer:
            writer.add(_tides(1, 2))
            with HybridIndex.open(path, encoder=words, read_only=True) as reader:
                monkeypatch.setattr("shutil.copyfile", None)
                reader.refresh()
                assert len(reader) == 2

    def test_a_copy_that_a_stage_cannot_follow_is_discarded(
        self, path: Path, words: CallableEncoder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with HybridIndex.create(path, encoder=words) as writer:
            writer.add(_tides(1, 2))
            with HybridIndex.open(path, encoder=words, read_only=True) as reader:
                storage: Any = reader._storage
                (first,) = storage._temporary.path.iterdir()
                writer.add(_tides(3))
                abandoned = []

                def fail(store: Any) -> Any:
                    abandoned.append(store)
                    raise MemoryError

                with monkeypatch.context() as patched:
                    patched.setattr(reader._stages.opened["dense"], "renewed", fail)
                    for _ in range(3):
                        with pytest.raises(MemoryError):
                            reader.refresh()
                assert list(storage._temporary.path.iterdir()) == [first]
                for store in abandoned:
                    with pytest.raises(ClosedError):
                        store.count()
                assert len(reader) == 2
                assert reader.bm25.search(["tide 1"])[0][0].passage.id == "p1"
                reader.refresh()
                assert _answers(reader) == _answers(writer)

    def test_late_interaction_and_graphs_are_followed(self, path: Path, encoder: Any) -> None:
        options: dict[str, Any] = {"hnsw": HNSW(), "quantization": "int8"}
        with HybridIndex.create(path, encoder=encoder, late_interaction=True, **options) as writer:
            writer.add(_tides(*range(20)))
            writer.optimize()
            with HybridIndex.open(path, encoder=encoder, read_only=True) as reader:
                assert reader.search(QUERIES) == writer.search(QUERIES)
                writer.add([Passage("w", "a red whale")])
                reader.refresh()
                assert reader.search(QUERIES) == writer.search(QUERIES)

    def test_writes_are_refused_by_name(self, path: Path, words: CallableEncoder) -> None:
        HybridIndex.create(path, encoder=words).close()
        writes: list[Callable[[HybridIndex], Any]] = [
            lambda index: index.add(_tides(1)),
            lambda index: index.add(_tides(1), vectors=word_vectors(["x"])),
            lambda index: index.delete(["p1"]),
            lambda index: index.delete(where={}),
            lambda index: index.update_metadata([], {}),
            lambda index: index.optimize(),
        ]
        with HybridIndex.open(path, encoder=words, read_only=True) as reader:
            assert reader.is_read_only
            assert "read only" in repr(reader)
            for write in writes:
                with pytest.raises(ReadOnlyError, match=f"{path} is open for reading only"):
                    write(reader)

    def test_many_processes_read_while_one_writes(self, path: Path, words: CallableEncoder) -> None:
        code = (
            "import sys; from hybridge import *; from tests.index.conftest import word_vectors\n"
            "words = CallableEncoder(word_vectors, dimension=32, identity='words')\n"
            "index = HybridIndex.open(sys.argv[1], encoder=words, read_only=True)\n"
            "print('open', flush=True)\n"
            "while not select.select([sys.stdin], [], [], 0)[0]:\n"
            "    index.refresh()\n"
            "    hits = index.search(['tide'], 1000)[0]\n"
            "    assert len(hits) == len(index), (len(hits), len(index))\n"
            "index.refresh()\n"
            "print(sorted(p.id for p in index))\n"
            "print([h.passage.id for h in index.search(['tide 7 of ship'], 20)[0]])\n"
        ).replace("import sys;", "import select, sys;")
        pipe = subprocess.PIPE
        with HybridIndex.create(path, encoder=words, depth=1000) as writer:
            writer.add(_tides(*range(50)))
            command = [sys.executable, "-c", code, str(path)]
            readers = [
                subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(2)
            ]
            for reader in readers:
                assert reader.stdout is not None
                assert reader.stdout.readline() == "open\n"
            end = time.monotonic() + 3
            number = 50
            while time.monotonic() < end:
                writer.add(_tides(*range(number, number + 20)))
                writer.delete([f"p{number - 30}"])
                number += 20
                if number > 600:
                    number = 50
            told = [reader.communicate("stop\n", timeout=60)[0] for reader in readers]
            assert [reader.returncode for reader in readers] == [0, 0]
            found = [hit.passage.id for hit in writer.search(["tide 7 of ship"], 20)[0]]
            assert told == [f"{sorted(p.id for p in writer)}\n{found}\n"] * 2


class TestWithoutAWriter:
    def test_nothing_in_the_folder_is_touched(self, path: Path, words: CallableEncoder) -> None:
        with HybridIndex.create(path, encoder=words) as index:
            index.add(_tides(*range(20), year=2001))
            expected = _answers(index)
        before = _contents(path)
        with HybridIndex.open(path, encoder=words, read_only=True) as reader:
            assert _answers(reader) == expected
            reader.refresh()
        assert _contents(path) == before

    def test_its_temporary_files_go(
        self, path: Path, words: CallableEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        HybridIndex.create(path, encoder=words).close()
        room = tmp_path / "temporary"
        room.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(room))
        reader = HybridIndex.open(path, encoder=words, read_only=True)
        assert len(list(room.iterdir())) == 1
        reader.close()
        assert list(room.iterdir()) == []
        with pytest.raises(EncoderMismatchError):
            HybridIndex.open(path, encoder=_other(), read_only=True)
        assert list(room.iterdir()) == []

    def test_a_folder_of_an_earlier_release_or_of_a_killed_writer(
        self, path: Path, words: CallableEncoder
    ) -> None:
        with HybridIndex.create(path, encoder=words) as index:
            index.add(_tides(1, 2))
        for name in ("changes", "seal.json", "bm25.npz"):
            (path / name).unlink()
        with HybridIndex.open(path, encoder=words, read_only=True) as reader:
            assert reader.bm25.search(["tide"])[0][0].passage.id == "p1"
            reader.refresh()
        assert not (path / "changes").exists()

    def test_where_it_cannot_be_written_it_is_opened_for_reading(
        self,
        path: Path,
        words: CallableEncoder,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        HybridIndex.create(path, encoder=words).close()
        monkeypatch.setattr(os, "access", lambda *_: False)
        with HybridIndex.open(path, encoder=words) as index:
            assert index.is_read_only
            with pytest.raises(ReadOnlyError, match="cannot be written to"):
                index.delete(["p1"])
        [record] = [r for r in caplog.records if r.levelno == logging.WARNING]
        assert "opened for reading only" in record.getMessage()
        with pytest.raises(ReadOnlyError, match="cannot be written to"):
            HybridIndex.open(path, encoder=words, read_only=False)

    def test_no_index_and_a_damaged_one(self, path: Path, words: CallableEncoder) -> None:
        with pytest.raises(IndexNotFoundError):
            HybridIndex.open(path, encoder=words, read_only=True)
        with HybridIndex.create(path, encoder=words) as index:
            index.add(_tides(*range(20)))
        largest = max((path / "points").rglob("*.dat"), key=lambda file: file.stat().st_size)
        largest.write_bytes(largest.read_bytes()[:100])
        with pytest.raises(CorruptIndexError):
            HybridIndex.open(path, encoder=words, read_only=True)

    def test_an_index_made_anew_with_another_encoder_is_not_followed(
        self, path: Path, words: CallableEncoder
    ) -> None:
        HybridIndex.create(path, encoder=words).close()
        with HybridIndex.open(path, encoder=words, read_only=True) as reader:
            HybridIndex.create(path, encoder=_other(), overwrite=True).close()
            with pytest.raises(EncoderMismatchError, match="made anew"):
                reader.refresh()
            assert len(reader) == 0

    def test_an_index_deleted_and_made_anew_is_followed(
        self, path: Path, words: CallableEncoder
    ) -> None:
        for name in ("old", "new"):
            with HybridIndex.create(path, encoder=words) as index:
                index.add([Passage(name, "tide")])
            if name == "old":
                reader = HybridIndex.open(path, encoder=words, read_only=True)
                shutil.rmtree(path)
        with reader:
            reader.refresh()
            assert [passage.id for passage in reader] == ["new"]


def _other() -> CallableEncoder:
    return CallableEncoder(word_vectors, dimension=32, identity="others")


class TestCopies:
    def test_a_pickled_index_is_opened_for_reading_where_it_arrives(self, path: Path) -> None:
        words = CallableEncoder(word_vectors, dimension=32, identity="words")
        with HybridIndex.create(path, encoder=words) as index:
            index.add(_tides(*range(20), year=2001))
            with pickle.loads(pickle.dumps(index)) as other:
                assert other.is_read_only
                assert _answers(other) == _answers(index)
                with pickle.loads(pickle.dumps(other)) as third:
                    assert _answers(third) == _answers(index)

    def test_an_index_with_a_model_by_name_carries_no_model(self, path: Path, encoder: Any) -> None:
        with HybridIndex.create(path, encoder=encoder, late_interaction=True) as index:
            index.add(_tides(*range(5)))
            pickled = pickle.dumps(index)
            assert len(pickled) < 2_000
            with pickle.loads(pickled) as other:
                assert other.search(QUERIES) == index.search(QUERIES)

    def test_what_cannot_be_opened_elsewhere_refuses_and_says_what_to_do(
        self, path: Path, words: CallableEncoder
    ) -> None:
        with (
            HybridIndex.create(encoder=words) as temporary,
            pytest.raises(CopyError, match=r"HybridIndex\(temporary\).*give HybridIndex.create a"),
        ):
            pickle.dumps(temporary)
        with (
            HybridIndex.create(encoder=words, url=":memory:") as local,
            pytest.raises(CopyError, match="the url of a server"),
        ):
            pickle.dumps(local)
        analyzer = Analyzer.from_callable(lambda text: text.split(), name="split")
        with (
            HybridIndex.create(path, encoder=words, analyzer=analyzer) as index,
            pytest.raises(CopyError, match=r"its analyzer cannot.*read_only=True"),
        ):
            pickle.dumps(index)

    def test_a_copy_in_this_process_is_the_same_open_index(self, words: CallableEncoder) -> None:
        with HybridIndex.create(encoder=words) as index:
            assert copy.copy(index) is index
            assert copy.deepcopy([index])[0] is index
