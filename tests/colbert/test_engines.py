"""The engines are known by name, agree on one checkpoint, and refuse what they cannot do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridge.colbert import ENGINES, ColBERTReranker, MultiVectorTokenEncoder, TokenEncoder
from hybridge.colbert.engines import build_engine
from hybridge.errors import InvalidInputError, ModelNotFoundError

QUERIES = ["what thins the blood?", "aspirin and " * 30, "ß漢字😀"]


def test_every_engine_makes_a_token_encoder(checkpoint: Path) -> None:
    assert list(ENGINES) == ["sentence-transformers", "ragatouille"]
    for engine in ENGINES:
        assert isinstance(build_engine(engine, checkpoint), TokenEncoder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "limits",
    [{}, {"query_length": 16, "passage_length": 48}],
    ids=["the checkpoint's limits", "limits that cut"],
)
def test_the_engines_agree_on_one_checkpoint(
    checkpoint: Path, abstracts: list[str], limits: dict[str, int]
) -> None:
    texts = [[*abstracts, "word " * 10_000] for _ in QUERIES]
    first, second = (
        ColBERTReranker(checkpoint, engine=engine, **limits).score_texts(QUERIES, texts)
        for engine in ENGINES
    )
    np.testing.assert_allclose(first, second, atol=1e-3)
    assert np.ptp(first) > 1


@pytest.mark.parametrize("engine", ["plaid", "", None, 3], ids=repr)
def test_an_unknown_engine_is_named(engine: Any) -> None:
    with pytest.raises(InvalidInputError, match="one of sentence-transformers, ragatouille, not"):
        build_engine(engine, None)


@pytest.mark.parametrize("engine", list(ENGINES))
def test_a_path_without_a_model_is_named(engine: str, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="not a folder that holds a model"):
        build_engine(engine, tmp_path)
    with pytest.raises(ModelNotFoundError, match="there is no folder"):
        build_engine(engine, tmp_path / "missing")


def test_what_ragatouille_cannot_do_is_named(
    checkpoint: Path, token_encoder: MultiVectorTokenEncoder
) -> None:
    with pytest.raises(InvalidInputError, match="export_checkpoint writes one"):
        build_engine("ragatouille", None)
    with pytest.raises(InvalidInputError, match="in float32, not in 'bfloat16'"):
        build_engine("ragatouille", checkpoint, dtype="bfloat16")
    with pytest.raises(InvalidInputError, match="model must be"):
        build_engine("ragatouille", token_encoder)
