"""How the retriever suite gets at the object it tests, and what it must be told about it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..passages import Passage
from ..protocols import Retriever
from .checks import closing
from .corpus import PASSAGES

__all__ = ["MORE_THAN_ALL", "RetrieverSuite"]

MORE_THAN_ALL = 10 * len(PASSAGES)


class RetrieverSuite:
    """The part of `RetrieverConformance` that a subclass overrides; its docstring explains."""

    filters: bool = True
    complete: bool = False
    tolerance: float = 1e-6

    def build(self, passages: list[Passage]) -> Retriever:
        """A retriever over exactly these passages, which may be none."""
        raise NotImplementedError(f"{type(self).__name__} must override build(passages)")

    @contextmanager
    def _built(self, passages: Sequence[Passage] = PASSAGES) -> Iterator[Retriever]:
        # Copies, so that a retriever that changes its passages spoils no other test.
        with closing(self.build(copy.deepcopy(list(passages)))) as retriever:
            yield retriever
