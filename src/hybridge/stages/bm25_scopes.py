"""The parts of a BM25 stage that pass filters, derived once until the next write."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from math import inf
from threading import Lock
from time import monotonic
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from ..errors import InvalidInputError
from ..filters import Filter
from .stage import StageStorage

__all__ = ["BM25Scopes", "Statistics", "check_statistics"]

T = TypeVar("T")

Statistics: TypeAlias = Literal["index", "scope"]
"""Whose document frequencies and average length weigh the terms."""

_Key: TypeAlias = tuple[Filter, Statistics]
_CACHED = 64
# Seconds after which a part is derived again where others may have written.
_AGE = 60.0


class BM25Scopes:
    """The parts of a BM25 stage, each derived once until the next write.

    Args:
        lasts: seconds after which a part is derived again.
    """

    def __init__(self, lasts: float = inf) -> None:
        self._lasts = lasts
        self._lock = Lock()
        self._made: OrderedDict[_Key, tuple[float, Any]] = OrderedDict()

    @classmethod
    def of(cls, storage: StageStorage) -> BM25Scopes:
        """Return an empty cache for a stage, on a server for a minute at most."""
        return cls(_AGE if storage.store.is_remote else inf)

    def get(self, key: _Key, make: Callable[[], T]) -> T:
        """Return a part, derived now if it is not known."""
        with self._lock:
            made_at, part = self._made.get(key, (-inf, None))
            if part is None or monotonic() - made_at > self._lasts:
                part = make()
                self._made[key] = monotonic(), part
                while len(self._made) > _CACHED:
                    self._made.popitem(last=False)
            self._made.move_to_end(key)
            found: T = part
            return found

    def forget(self) -> None:
        """Drop all parts, because the passages, the terms or their weights changed."""
        with self._lock:
            self._made.clear()


def check_statistics(statistics: Statistics | None, default: Statistics) -> Statistics:
    """Return whose statistics are meant; None stands for the default.

    Raises:
        InvalidInputError: neither ``"index"`` nor ``"scope"``.
    """
    if statistics is not None and statistics not in get_args(Statistics):
        raise InvalidInputError(f"statistics must be 'index' or 'scope', not {statistics!r}")
    return default if statistics is None else statistics
