"""The collection of the browser's tests in an index that loads no model."""

from __future__ import annotations

from hybridge import CallableEncoder, HybridIndex

from ..browser.passages import HOSTILE, PASSAGES

__all__ = ["new_manual"]

_LETTERS = "aeioustrnl"


def new_manual() -> HybridIndex:
    """Make an index of the collection whose vectors count letters."""
    encoder = CallableEncoder(
        lambda texts: [[1.0 + text.lower().count(each) for each in _LETTERS] for text in texts],
        identity="letters",
    )
    index = HybridIndex.create(encoder=encoder)
    index.add([*PASSAGES, *HOSTILE])
    return index
