"""The compiled scoring loop gives numpy's scores, and numpy answers until it is there."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import numpy as np
import pytest

from hybridge.analyzer import Analyzer
from hybridge.lexical import compiled
from hybridge.lexical.parameters import BM25Parameters
from hybridge.lexical.postings import Postings

METHODS = ["lucene", "bm25l", "bm25+"]


def test_numpy_and_numba_agree_before_and_after_warming_up() -> None:
    random = np.random.default_rng(7)
    words = np.array([f"w{n}" for n in range(60)])
    texts = [" ".join(random.choice(words, 30)) for _ in range(200)]
    keys = [f"p{n:03}" for n in range(200)]
    queries = [" ".join(random.choice(words, 5)) for _ in range(20)]

    def answers(backend: str) -> list[list[tuple[str, float]]]:
        found = []
        for method in METHODS:
            postings: Postings[str] = Postings(
                Analyzer(None), BM25Parameters(method), backend=backend
            )
            postings.upsert(keys, texts)
            found += [postings.snapshot().top(query, 50) for query in queries]
        return found

    expected = answers("numpy")
    assert answers("numba") == expected
    scorer = compiled.warm_up().result(timeout=120)
    assert compiled.compiled_scorer() is scorer
    signatures = len(scorer.signatures)  # type: ignore[attr-defined]
    assert answers("numba") == expected
    # A real query is of the types that it was compiled for: none waits for another compilation.
    assert len(scorer.signatures) == signatures == 1  # type: ignore[attr-defined]


def test_without_compilation_numpy_goes_on_with_a_warning() -> None:
    code = """
import logging
logging.basicConfig(format="%(name)s %(message)s")
from hybridge.analyzer import Analyzer
from hybridge.lexical import Postings
from hybridge.lexical.compiled import compiled_scorer, warm_up
postings = Postings(Analyzer(), backend="numba")
assert warm_up().exception(60) is not None
assert compiled_scorer() is None
postings.upsert(["a"], ["cat"])
print([key for key, _ in postings.snapshot().top("cats", 5)])
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "['a']"
    assert run.stderr.count("numpy goes on") == 1


def test_the_logger_is_the_modules_own() -> None:
    assert compiled.logger is logging.getLogger("hybridge.lexical.compiled")


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_known_backend_is_returned(backend: str) -> None:
    assert compiled.check_backend(backend) == backend


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_forked_while_it_compiles_answers_by_numpy() -> None:
    code = """
import os, signal
from hybridge import BM25Retriever, Passage
from hybridge.lexical.compiled import compiled_scorer, warm_up
retriever = BM25Retriever([Passage("a", "cat")], backend="numba")  # begins to import, to compile
for _ in range(5):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        assert [hit.passage.id for hit in retriever.search(["cats"])[0]] == ["a"]
        ready = compiled_scorer() is not None
        assert ready or "forked" in str(warm_up().exception(0))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
assert warm_up().result(120) is compiled_scorer()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr
