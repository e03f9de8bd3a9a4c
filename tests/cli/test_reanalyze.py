"""`hybridge reanalyze`, `info` and `doctor` need no encoder, for they encode nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.cli.commands import hybridge
from hybridge.encoders.sparse import CallableSparseEncoder
from hybridge.errors import EncoderMismatchError
from hybridge.protocols import Vectors
from hybridge.stages import BM25, Dense, LateInteraction, LearnedSparse, Stage


class _WordTokens:
    """One vector a word."""

    identity = "words"
    dimension = 4

    def encode_queries(self, queries: Sequence[str]) -> list[Vectors]:
        return [np.eye(4, dtype=np.float32)[: len(text.split()) % 5] for text in queries]

    encode_passages = encode_queries

    def to_config(self) -> None:
        return None


def _own_stages() -> list[Stage]:
    dense = CallableEncoder(lambda texts: [[len(text), 1] for text in texts], identity="lengths")
    sparse = CallableSparseEncoder(lambda texts: [{len(text): 1.0} for text in texts], identity="s")
    return [Dense(dense), LearnedSparse(sparse), LateInteraction(_WordTokens())]


@pytest.fixture(params=["bm25s", "qdrant"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "index"
    stages = [BM25("english", lexical=request.param), *_own_stages()]
    with HybridIndex.create(path, stages=stages) as index:
        index.add([Passage("p1", "Die Häuser am Hafen"), Passage("p2", "Ein Boot")])
    return path


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(hybridge, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_an_index_of_own_encoders_is_analyzed_anew(path: Path) -> None:
    with HybridIndex.open(path, stages=_own_stages()) as index:
        before = index.dense.vectors(["p1", "p2"])
        assert not index.bm25.search(["Haus"])[0]
    assert "reads 2 passages with Analyzer('german')" in _run(
        "reanalyze", str(path), "--language", "de"
    )
    with HybridIndex.open(path, stages=_own_stages()) as index:
        assert [hit.passage.id for hit in index.bm25.search(["Haus"])[0]] == ["p1"]
        assert np.array_equal(index.dense.vectors(["p1", "p2"]), before)


def test_an_index_of_own_encoders_is_described(path: Path) -> None:
    with HybridIndex.open(path, stages=_own_stages(), read_only=True) as index:
        facts = index.info()
    assert json.loads(_run("info", str(path), "--json")) == facts
    findings = json.loads(_run("doctor", str(path), "--json"))["findings"]
    told = {each["name"]: each["detail"] for each in findings if each["area"] == "index"}
    assert told["dense"].endswith("names no limit, or is not here")


def test_what_encodes_still_needs_the_encoder(path: Path) -> None:
    result = CliRunner().invoke(hybridge, ["search", str(path), "boat"])
    assert result.exit_code == 1
    assert "pass it as encoder=" in result.stderr
    with (
        HybridIndex._open_without_encoders(path) as index,
        pytest.raises(EncoderMismatchError, match="'lengths', which cannot be loaded by name"),
    ):
        index.search(["boat"])
