"""How many tokens of a query and of a passage a transformer reads."""

from __future__ import annotations

from typing import Any

from ..arguments import check_count
from ..encoders.positions import readable_tokens
from ..errors import InvalidInputError

__all__ = ["set_limits"]


def set_limits(transformer: Any, query_length: int | None, passage_length: int | None) -> None:
    """Set a late-interaction model's limits, so that none of them is silent.

    Args:
        transformer: the model's first module, which is changed.
        query_length: tokens of a query: exactly so many where the model expands its queries,
            else at most. None expands to the length that the model asks for, and cuts nothing.
        passage_length: tokens of a passage at most; None leaves it as it is.

    Raises:
        InvalidInputError: the model cannot read as many, or nothing of the text would be left.
    """
    tokenizer = transformer.tokenizer
    # Two marks around the text, a marker in front of it, and one token of its own.
    least = tokenizer.num_special_tokens_to_add() + 2
    most = readable_tokens(transformer.config)
    for name, length in (("query_length", query_length), ("passage_length", passage_length)):
        if length is not None and check_count(length, name) < least:
            raise InvalidInputError(f"{name} must be at least {least} for this model, not {length}")
        if length is not None and most is not None and length > most:
            raise InvalidInputError(
                f"{name} {length} is more than the {most} tokens that this model can read"
            )
    # Where the tokenizer names no limit, sentence-transformers takes every position for usable.
    if most is not None and (transformer.max_seq_length or 0) > most:
        transformer.max_seq_length = most
    expansion = transformer.query_expansion
    transformer.query_length = query_length if expansion is None else None
    if expansion is not None and query_length is None:
        transformer.query_expansion = {**expansion, "strategy": "min"}
    elif expansion is not None:
        transformer.query_expansion = {**expansion, "strategy": "fixed", "length": query_length}
    if passage_length is not None:
        transformer.document_length = passage_length
