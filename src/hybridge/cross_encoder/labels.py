"""The condition that a cross-encoder gives one score a pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import InvalidInputError

__all__ = ["check_label_count", "check_saved_labels"]

# As transformers counts labels that a configuration does not name.
_UNNAMED = 2


def check_label_count(count: int, names: Iterable[object] = ()) -> None:
    """Raise unless a model gives one score a pair.

    Args:
        count: scores a pair.
        names: what they are called, for the message.

    Raises:
        InvalidInputError: it gives several, as models that classify pairs do.

    >>> check_label_count(3, ["no", "neutral", "yes"])
    Traceback (most recent call last):
    ...
    hybridge.errors.InvalidInputError: the model gives 3 scores a pair (no, neutral, yes), and ...
    """
    if count != 1:
        listed = ", ".join(map(str, names))
        raise InvalidInputError(
            f"the model gives {count} scores a pair{f' ({listed})' if listed else ''}, and a "
            "reranker needs one: give a cross-encoder that was trained to rank, with num_labels=1"
        )


def check_saved_labels(config: Mapping[str, Any]) -> None:
    """Raise unless a model gives one score a pair, by its configuration in ``config.json``."""
    names: Mapping[str, object] = config.get("id2label") or {}
    check_label_count(len(names) or int(config.get("num_labels") or _UNNAMED), names.values())
