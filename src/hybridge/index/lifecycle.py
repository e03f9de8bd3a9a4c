"""The life of an index that is there: locked for reading and writing, and closed."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from ..analyzer import Analyzer
from ..colbert.tokens import TokenEncoder
from ..copying import pickle_nowhere
from ..errors import ClosedError, CopyError
from ..passages import Passage
from ..protocols import Encoder
from .access import Access
from .home import Home
from .lexical import LexicalStage
from .manifest import Lexical
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
        self._access = Access(home)
        self._lexical = open_lexical(home, analyzer)
        # Closes an index that nobody closed, when it is collected or the process ends.
        self._finalizer = weakref.finalize(self, _shut, home, self._lexical, os.getpid())

    @property
    def is_temporary(self) -> bool:
        """Whether the index goes when it is closed, with all that is in it."""
        return self._home.is_temporary

    @property
    def is_read_only(self) -> bool:
        """Whether the index was opened for reading only: `refresh` then follows its writer."""
        return self._home.is_read_only

    @property
    def lexical(self) -> Lexical:
        """Where BM25 lives: ``"bm25s"`` or ``"qdrant"``."""
        return self._home.manifest.lexical

    @property
    def analyzer(self) -> Analyzer:
        """What makes terms of queries and passages for BM25."""
        return self._lexical.analyzer

    @property
    def encoder(self) -> Encoder:
        """What makes vectors of queries and passages."""
        return self._encoder

    def close(self) -> None:
        """Save what is derived and let go of files and connections; closing again does nothing.

        In a forked child it does nothing either: the index is its parent's.
        """
        if self._access.closed or self._access.is_inherited:
            return
        with suppress(ClosedError), self._access.turn(), self._access.writing():
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

    def __copy__(self) -> Self:
        """Return this index: a copy is the same open index."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the place of the index, which is opened there for reading only.

        Raises:
            CopyError: it can be opened from nowhere else, or its encoder or analyzer is a function
                that cannot be pickled.
        """
        what = f"{self!r} cannot be pickled"
        if self._home.address is None:
            raise CopyError(f"{what}: {self._home.elsewhere}")
        manifest = self._home.manifest
        given: dict[str, Any] = {}
        if manifest.encoder_config is None:
            given["encoder"] = self._encoder
        if manifest.token_encoder is not None and manifest.token_encoder_config is None:
            given["late_interaction"] = self._token_encoder
        if "callable" in manifest.analyzer:
            given["analyzer"] = self._lexical.analyzer
        for name, part in given.items():
            try:
                pickle_nowhere(part)
            except Exception as error:  # whatever somebody else's object raises
                raise CopyError(
                    f"{what}, because its {name} cannot ({error}): {self._home.elsewhere}"
                ) from error
        return _reopened, (type(self), {**self._home.address, **given})

    def __repr__(self) -> str:
        suffix = ", read only" if self._home.is_read_only else ""
        return f"{type(self).__name__}({self._home.place}{suffix})"

    def _admit(self, passages: Iterable[Passage]) -> Iterable[Passage]:
        """Check that passages may be written, and each of them on the way; see `Home.admit`."""
        self._access.check()
        return self._home.admit(passages)

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

    def _in_steps(self, steps: Iterator[None]) -> None:
        """Take each step of a long write alone, with room for searches in between."""
        end = object()
        step: object = None
        while step is not end:
            with self._changing():
                step = next(steps, end)


def _reopened(index: type[Any], arguments: dict[str, Any]) -> Any:
    return index.open(read_only=True, **arguments)


def _shut(home: Home, lexical: LexicalStage, process: int) -> None:
    if os.getpid() != process:  # a forked child: the index belongs to its parent
        return
    try:
        if not home.is_read_only:
            lexical.save()
    finally:
        home.close()
