"""A retriever belongs to the process that opened it: forked children and pickle are refused."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hybridge import Passage
from hybridge.colbert import ColBERTRetriever
from hybridge.colbert.ragatouille import RAGatouilleTokenEncoder
from hybridge.errors import CopyError, ForkedError, IndexLockedError

Forked = Callable[[Callable[[], Any]], Any]
forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

USES: list[Callable[[ColBERTRetriever], object]] = [
    lambda retriever: retriever.search(["blood"]),
    lambda retriever: retriever.score(["blood"], [["a"]]),
    lambda retriever: retriever.add([Passage("b", "Bread needs yeast.")]),
    lambda retriever: retriever.delete(["a"]),
    lambda retriever: retriever.get(["a"]),
    lambda retriever: retriever.vectors("a"),
    lambda retriever: retriever.optimize(),
    list,
    len,
]


@pytest.fixture
def retriever(tmp_path: Path, encoder: RAGatouilleTokenEncoder) -> Iterator[ColBERTRetriever]:
    with ColBERTRetriever.create(
        tmp_path / "index", [Passage("a", "Aspirin thins the blood.")], model=encoder
    ) as retriever:
        yield retriever


@forking
@pytest.mark.parametrize("locked", ["_adding", "_writer"])
def test_a_child_is_refused_at_once_even_while_another_thread_writes(
    retriever: ColBERTRetriever, forked: Forked, locked: str
) -> None:
    taken, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with getattr(retriever, locked):
            taken.set()
            leave.wait()

    def child() -> list[str]:
        refusals = []
        for use in USES:
            with pytest.raises(ForkedError) as caught:
                use(retriever)
            refusals.append(str(caught.value))
        return refusals

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    refusals = forked(child)
    leave.set()
    thread.join()
    assert len(refusals) == len(USES)
    for message in refusals:
        assert str(retriever) in message
        assert f"process {os.getpid()} " in message
        assert "ColBERTRetriever.open" in message
    assert [hit.passage.id for hit in retriever.search(["blood"])[0]] == ["a"]


ENDS = """
import os, sys
from hybridge import Passage
from hybridge.colbert import ColBERTRetriever
from hybridge.errors import IndexLockedError

for path, ways in ("index", ["close", "collect"]), (None, ["collect", "exit", "_exit"]):
    first = [Passage("a", "Aspirin thins the blood.")]
    retriever = ColBERTRetriever.create(path, first, model=sys.argv[1])
    for how in ways:
        child = os.fork()
        if child == 0:
            if how == "close":
                retriever.close()
            if how == "collect":
                del retriever
            if how == "exit":
                sys.exit()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0, how
        try:
            ColBERTRetriever.open(retriever._storage._path)
        except IndexLockedError:
            pass
        else:
            raise SystemExit(f"{how} lost the lock")
retriever.add([Passage("b", "Bread needs yeast.")])
assert len(retriever.search(["blood"])[0]) == 2
"""


@forking
def test_a_child_that_ends_leaves_folder_and_lock_to_its_parent(
    checkpoint: Path, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-c", ENDS, str(checkpoint)]
    done = subprocess.run(
        arguments, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr


def test_copies_are_the_open_retriever_and_pickle_is_refused(
    retriever: ColBERTRetriever, tmp_path: Path
) -> None:
    assert copy.copy(retriever) is retriever
    assert copy.deepcopy(retriever) is retriever
    with pytest.raises(CopyError, match=r"ColBERTRetriever\.open") as caught:
        pickle.dumps(retriever)
    assert str(tmp_path / "index") in str(caught.value)
    with pytest.raises(IndexLockedError):
        ColBERTRetriever.open(tmp_path / "index")


def test_an_encoder_comes_back_with_its_lengths(
    encoder: RAGatouilleTokenEncoder, checkpoint: Path
) -> None:
    short = RAGatouilleTokenEncoder(checkpoint, passage_length=32, query_length=24, batch_size=2)
    other = pickle.loads(pickle.dumps(short))
    assert other.identity == short.identity != encoder.identity
    assert other.to_config() == short.to_config()
    [own], [others] = short.encode_queries(["blood"]), other.encode_queries(["blood"])
    assert (own == others).all()
