"""The life of an index that is there: locked for reading and writing, and closed."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from types import TracebackType
from typing import Self

from ..analyzer import Analyzer
from ..colbert.tokens import TokenEncoder
from ..protocols import Encoder
from .access import Access
from .home import Home
from .lexical import LexicalStage
from .opening import open_lexical

__all__ = ["Lifecycle"]


class Lifecycle:
    """What `HybridIndex` does besides keeping and finding passages."""

    def __init__(
        self,
        home: Home,
        encoder: Encoder,
        analyzer: Analyzer,
        token_encoder: TokenEncoder | None = None,
    ) -> None:
        """Not for users: `create` and `open` check what this takes for granted."""
        self._home = home
        self._encoder = encoder
        self._token_encoder = token_encoder
        self._access = Access(home.store, home.place)
        self._writer = Lock()
        self._lexical = open_lexical(home, analyzer)
        # Closes an index that nobody closed, when it is collected or the process ends.
        self._finalizer = weakref.finalize(self, _shut, home, self._lexical, os.getpid())

    @property
    def is_temporary(self) -> bool:
        """Whether the index goes when it is closed, with all that is in it."""
        return self._home.is_temporary

    @property
    def encoder(self) -> Encoder:
        """What makes vectors of queries and passages."""
        return self._encoder

    def close(self) -> None:
        """Save what is derived and let go of files and connections; closing again does nothing."""
        with self._writer:
            if not self._access.closed:
                with self._access.writing():
                    self._access.closed = True
                    self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._home.place})"

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep everybody else out for a write; if it fails half-way, trust nothing derived."""
        with self._access.writing():
            self._home.touch()
            try:
                yield
            except BaseException:
                self._lexical.invalidate()
                raise


def _shut(home: Home, lexical: LexicalStage, process: int) -> None:
    if os.getpid() != process:  # a forked child: the index belongs to its parent
        return
    try:
        lexical.save()
    finally:
        home.close()
