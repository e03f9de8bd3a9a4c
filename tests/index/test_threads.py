"""Many threads search while one writes: no error, and no hit that mixes two states."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from hybridge import CallableEncoder, HybridIndex, Passage

SECONDS = float(os.environ.get("HYBRIDGE_SOAK_SECONDS", "5"))
WORDS = ["alpha", "beta", "gamma", "delta", "omega"]


def version_of(number: int, version: int) -> Passage:
    """A passage whose text, metadata and (through the text) vector all tell its version."""
    word = WORDS[(number + version) % len(WORDS)]
    return Passage(f"p{number}", f"{word} v{version} n{number}", {"word": word, "v": version})


@pytest.mark.slow
@pytest.mark.parametrize("lexical", ["bm25s", "qdrant"])
def test_searches_see_whole_states(tmp_path: Path, lexical: str, words: CallableEncoder) -> None:
    index = HybridIndex.create(tmp_path / "index", encoder=words, lexical=lexical)  # type: ignore[arg-type]
    index.add([version_of(number, 0) for number in range(300)])
    done = threading.Event()
    wrong: list[str] = []
    searches = 0

    def search(seed: int) -> None:
        nonlocal searches
        chance = random.Random(seed)
        while not done.is_set():
            word = chance.choice(WORDS)
            where = {"word": word} if chance.random() < 0.3 else None
            [query] = words.encode_queries([word])
            try:
                [hits] = index.search([word], 20, where=where)
            except Exception as error:  # noqa: BLE001 - any error at all is what we look for
                wrong.append(repr(error))
                return
            searches += 1
            if not hits:
                wrong.append(f"nothing found for {word}")
            for hit in hits:
                text, metadata = hit.passage.text, hit.passage.metadata
                [vector] = words.encode_passages([text])
                cosine = vector @ query / np.linalg.norm(vector) / np.linalg.norm(query)
                dense, bm25 = hit.stage("dense"), hit.stage("bm25")
                if text.split()[:2] != [metadata["word"], f"v{metadata['v']}"]:
                    wrong.append(f"text and metadata differ: {hit}")
                if dense and abs(dense.score - cosine) > 1e-4:
                    wrong.append(f"vector of another version: {hit}, cosine {cosine}")
                if bm25 and word not in text:
                    wrong.append(f"BM25 of another version: {hit}")
                if where and metadata["word"] != word:
                    wrong.append(f"filtered out: {hit}")

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    chance, version, end = random.Random(0), 0, time.monotonic() + SECONDS
    while time.monotonic() < end and not wrong:
        version += 1
        some = chance.sample(range(300), 20)
        index.add([version_of(number, version) for number in some])
        index.delete([f"p{number}" for number in some[:5]])
        index.add([version_of(number, version) for number in some[:5]])
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert searches > 50
    assert version > 5
    assert len(index) == 300
    index.close()
