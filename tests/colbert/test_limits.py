"""A limit is where the caller puts it, and nothing is cut that the caller did not ask to cut."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sentence_transformers.base.modules import Transformer
from transformers import RobertaConfig, RobertaModel

from hybridge.colbert.limits import set_limits
from hybridge.errors import InvalidInputError

EXPANSION = {"strategy": "fixed", "attend": True, "length": 8}


def _read(transformer: Transformer, task: str, words: int) -> int:
    """How many tokens the model reads of a text of so many words."""
    features = transformer.preprocess([" ".join(["one"] * words)], task=task)
    return int(features["input_ids"].shape[1])


@pytest.mark.parametrize(("words", "tokens"), [(3, 8), (20, 22)])
def test_expanded_queries_are_filled_up_and_not_cut(
    tiny_transformer: Path, words: int, tokens: int
) -> None:
    transformer = Transformer(str(tiny_transformer), query_expansion=EXPANSION)
    set_limits(transformer, None, None)
    assert _read(transformer, "query", words) == tokens
    assert transformer.query_expansion["attend"]


@pytest.mark.parametrize("words", [3, 20])
def test_expanded_queries_have_the_query_length(tiny_transformer: Path, words: int) -> None:
    transformer = Transformer(str(tiny_transformer), query_expansion=EXPANSION)
    set_limits(transformer, 6, None)
    assert _read(transformer, "query", words) == 6


@pytest.mark.parametrize(("words", "tokens"), [(3, 5), (20, 22)])
def test_a_limit_of_the_checkpoint_that_cuts_queries_is_lifted(
    tiny_transformer: Path, words: int, tokens: int
) -> None:
    transformer = Transformer(str(tiny_transformer), query_length=6)
    set_limits(transformer, None, None)
    assert _read(transformer, "query", words) == tokens


def test_other_queries_and_passages_have_at_most_their_length(tiny_transformer: Path) -> None:
    transformer = Transformer(str(tiny_transformer), document_length=30)
    set_limits(transformer, 6, None)
    assert [_read(transformer, "query", words) for words in (3, 20)] == [5, 6]
    assert _read(transformer, "document", 40) == 30
    set_limits(transformer, None, 10)
    assert [_read(transformer, "document", words) for words in (3, 40)] == [5, 10]
    # Nothing can be read beyond the model's positions.
    assert _read(transformer, "query", 100) == 48


@pytest.mark.parametrize("name", ["query_length", "passage_length"])
@pytest.mark.parametrize(
    ("length", "message"), [(3, "at least 4"), (49, "more than the 48 tokens")]
)
def test_what_the_model_cannot_read_is_named(
    tiny_transformer: Path, name: str, length: int, message: str
) -> None:
    transformer = Transformer(str(tiny_transformer))
    limits = {"query_length": None, "passage_length": None, name: length}
    with pytest.raises(InvalidInputError, match=f"{name} .*{message}"):
        set_limits(transformer, **limits)


@pytest.mark.parametrize("positions", [20, 48])
def test_positions_that_are_of_no_use_are_not_counted(
    tiny_transformer: Path, tmp_path: Path, positions: int
) -> None:
    # RoBERTa counts from behind its padding, which is 0 here.
    folder = Path(shutil.copytree(tiny_transformer, tmp_path / "roberta"))
    RobertaModel(
        RobertaConfig(
            vocab_size=30,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=positions,
            pad_token_id=0,
        )
    ).save_pretrained(str(folder))
    transformer = Transformer(str(folder))
    for name in ("query_length", "passage_length"):
        limits = {"query_length": None, "passage_length": None, name: positions}
        with pytest.raises(InvalidInputError, match=f"{name} .*than the {positions - 1} tokens"):
            set_limits(transformer, **limits)
    for longest in (None, positions - 1):
        set_limits(transformer, longest, longest)
        for task in ("query", "document"):
            features = transformer.preprocess(["one " * 100], task=task)
            assert transformer(features)["token_embeddings"].shape == (1, positions - 1, 16)
