"""Indexes on disk as earlier releases wrote them: they open, answer as they did, and take more.

`format_1` holds five, made by the release before processes shared a folder: a folder has no
`changes`, its manifest knows neither terms nor an average's state. `answers.json` is what that
release answered. `killed` was copied while it was open.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridge import Analyzer, CallableEncoder, Hit, HybridIndex, Passage
from hybridge.protocols import Vectors
from hybridge.stages import Dense, LateInteraction

from .archives import unpacked

FORMAT_1 = Path(__file__).with_name("format_1")
NAMES = ["bm25s", "qdrant", "graph", "late", "killed"]
DIMENSION = 8
QUERIES = ["which ship met the storm", "island reef", "day 7", "gull"]
SUBJECTS = ["tide", "ship", "whale", "storm", "island", "reef", "gull", "moon", "harbour", "rope"]


def _word_sums(texts: Sequence[str]) -> Vectors:
    rows = np.full((len(texts), DIMENSION), 0.01, np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.lower().split():
            row[sum(word.encode()) % DIMENSION] += 1.0
    return rows


class WordTokens:
    """A vector a word."""

    identity = "word tokens"
    dimension = DIMENSION

    def encode_queries(self, queries: Sequence[str]) -> list[Vectors]:
        matrices = [_word_sums(query.split()) for query in queries]
        return [m / np.linalg.norm(m, axis=1, keepdims=True) for m in matrices]

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Vectors]:
        return self.encode_queries(texts)

    def to_config(self) -> None:
        return None


ENCODER = CallableEncoder(_word_sums, dimension=DIMENSION, identity="word sums")


def _passages() -> list[Passage]:
    made = [
        Passage(
            f"p{n}",
            f"The {SUBJECTS[n % 10]} and the {SUBJECTS[(n * 3 + 1) % 10]} of day {n}",
            {
                "year": 1990 + n,
                "tags": [SUBJECTS[n % 10]],
                "kind": "log" if n % 3 else "letter",
            },
        )
        for n in range(60)
        if n != 5
    ]
    made[5] = Passage("p6", "A lone whale on day 6", {"year": 2024})
    return made


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(name: str, tmp_path: Path) -> Path:
    return unpacked(FORMAT_1 / f"{name}.tar.xz", tmp_path)


def _options(name: str) -> dict[str, Any]:
    late = LateInteraction(WordTokens()) if name == "late" else None
    return {"encoder": ENCODER, "late_interaction": late}


def _answers(index: HybridIndex) -> dict[str, list[list[Hit]]]:
    return {
        "search": index.search(QUERIES, 10),
        "filtered": index.search(QUERIES, 10, where={"year": {"$gte": 2020}}),
        "bm25": index.bm25.search(QUERIES, 10),
        "dense": index.dense.search(QUERIES, 10),
    }


@pytest.mark.parametrize("read_only", [True, False])
def test_it_answers_as_it_did(name: str, path: Path, read_only: bool) -> None:
    expected = json.loads((FORMAT_1 / "answers.json").read_text())[name]
    # BM25 inside the store counted deleted passages then, and weighed by a part of them.
    exact = ("dense",) if name in ("qdrant", "graph", "killed") else tuple(expected)
    with HybridIndex.open(path, read_only=read_only, **_options(name)) as index:
        assert sorted(index, key=lambda p: p.id) == sorted(_passages(), key=lambda p: p.id)
        answers = _answers(index)
    for what in exact:
        for hits, before in zip(answers[what], expected[what], strict=True):
            assert [hit.passage.id for hit in hits] == [id_ for id_, _ in before]
            np.testing.assert_allclose(
                [hit.score for hit in hits], [score for _, score in before], rtol=1e-5, atol=1e-6
            )


@pytest.mark.parametrize("read_only", [True, False])
def test_it_answers_as_one_made_today(name: str, path: Path, read_only: bool) -> None:
    lexical: Any = "bm25s" if name in ("bm25s", "late") else "qdrant"
    options = _options(name)
    with (
        HybridIndex.open(path, read_only=read_only, **options) as index,
        HybridIndex.create(lexical=lexical, analyzer=Analyzer(version=1), **options) as made,
    ):
        made.add(_passages())
        answers, expected = _answers(index), _answers(made)
    for what, lists in expected.items():
        for hits, other in zip(answers[what], lists, strict=True):
            scores = {hit.passage.id: hit.score for hit in hits}
            for hit in other:
                # Ties at the end of a list may be decided by the last bit of a score.
                if hit.passage.id in scores or hit.score > other[-1].score + 0.05:
                    assert scores[hit.passage.id] == pytest.approx(hit.score, rel=0.03, abs=0.03)


def test_it_says_that_it_keeps_its_words(
    name: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.INFO, "hybridge.stages.bm25"),
        HybridIndex.open(path, **_options(name), analyzer="english") as index,
    ):
        assert repr(index.analyzer) == "Analyzer('english', version=1)"
        stages: Any = index.info()["stages"]
        assert stages["bm25"]["analyzer"]["version"] == 1
        assert index.bm25.search(["7"]) == [[]]
    [record] = [each for each in caplog.records if each.name == "hybridge.stages.bm25"]
    assert "version 1 of the analyzer" in record.message
    assert "`hybridge reanalyze` takes those of the latest" in record.message


def test_it_takes_more_and_is_found_again(name: str, path: Path) -> None:
    with HybridIndex.open(path, **_options(name)) as index:
        index.add([Passage("new", "An octopus on the pier", {"year": 2026})])
        index.delete(["p7"])
    with HybridIndex.open(path, **_options(name)) as index:
        assert len(index) == 59
        assert index.bm25.search(["octopus"])[0][0].passage.id == "new"
        assert index.search(["octopus"], 3, where={"year": 2026})[0][0].passage.id == "new"
        assert index.get(["p7"]) == [None]


@pytest.mark.parametrize("name", ["late"])
def test_a_new_stage_never_takes_the_vectors_of_an_old_one(name: str, path: Path) -> None:
    with HybridIndex.open(path, **_options(name)) as index:
        before = _answers(index)
        index.add_stage(Dense(ENCODER, name="tokens"))  # as the token vectors were called
        assert _answers(index)["dense"] == before["dense"]
        assert len(index.stages["tokens"].search(QUERIES, 10)[0]) == 10
        index.remove_stage("tokens")
        assert _answers(index) == before
    with HybridIndex.open(path, **_options(name)) as again:
        assert _answers(again) == before
