"""An index is opened, closed, overwritten and let go of in every way a program may do it."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.errors import ClosedError, IndexExistsError, InvalidInputError
from hybridge.vectors.connection import connect

OLD = [Passage("old", "what was there before", {"year": 2000})]


@pytest.fixture
def path(tmp_path: Path, words: CallableEncoder) -> Path:
    with HybridIndex.create(tmp_path / "index", encoder=words) as index:
        index.add(OLD)
    return tmp_path / "index"


def test_another_thread_may_close(path: Path, words: CallableEncoder) -> None:
    index = HybridIndex.open(path, encoder=words)
    thread = threading.Thread(target=index.close)
    thread.start()
    thread.join()
    HybridIndex.open(path, encoder=words).close()


def test_a_half_keeps_its_index_open(path: Path, words: CallableEncoder) -> None:
    bm25 = HybridIndex.open(path, encoder=words).bm25
    gc.collect()
    assert [hit.passage for hit in bm25.search(["before"])[0]] == OLD


def test_a_closed_half_says_so_even_to_a_blank_query(path: Path, words: CallableEncoder) -> None:
    index = HybridIndex.open(path, encoder=words)
    bm25 = index.bm25
    index.close()
    with pytest.raises(ClosedError):
        bm25.search([" "])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_leaves_the_index_to_its_parent(path: Path) -> None:
    code = (
        "import os, sys\n"
        "from hybridge import CallableEncoder, HybridIndex, Passage\n"
        "words = CallableEncoder(lambda texts: [[1.0] * 32 for _ in texts], dimension=32,"
        " identity='words')\n"
        "index = HybridIndex.open(sys.argv[1], encoder=words)\n"
        "child = os.fork()\n"
        "if not child: sys.exit(0)\n"
        "os.waitpid(child, 0)\n"
        "index.add([Passage('new', 'added after the fork')])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    words = CallableEncoder(lambda texts: [[1.0] * 32 for _ in texts], identity="words")
    with HybridIndex.open(path, encoder=words) as index:
        assert {passage.id for passage in index} == {"old", "new"}
        assert [hit.passage.id for hit in index.bm25.search(["fork"])[0]] == ["new"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell that starts a job in the background has it ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_writer_does_not_block_readers(words: CallableEncoder) -> None:
    lock = HybridIndex.create(encoder=words)._lock
    main = threading.main_thread().ident
    assert main is not None
    reading, release = threading.Event(), threading.Event()

    def read() -> None:
        with lock.reading():
            reading.set()
            release.wait(10)

    reader = threading.Thread(target=read)
    reader.start()
    reading.wait(10)
    threading.Timer(0.2, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt), lock.writing():
        pass
    with lock.reading():  # would wait for the writer that gave up
        pass
    release.set()
    reader.join()
    with lock.writing():
        pass


class Mine:
    """A fusion that nothing on disk could be turned back into."""

    name = "mine"
    completes = False

    def fuse(
        self, runs: Sequence[Mapping[int, float]], weights: Sequence[float] | None = None
    ) -> dict[int, float]:
        return dict(runs[0])

    def to_config(self) -> dict[str, str]:
        return {"name": "mine"}


def test_settings_that_cannot_work_are_refused_before_anything_is_lost(
    path: Path, words: CallableEncoder
) -> None:
    for settings, message in [
        ({"fusion": Mine()}, "no fusion 'mine'"),
        ({"fusion": "rrf", "weights": {"bm25": 0.3, "dense": 0.7}}, "weights"),
        ({"bm25": {"k1": 1.5}}, "BM25Parameters"),
        ({"hnsw": True}, "HNSW"),
        ({"depth": 0}, "depth"),
        ({"weights": {"bm25": 10**400, "dense": 1}}, "finite"),
    ]:
        with pytest.raises(InvalidInputError, match=message):
            HybridIndex.create(path, encoder=words, overwrite=True, **settings)  # type: ignore[arg-type]
    with HybridIndex.open(path, encoder=words) as index:
        assert list(index) == OLD
        assert index.search(["before"], fusion=Mine())[0][0].passage.id == "old"  # type: ignore[arg-type]


def test_a_half_made_index_is_made_anew(path: Path, words: CallableEncoder) -> None:
    (path / "manifest.json").rename(path / ".manifest.json.tmp")
    with HybridIndex.create(path, encoder=words) as index:
        assert len(index) == 0


def test_a_folder_reached_by_a_link_stays_one(
    tmp_path: Path, path: Path, words: CallableEncoder
) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    HybridIndex.create(link, encoder=words, overwrite=True).close()
    assert link.is_symlink()
    with HybridIndex.open(path, encoder=words) as index:
        assert len(index) == 0


def test_the_working_folder_can_be_an_index(
    tmp_path: Path, words: CallableEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    HybridIndex.create(".", encoder=words).close()
    assert Path.cwd() == tmp_path
    HybridIndex.open(".", encoder=words).close()


def test_somebody_elses_collection_is_not_overwritten(
    words: CallableEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    monkeypatch.setattr("hybridge.index.served.connect", lambda *_: connect(client=client))
    client.create_collection("theirs", models.VectorParams(size=2, distance=models.Distance.DOT))
    with pytest.raises(IndexExistsError, match="not made by hybridge"):
        HybridIndex.create(url=":memory:", collection="theirs", encoder=words, overwrite=True)
    assert client.collection_exists("theirs")
    HybridIndex.create(url=":memory:", collection="ours", encoder=words).close()
    with pytest.raises(IndexExistsError, match="'ours'"):
        HybridIndex.create(url=":memory:", collection="ours", encoder=words)
    with HybridIndex.open(url=":memory:", collection="ours", encoder=words) as index:
        index.add(OLD)
    with HybridIndex.create(
        url=":memory:", collection="ours", encoder=words, overwrite=True
    ) as index:
        assert len(index) == 0


def test_filters_on_fields_that_nobody_has_leave_no_index_behind(
    path: Path, words: CallableEncoder
) -> None:
    with HybridIndex.open(path, encoder=words) as index:
        files = len(list((path / "points").rglob("*")))
        for number in range(20):
            assert index.search(["before"], where={f"made up {number}": 1}) == [[]]
        assert len(list((path / "points").rglob("*"))) == files
        assert index.search(["before"], where={"year": 2000})[0]
        assert len(list((path / "points").rglob("*"))) > files
        index.add([Passage("new", "before", {"made up 3": 1})])
        [hits] = index.search(["before"], where={"made up 3": 1})
        assert [hit.passage.id for hit in hits] == ["new"]


def test_a_disk_that_is_full_at_closing_does_not_keep_the_lock(
    path: Path, words: CallableEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = HybridIndex.open(path, encoder=words)
    with monkeypatch.context() as patched:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patched.setattr("hybridge.index.folder.write_json", full)
        with pytest.raises(OSError, match="No space"):
            index.close()
    with HybridIndex.open(path, encoder=words) as again:
        assert list(again) == OLD


def test_searches_go_on_while_a_long_add_encodes(path: Path) -> None:
    def slowly(texts: Sequence[str]) -> list[list[float]]:
        time.sleep(0.3 if len(texts) > 1 else 0.0)
        return [[1.0] * 32 for _ in texts]

    encoder = CallableEncoder(slowly, dimension=32, identity="words")
    with HybridIndex.open(path, encoder=encoder) as index:
        adding = threading.Thread(
            target=index.add, args=([Passage(f"n{n}", "new") for n in range(600)],)
        )
        adding.start()
        found = [len(index.search(["before"])[0]) for _ in range(3)]
        assert adding.is_alive()  # and none of the searches waited for it
        adding.join()
        assert found == [1, 1, 1]
        assert len(index) == 601
