"""The passages that a text is, or is a part of."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate

from ..passages import Passage

__all__ = ["PassageTexts"]

_SHORTEST_PART = 20  # characters: "see above" is a part of far too many passages


class PassageTexts:
    """The texts of passages, to find the passages that contain a text.

    Args:
        passages: the passages.

    >>> texts = PassageTexts([Passage("p1", "Yeast makes gas, and dough\\nrises."), \
Passage("p2", "Salt.")])
    >>> texts.find("makes  gas, and dough rises"), texts.find("Salt."), texts.find("gas")
    (['p1'], ['p2'], [])
    """

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._ids: list[str] = []
        self._whole: defaultdict[str, list[str]] = defaultdict(list)
        texts = []
        for passage in passages:
            text = " ".join(passage.text.split())
            self._ids.append(passage.id)
            self._whole[text].append(passage.id)
            texts.append(text)
        # One string is searched many times faster than many; no text holds a line break.
        self._joined = "\n".join(texts)
        self._starts = list(accumulate((len(text) + 1 for text in texts), initial=0))

    def find(self, context: str) -> list[str]:
        """Return the ids of the passages whose text is `context`, or else contains it.

        Blanks and line breaks count as one blank. A text of fewer than 20 characters has to be a
        passage's whole text.
        """
        text = " ".join(context.split())
        if not text:
            return []
        if whole := self._whole.get(text):
            return list(whole)
        found: list[str] = []
        start = self._joined.find(text) if len(text) >= _SHORTEST_PART else -1
        while start >= 0:
            i = bisect_right(self._starts, start) - 1
            found.append(self._ids[i])
            start = self._joined.find(text, self._starts[i + 1])
        return found
