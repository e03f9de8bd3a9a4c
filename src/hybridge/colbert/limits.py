"""How many tokens of a query and of a passage a transformer reads."""

from __future__ import annotations

import copy
from typing import Any

from ..arguments import check_count
from ..encoders.positions import readable_tokens
from ..errors import InvalidInputError

__all__ = ["check_lengths", "set_limits", "with_own_settings"]


def with_own_settings(transformer: Any) -> Any:
    """Return a copy with its own limits and tokenizer, over the same weights.

    The weights of the copy can be replaced without a change to the original.

    Args:
        transformer: a `Transformer` of sentence-transformers.
    """
    copied = copy.copy(transformer)
    # torch stores a module's parts in a dictionary, which copy.copy shares.
    copied._modules = dict(transformer._modules)
    copied.processor = copy.deepcopy(transformer.processor)
    return copied


def set_limits(transformer: Any, query_length: int | None, passage_length: int | None) -> None:
    """Set a late-interaction model's limits, so that nothing is truncated in silence.

    Args:
        transformer: the model's first module, which is changed.
        query_length: tokens of a query: exactly so many where the model expands its queries,
            else at most. None expands to the model's own length, and truncates nothing.
        passage_length: tokens of a passage at most; None leaves it as it is.

    Raises:
        InvalidInputError: the model cannot read as many, or nothing of the text would be left.
    """
    maximum = readable_tokens(transformer.config)
    special = transformer.tokenizer.num_special_tokens_to_add()
    check_lengths(query_length, passage_length, special, maximum)
    # Where the tokenizer names no limit, sentence-transformers takes every position for usable.
    if maximum is not None and (transformer.max_seq_length or 0) > maximum:
        transformer.max_seq_length = maximum
    expansion = transformer.query_expansion
    transformer.query_length = query_length if expansion is None else None
    if expansion is not None and query_length is None:
        transformer.query_expansion = {**expansion, "strategy": "min"}
    elif expansion is not None:
        transformer.query_expansion = {**expansion, "strategy": "fixed", "length": query_length}
    if passage_length is not None:
        transformer.document_length = passage_length


def check_lengths(
    query_length: int | None, passage_length: int | None, special: int, maximum: int | None
) -> None:
    """Raise unless a model can read so many tokens, and more than its own ones.

    Args:
        query_length: tokens of a query; None for the model's own length.
        passage_length: tokens of a passage; None for the model's own length.
        special: the special tokens around a text.
        maximum: the most tokens that the model can read; None for any number.

    Raises:
        InvalidInputError: it cannot read as many, or nothing of the text would be left.
    """
    # The special ones, a marker in front of the text, and one of its tokens.
    minimum = special + 2
    for name, length in (("query_length", query_length), ("passage_length", passage_length)):
        if length is not None and check_count(length, name) < minimum:
            raise InvalidInputError(
                f"{name} must be at least {minimum} for this model, not {length}"
            )
        if length is not None and maximum is not None and length > maximum:
            raise InvalidInputError(
                f"{name} {length} is more than the {maximum} tokens that this model can read"
            )
