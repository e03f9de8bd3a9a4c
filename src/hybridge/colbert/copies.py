"""A transformer of one's own to set up, over weights that somebody else may be using."""

from __future__ import annotations

import copy
from typing import Any

__all__ = ["with_settings_of_its_own"]


def with_settings_of_its_own(transformer: Any) -> Any:
    """A copy that shares the weights and nothing that a caller of the original would notice.

    Lengths, the tokenizer and its state are the copy's, and so is the place of the weights: other
    ones can be put there.

    Args:
        transformer: a `Transformer` of sentence-transformers; it is not changed.
    """
    copied = copy.copy(transformer)
    # torch keeps a module's parts in a dictionary, which copy.copy leaves to both.
    copied._modules = dict(transformer._modules)
    copied.processor = copy.deepcopy(transformer.processor)
    return copied
