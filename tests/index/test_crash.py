"""What an `add` returned from survives kill -9, whatever the process was doing."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hybridge import CallableEncoder, HybridIndex

KILLS = 20

# Adds, deletes, searches, closes and opens for ever, and says what it has been promised.
WRITER = """
import sys
from hybridge import CallableEncoder, HybridIndex, Passage

encoder = CallableEncoder(
    lambda texts: [[float(len(text)), text.count("1") + 1.0] for text in texts],
    dimension=2, identity="length",
)
path, first = sys.argv[1], int(sys.argv[2])
number = first
while True:
    with HybridIndex.open(path, encoder=encoder) as index:
        for _ in range(3):
            batch = [Passage(f"p{n}", f"common word{n}") for n in range(number, number + 40)]
            index.add(batch)
            print("added", number, number + 40, flush=True)
            index.search(["common"])
            index.delete([f"p{number}"])
            print("deleted", number, flush=True)
            number += 40
"""


@pytest.fixture
def encoder() -> CallableEncoder:
    return CallableEncoder(
        lambda texts: [[float(len(text)), text.count("1") + 1.0] for text in texts],
        dimension=2,
        identity="length",
    )


@pytest.mark.parametrize("lexical", ["bm25s", "qdrant"])
def test_returned_adds_survive_kills(
    tmp_path: Path, lexical: str, encoder: CallableEncoder
) -> None:
    path = tmp_path / "index"
    HybridIndex.create(path, encoder=encoder, lexical=lexical).close()  # type: ignore[arg-type]
    chance = random.Random(lexical)
    kept: set[str] = set()
    gone: set[str] = set()
    number = 0
    for turn in range(KILLS // 2):
        command = [sys.executable, "-c", WRITER, str(path), str(number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            if turn % 3 == 2:  # any time from the start: while opening, and building BM25 anew
                said = []
                time.sleep(chance.uniform(0.3, 1.5))
            else:
                said = [writer.stdout.readline()]
                time.sleep(chance.uniform(0, 0.4))
            writer.kill()
            said += writer.stdout
        for line in said:
            what, start, *end = line.split()
            if what == "added":
                kept |= {f"p{n}" for n in range(int(start), int(end[0]))}
                number = int(end[0])
            else:
                gone.add(f"p{start}")
        assert turn % 3 == 2 or said[0].startswith("added")
        with HybridIndex.open(path, encoder=encoder) as index:
            ids = {passage.id for passage in index}
            # What was in flight may be there or not; what was promised is.
            assert kept - gone - ids <= {f"p{number - 40}"}
            assert not gone & ids
            kept &= ids
            assert {hit.passage.id for hit in index.bm25.search(["common"], len(ids))[0]} == ids
            assert {hit.passage.id for hit in index.dense.search(["common"], len(ids))[0]} == ids
            newest = max(int(passage_id[1:]) for passage_id in ids)
            assert index.bm25.search([f"word{newest}"])[0][0].passage.id == f"p{newest}"
        number += 80  # past what the killed writer may have been adding


def test_counts_of_another_generation_are_not_trusted(
    tmp_path: Path, encoder: CallableEncoder
) -> None:
    """As after a crash between writing a passage and saving the counts derived from it."""
    from hybridge import Passage

    path = tmp_path / "index"
    with HybridIndex.create(path, encoder=encoder) as index:
        index.add([Passage("a", "alpha")])
    stale = (path / "bm25.npz").read_bytes()
    with HybridIndex.open(path, encoder=encoder) as index:
        index.add([Passage("b", "beta")])
    (path / "bm25.npz").write_bytes(stale)
    with HybridIndex.open(path, encoder=encoder) as index:
        assert [hit.passage.id for hit in index.bm25.search(["beta"])[0]] == ["b"]
    assert (path / "bm25.npz").read_bytes() != stale
