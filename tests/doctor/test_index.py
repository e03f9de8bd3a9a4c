"""An index is looked at too: whether it opens, and what its encoder does not read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hybridge import HybridIndex, Passage
from hybridge.cli.commands import hybridge
from hybridge.doctor import Finding, examine
from hybridge.doctor.index import examine_index

pytestmark = pytest.mark.model

LONG = "The harbour master wrote down every ship. " * 60


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Two passages with vectors of no meaning, made without loading a model."""
    with HybridIndex.create(tmp_path / "index") as made:
        passages = [Passage("long", LONG), Passage("short", "The ferry is late.")]
        made.add(passages, vectors=np.eye(2, 384))
    return tmp_path / "index"


def _told(findings: list[Finding]) -> dict[str, tuple[str, str]]:
    return {each.name: (each.state, each.detail) for each in findings}


def test_what_the_encoder_truncates_is_told_with_what_to_do(index: Path) -> None:
    found = list(examine_index(index))
    assert {each.area for each in found} == {"index"}
    assert _told(found)["passages"] == ("ok", f"2 in {index}")
    state, detail = _told(found)["dense"]
    assert state == "note"
    assert detail.startswith("1 of 2 passages have more than the 256 tokens")
    assert 'long_passages="window"' in found[-1].remedy
    with HybridIndex.open(index) as opened:
        opened.delete(["long"])
    state, detail = _told(list(examine_index(index)))["dense"]
    assert (state, detail.split(":")[0]) == (
        "ok",
        "0 of 1 passages have more than the 256 tokens that its encoder reads",
    )


def test_it_comes_last_in_the_whole(index: Path, tmp_path: Path) -> None:
    report = examine(index)
    assert [each.name for each in report.findings if each.area == "index"] == [
        "passages",
        "dense",
    ]
    assert report.findings[-1].area == "index"
    last = examine(tmp_path).findings[-1]
    assert (last.area, last.name, last.state) == ("index", "index", "missing")
    assert "failed with IndexNotFoundError" in last.detail


def test_the_command_takes_its_folder(index: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(hybridge, ["doctor", str(index)])
    assert told.exit_code == 0
    assert "1 of 2 passages" in told.stdout
    assert CliRunner().invoke(hybridge, ["doctor", str(tmp_path / "none")]).exit_code == 2
