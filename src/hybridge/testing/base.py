"""How the retriever suite gets at the object it tests, and what it must be told about it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Literal, TypeVar
from unittest import SkipTest

from ..passages import Passage
from ..protocols import Retriever, Scorer
from .checks import closing
from .corpus import PASSAGES

__all__ = ["MORE_THAN_ALL", "RetrieverSuite", "as_scorer", "needs"]

MORE_THAN_ALL = 10 * len(PASSAGES)

S = TypeVar("S", bound="RetrieverSuite")

_CANNOT = {
    "filters": "this retriever does not filter: the suite says filters = False",
    "scores": "this retriever does not score given passages: the suite says scores = False",
}


class RetrieverSuite:
    """The part of `RetrieverConformance` that a subclass overrides; its docstring explains."""

    filters: bool = True
    scores: bool = True
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


def needs(
    ability: Literal["filters", "scores"],
) -> Callable[[Callable[[S], None]], Callable[[S], None]]:
    """Decorate a rule that is skipped where the suite says that its retriever is not able to.

    The rule carries the ability as ``needs``, by which a test run can leave it out instead.
    """

    def decorate(rule: Callable[[S], None]) -> Callable[[S], None]:
        @wraps(rule)
        def checked(self: S) -> None:
            if not getattr(self, ability):
                raise SkipTest(_CANNOT[ability])
            rule(self)

        checked.needs = ability  # type: ignore[attr-defined]
        return checked

    return decorate


def as_scorer(retriever: Retriever) -> Scorer:
    """The retriever, if it scores given passages too.

    Raises:
        SkipTest: it does not.
    """
    if not isinstance(retriever, Scorer):
        raise SkipTest("this retriever does not score given passages: it has no method score")
    return retriever
