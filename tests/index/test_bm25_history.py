"""BM25 in Qdrant answers alike whatever came before: any order, deletions, writers and kills."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.errors import StoreError
from hybridge.index import served as served_storage
from hybridge.lexical import BM25Retriever
from hybridge.lexical.sparse import AVERAGE
from hybridge.vectors.connection import connect

# An average length that is 2 % off moves a score by less than that.
DRIFT = 0.02
Open = Callable[..., HybridIndex]


@pytest.fixture(params=["folder", "client"])
def create(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    words: CallableEncoder,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Open]:
    """Makes an index in a folder, or in the one engine that all clients of a test share."""
    client = connect(":memory:")
    monkeypatch.setattr(served_storage, "connect", lambda *_: client)
    made = []

    def create_index(**options: object) -> HybridIndex:
        place = {"url": ":memory:"} if request.param == "client" else {"path": tmp_path / "index"}
        index = HybridIndex.create(**place, encoder=words, lexical="qdrant", **options)  # type: ignore[arg-type]
        made.append(index)
        return index

    yield create_index
    for index in made:
        index.close()


def passages_of_all_lengths(count: int) -> list[Passage]:
    chance = random.Random(count)
    passages = []
    for number in range(count):
        length = int(chance.lognormvariate(3, 0.8)) + 1
        passages.append(Passage(f"p{number}", " ".join(chance.choices(VOCABULARY, k=length))))
    return passages


VOCABULARY = [f"w{number}" for number in range(60)]
QUERIES = ["w1 w2", "w3 w4 w5", "w17"]


def check_scores(index: HybridIndex, passages: list[Passage], rel: float = DRIFT) -> None:
    """The index scores these passages, which it holds, as bm25s does."""
    assert len(index) == len(passages)
    ids = [[passage.id for passage in passages]] * len(QUERIES)
    expected = BM25Retriever(passages).score(QUERIES, ids)
    for scores, exact in zip(index.bm25.score(QUERIES, ids), expected, strict=True):
        assert scores == pytest.approx(exact, rel=rel)


@pytest.mark.slow
@pytest.mark.parametrize("size", [400, 7])
@pytest.mark.parametrize("order", ["shortest first", "longest first", "as they come"])
def test_the_order_of_additions_does_not_matter(create: Open, order: str, size: int) -> None:
    passages = passages_of_all_lengths(400)
    if order != "as they come":
        passages.sort(key=lambda p: len(p.text), reverse=order == "longest first")
    index = create()
    for start in range(0, len(passages), size):
        index.add(passages[start : start + size])
    check_scores(index, passages)
    index.optimize()
    check_scores(index, passages, rel=1e-5)


def test_the_last_passage_of_a_word_is_first_for_it(create: Open) -> None:
    passages = [
        Passage(f"p{n}", ("ferret " if n < 450 else "") + f"alpha w{n % 40} w{n % 7}")
        for n in range(900)
    ]
    index = create()
    index.add(passages)
    index.optimize()
    index.delete(f"p{n}" for n in range(1, 450))
    [hits] = index.bm25.search(["ferret w3"], 3)
    assert hits[0].passage.id == "p0"
    check_scores(index, [passages[0], *passages[450:]], rel=1e-5)


def test_passages_that_lost_a_word_count_for_it_no_longer(create: Open) -> None:
    passages = [Passage(f"p{n}", f"ferret w{n % 9}") for n in range(60)]
    index = create()
    index.add(passages)
    changed = [Passage(p.id, p.text.replace("ferret", "stoat")) for p in passages[1:]]
    index.add(changed)
    [[hit]] = index.bm25.search(["ferret"], 3)
    expected = BM25Retriever([passages[0], *changed]).search(["ferret"])[0][0]
    assert (hit.passage, hit.score) == (passages[0], pytest.approx(expected.score, rel=1e-5))


def test_a_closed_index_knows_its_words_when_it_is_opened_again(
    tmp_path: Path, words: CallableEncoder
) -> None:
    passages = passages_of_all_lengths(90)
    with HybridIndex.create(tmp_path / "index", encoder=words, lexical="qdrant") as index:
        index.add(passages)
    for _ in range(2):
        with HybridIndex.open(tmp_path / "index", encoder=words) as index:
            check_scores(index, passages)
    with HybridIndex.open(tmp_path / "index", encoder=words) as index:
        index.delete([passages.pop().id])
        check_scores(index, passages)
    with HybridIndex.open(tmp_path / "index", encoder=words, read_only=True) as index:
        check_scores(index, passages)


texts = st.lists(st.sampled_from("uvwxyz"), max_size=12).map(" ".join)
writes = st.lists(
    st.one_of(
        st.dictionaries(st.sampled_from("abcdefgh"), texts, min_size=1),
        st.sets(st.sampled_from("abcdefgh"), min_size=1),
    ),
    max_size=8,
)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(writes=writes)
def test_a_used_index_scores_as_a_fresh_one(
    writes: list[dict[str, str] | set[str]], words: CallableEncoder
) -> None:
    """A dict adds its texts under its ids, a set deletes its ids."""
    left: dict[str, str] = {}
    with HybridIndex.create(encoder=words, lexical="qdrant") as index:
        for write in writes:
            if isinstance(write, dict):
                index.add(Passage(id_, text) for id_, text in write.items())
                left |= write
            else:
                index.delete(write)
                left = {id_: text for id_, text in left.items() if id_ not in write}
        queries = ["u v", "w x y", "z"]
        found = index.bm25.score(queries, [list(left)] * 3)
    fresh = BM25Retriever(Passage(id_, text) for id_, text in left.items())
    for scores, expected in zip(found, fresh.score(queries, [list(left)] * 3), strict=True):
        assert scores == pytest.approx(expected, rel=DRIFT, abs=1e-6)


@pytest.fixture
def two_clients(
    words: CallableEncoder, monkeypatch: pytest.MonkeyPatch
) -> tuple[HybridIndex, HybridIndex]:
    client = connect(":memory:")
    monkeypatch.setattr(served_storage, "connect", lambda *_: client)
    first = HybridIndex.create(url=":memory:", encoder=words, lexical="qdrant")
    return first, HybridIndex.open(url=":memory:", encoder=words)


def test_two_writers_keep_one_average(two_clients: tuple[HybridIndex, HybridIndex]) -> None:
    first, second = two_clients
    passages = sorted(passages_of_all_lengths(300), key=lambda p: len(p.text))
    for number, start in enumerate(range(0, 300, 30)):
        two_clients[number % 2].add(passages[start : start + 30])
    for index in (first, second):
        check_scores(index, passages)
        assert len(averages(index)) == 1
    second.delete(p.id for p in passages[200:])
    check_scores(first, passages[:200])


def test_an_average_that_changes_during_an_add_reaches_its_passages(
    two_clients: tuple[HybridIndex, HybridIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_clients
    short = [Passage(f"s{n}", f"w{n % 5}") for n in range(40)]
    long = [Passage(f"l{n}", f"w{n % 5} " * 30) for n in range(40)]
    first.add(short[:20])
    upsert = first._storage.store.upsert

    def while_others_write(*batch: object) -> None:
        monkeypatch.setattr(first._storage.store, "upsert", upsert)
        second.add(long)
        upsert(*batch)  # type: ignore[arg-type]

    monkeypatch.setattr(first._storage.store, "upsert", while_others_write)
    first.add(short[20:])
    assert len(averages(first)) == 1
    check_scores(first, short + long)


def averages(index: HybridIndex) -> set[float]:
    """The average lengths that the stored weights were made with."""
    pages = index._storage.store.vector_pages("bm25")
    return {dict(zip(*vector, strict=True))[AVERAGE] for page in pages for vector in page.values()}


# Adds long passages to short ones, and is killed at the call of a method with this number.
KILLED = """
import os, signal, sys
from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.index.folder import Folder
from hybridge.vectors.edge import EdgeStore

path, method, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
owner = {"set_vectors": EdgeStore, "save_manifest": Folder}[method]
original = getattr(owner, method)

def killing(*args, **options):
    global calls
    if calls == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    calls -= 1
    return original(*args, **options)

encoder = CallableEncoder(lambda texts: [[1.0, 2.0] for _ in texts], dimension=2, identity="two")
with HybridIndex.open(path, encoder=encoder) as index:
    setattr(owner, method, killing)
    index.add(Passage(f"long{n}", f"w{n % 5} " * 40) for n in range(2_000))
"""


@pytest.mark.parametrize(
    ("method", "calls"),
    [("save_manifest", 0), ("set_vectors", 0), ("set_vectors", 1), ("save_manifest", 1)],
)
def test_a_kill_leaves_no_mixed_weights(tmp_path: Path, method: str, calls: int) -> None:
    encoder = CallableEncoder(lambda texts: [[1.0, 2.0]] * len(texts), dimension=2, identity="two")
    short = [Passage(f"short{n}", f"w{n % 5}") for n in range(1_500)]
    with HybridIndex.create(tmp_path / "index", encoder=encoder, lexical="qdrant") as index:
        index.add(short)
    command = [sys.executable, "-c", KILLED, str(tmp_path / "index"), method, str(calls)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with HybridIndex.open(tmp_path / "index", encoder=encoder) as index:
        stored = list(index)
        assert len(averages(index)) == 1
        assert {passage.id for passage in short} <= {passage.id for passage in stored}
        check_scores(index, stored)
        assert not index._storage.manifest.stage("bm25").state["reweighing"]


def test_a_write_that_fails_while_weights_change_is_made_good_by_the_next(
    create: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = [Passage(f"s{n}", f"w{n % 5}") for n in range(30)]
    long = [Passage(f"l{n}", f"w{n % 5} " * 20) for n in range(30)]
    index = create()
    index.add(short)

    def fail(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(index._storage.store, "set_vectors", fail)
        with pytest.raises(StoreError, match="disk"):
            index.add(long)
    assert index._storage.manifest.stage("bm25").state["reweighing"]
    index.add(long)
    assert not index._storage.manifest.stage("bm25").state["reweighing"]
    assert len(averages(index)) == 1
    check_scores(index, short + long)
