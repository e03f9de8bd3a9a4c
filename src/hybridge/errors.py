"""The errors Hybridge raises; every one of them is a `HybridgeError`.

    HybridgeError
    ├── InvalidInputError      an argument, passage, vector or filter is not valid
    ├── MissingExtraError      an optional dependency is not installed
    ├── ModelNotFoundError     a model is neither on disk nor reachable
    ├── CollectionNotFoundError  a judged collection is neither on disk nor reachable
    ├── CopyError              an object cannot be pickled or copied
    └── StoreError             the engine that keeps the passages refused or failed
        ├── IndexNotFoundError     there is no index at this place
        ├── IndexExistsError       there is an index at this place already
        ├── IndexLockedError       another process (or object) has this index open
        ├── CorruptIndexError      files are truncated, foreign, or of a format we do not know
        ├── EncoderMismatchError   the index was built with another encoder or analyzer
        ├── ReadOnlyError          the index was opened for reading only
        ├── ForkedError            the index was opened by the process that this one was forked from
        └── ClosedError            the index was closed before this call

`InvalidInputError` is a `ValueError` too, `MissingExtraError` an `ImportError` and `CopyError` a
`TypeError`, so code that catches the built-in ones keeps working.
"""

from __future__ import annotations

__all__ = [
    "ClosedError",
    "CollectionNotFoundError",
    "CopyError",
    "CorruptIndexError",
    "EncoderMismatchError",
    "ForkedError",
    "HybridgeError",
    "IndexExistsError",
    "IndexLockedError",
    "IndexNotFoundError",
    "InvalidInputError",
    "MissingExtraError",
    "ModelNotFoundError",
    "ReadOnlyError",
    "StoreError",
]


class HybridgeError(Exception):
    """The root of every error that Hybridge raises on purpose."""


class InvalidInputError(HybridgeError, ValueError):
    """An argument, passage, vector or filter is not valid; nothing was changed."""


class MissingExtraError(HybridgeError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package!r} is not installed. Install it with: pip install 'hybridge[{extra}]'",
            name=package,
        )
        self._given = (package, extra)

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), self._given  # an error crosses from a worker to its pool by pickle


class ModelNotFoundError(HybridgeError):
    """A model is neither on disk nor reachable; the message says what to install or set."""


class CollectionNotFoundError(HybridgeError):
    """A judged collection is neither on disk nor reachable; the message says what failed."""


class CopyError(HybridgeError, TypeError):
    """An object cannot be pickled or copied; the message says what to do instead."""


class StoreError(HybridgeError):
    """The engine that keeps the passages refused or failed; its own message follows ours."""


class IndexNotFoundError(StoreError):
    """There is no index at this place."""


class IndexExistsError(StoreError):
    """There is an index at this place already, and overwriting was not asked for."""


class IndexLockedError(StoreError):
    """Another process, or another object of this one, has this index open."""


class CorruptIndexError(StoreError):
    """Files are truncated, foreign, or of a format this version does not know."""


class EncoderMismatchError(StoreError):
    """The index was built with another encoder or analyzer than the one it is opened with."""


class ReadOnlyError(StoreError):
    """The index was opened for reading only, and a write was asked for."""


class ForkedError(StoreError):
    """The index was opened by the process that this one was forked from: open it here."""


class ClosedError(StoreError):
    """The index was closed before this call."""
