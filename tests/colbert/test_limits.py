"""A limit is where the caller puts it, and nothing is cut that the caller did not ask to cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from sentence_transformers.base.modules import Transformer

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
def test_expanded_queries_are_as_long_as_asked(tiny_transformer: Path, words: int) -> None:
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


def test_other_queries_and_passages_are_at_most_as_long_as_asked(tiny_transformer: Path) -> None:
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
    ("length", "message"), [(3, "at least 4"), (49, "more than the 48 positions")]
)
def test_what_the_model_cannot_read_is_named(
    tiny_transformer: Path, name: str, length: int, message: str
) -> None:
    transformer = Transformer(str(tiny_transformer))
    limits = {"query_length": None, "passage_length": None, name: length}
    with pytest.raises(InvalidInputError, match=f"{name} .*{message}"):
        set_limits(transformer, **limits)
