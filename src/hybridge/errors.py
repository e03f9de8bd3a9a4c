"""The errors that Hybridge raises; each is a `HybridgeError`.

    HybridgeError
    ├── InvalidInputError      an argument, passage, vector or filter is not valid
    ├── MissingExtraError      an optional dependency is not installed
    ├── ModelNotFoundError     a model is neither on disk nor reachable
    ├── ModelCacheError        what is made of models cannot be kept on disk
    ├── CollectionNotFoundError  a test collection is neither on disk nor reachable
    ├── CopyError              an object cannot be pickled or copied
    └── StoreError             the engine of the store refused or failed
        ├── IndexNotFoundError     there is no index here
        ├── IndexExistsError       there is an index here already
        ├── IndexLockedError       another process (or object) has this index open
        ├── CorruptIndexError      files are truncated, not an index's, or of an unknown format
        ├── EncoderMismatchError   the index was built with another encoder or analyzer
        ├── ReadOnlyError          the index was opened for reading only
        ├── ForkedError            the index was opened by the process that this one was forked from
        └── ClosedError            the index was closed before this call

`InvalidInputError` is also a `ValueError`, `MissingExtraError` an `ImportError` and `CopyError` a
`TypeError`, so code that catches the built-in errors works.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
    "ModelCacheError",
    "ModelNotFoundError",
    "ReadOnlyError",
    "StoreError",
    "needs_extra",
]


class HybridgeError(Exception):
    """The base class of all errors of Hybridge."""


class InvalidInputError(HybridgeError, ValueError):
    """An error in an argument, passage, vector or filter; nothing was changed."""


class MissingExtraError(HybridgeError, ImportError):
    """An error of a missing optional dependency; the message names the extra to install."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package!r} is not installed. Install it with: pip install 'hybridge[{extra}]'",
            name=package,
        )
        self._arguments = (package, extra)

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), self._arguments  # a process pool pickles its workers' errors


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Name the extra to install where a package that the block imports is missing.

    Args:
        extra: the extra that brings it.

    Raises:
        MissingExtraError: a package is not installed; the message names both.

    >>> with needs_extra("cli"):  # doctest: +ELLIPSIS
    ...     import absent
    Traceback (most recent call last):
    ...
    hybridge.errors.MissingExtraError: 'absent' is not installed. Install it with: ...
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or str(error)).partition(".")[0]
        raise MissingExtraError(package, extra) from error


class ModelNotFoundError(HybridgeError):
    """An error of a model neither on disk nor reachable; the message has the remedy."""


class ModelCacheError(HybridgeError):
    """An error in writing to the cache of models and vectors; nothing is half-written."""


class CollectionNotFoundError(HybridgeError):
    """An error of a test collection neither on disk nor reachable; the message has the cause."""


class CopyError(HybridgeError, TypeError):
    """An error in pickling or copying an object; the message has the remedy."""


class StoreError(HybridgeError):
    """An error of the store's engine, whose message follows ours.

    Args:
        message: the cause and the remedy.
        status: the HTTP status of a server's refusal; None without an answer.
        reason: the server's own text, whole.

    >>> StoreError("the server is full", status=507).status
    507
    """

    def __init__(self, *message: object, status: int | None = None, reason: str = "") -> None:
        super().__init__(*message)
        self.status = status
        self.reason = reason


class IndexNotFoundError(StoreError):
    """An error in opening an index that does not exist."""


class IndexExistsError(StoreError):
    """An error in creating an index over another without ``overwrite``."""


class IndexLockedError(StoreError):
    """An error in opening an index that another process or object has open."""


class CorruptIndexError(StoreError):
    """An error of files that are truncated, not an index's, or of an unknown format."""


class EncoderMismatchError(StoreError):
    """An error in opening an index with another encoder or analyzer than it was built with."""


class ReadOnlyError(StoreError):
    """An error in writing to an index that was opened for reading only."""


class ForkedError(StoreError):
    """An error in using an index that the parent process opened: open it in this one."""


class ClosedError(StoreError):
    """An error in using a closed index."""
