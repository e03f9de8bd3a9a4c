"""`hybridge info`: what `HybridIndex.info` says, readable and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.cli.commands import hybridge

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("info") / "idx"
    with HybridIndex.create(path) as made:
        made.add([Passage("a", "text")], vectors=[[1.0] + [0.0] * 383])
    return path


def test_json(index: Path) -> None:
    facts = json.loads(CliRunner().invoke(hybridge, ["info", str(index), "--json"]).stdout)
    with HybridIndex.open(index, read_only=True) as opened:
        assert facts == opened.info()
    assert facts["passages"] == 1


def test_a_table_with_a_line_for_every_fact(index: Path) -> None:
    result = CliRunner(env={"COLUMNS": "60"}).invoke(hybridge, ["info", str(index)])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert ["passages", "1"] in [line.split() for line in lines]
    assert any(line.startswith("weights.bm25") and "0.5" in line for line in lines)
    assert max(map(len, lines)) <= 60


def test_an_encoder_that_no_name_loads_is_told(tmp_path: Path) -> None:
    def encode(texts: object) -> list[list[float]]:
        return [[1.0, 2.0] for _ in texts]  # type: ignore[attr-defined]

    HybridIndex.create(
        tmp_path / "idx", encoder=CallableEncoder(encode, dimension=2, identity="ours")
    ).close()
    result = CliRunner().invoke(hybridge, ["info", str(tmp_path / "idx"), "--json"])
    assert result.exit_code == 0, result.output
    dense = json.loads(result.stdout)["stages"]["dense"]
    assert (dense["encoder"], dense["dimension"], dense["truncated"]) == ("ours", 2, None)
