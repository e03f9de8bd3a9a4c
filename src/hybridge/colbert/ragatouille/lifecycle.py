"""The life of a `ColBERTRetriever`: made, opened, written, closed."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from ...copying import SharedInCopies
from ...errors import ClosedError, CopyError
from ...filters import FieldCheck
from ...forking import ForkSafeLock, check_process
from ...passages import Passage, unique_passages
from .encoder import RAGatouilleTokenEncoder
from .home import Home
from .settings import Settings
from .text_index import TextIndex, encode, indexable
from .view import View

__all__ = ["Lifecycle"]


class Lifecycle(SharedInCopies):
    """What `ColBERTRetriever` does besides finding passages."""

    def __init__(self, home: Home, settings: Settings, passages: Iterable[Passage] = ()) -> None:
        """Not for users: `create` and `open` check what this takes for granted."""
        self._home = home
        self._settings = settings
        # Replaced by each write, never changed, so that a search can go on with what it has.
        self._passages: Mapping[str, Passage] = {passage.id: passage for passage in passages}
        self._index = TextIndex(home, settings)
        self._latest: View | None = None
        self._fields = FieldCheck(f"the retriever ({home.place})")
        self._closed = False
        # Who adds encodes under the first alone, and searches go on; the second is for changes.
        self._adding = ForkSafeLock()
        self._writer = ForkSafeLock()
        self._process = os.getpid()
        # Closes what nobody closed, when it is collected or the process ends.
        self._finalizer = weakref.finalize(self, home.close)

    @classmethod
    def create(
        cls,
        path: str | Path | None = None,
        passages: Iterable[Passage] = (),
        *,
        model: str | Path | RAGatouilleTokenEncoder | None = None,
        query_length: int | None = None,
        passage_length: int | None = None,
        device: str | None = None,
        bits: int = 4,
        overwrite: bool = False,
    ) -> Self:
        """A new retriever.

        Args:
            path: a missing or empty folder; without it, a temporary one that goes when the
                retriever is closed.
            passages: what to begin with; as by `add`.
            model: a ColBERT checkpoint in Stanford's format, by name or folder; None for
                ``colbert-ir/colbertv2.0``. `hybridge.colbert.export_checkpoint` makes one of any
                model. A `RAGatouilleTokenEncoder` may be shared by many retrievers.
            query_length: tokens of a query that are read, see `RAGatouilleTokenEncoder`.
            passage_length: tokens of a passage that are read.
            device: torch's name of a device for the model; None takes the best there is. The index
                is always searched on the CPU.
            bits: bits of a coordinate in the index, 1, 2 or 4.
            overwrite: replace a retriever that is there already, once the passages are encoded;
                nothing else is ever overwritten.

        Raises:
            InvalidInputError: an argument or a passage is not valid.
            IndexExistsError: there is something at this place already.
            MissingExtraError: RAGatouille is not installed.
            ModelNotFoundError: there is no such checkpoint.
            StoreError: the folder cannot be written.
        """
        settings = Settings.checked(
            model, bits, query_length=query_length, passage_length=passage_length, device=device
        )
        first = list(unique_passages(passages))
        home = Home.create(None if path is None else Path(path).expanduser(), overwrite=overwrite)
        try:
            with home.staging(settings.encoder.dimension) as store:
                encode(settings.encoder, indexable(first), store, progress=None)
                home.begin(settings.header(), first)
                retriever = cls(home, settings, first)
                retriever._index.take(store)
        except BaseException:
            home.close()
            raise
        return retriever

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        model: str | Path | RAGatouilleTokenEncoder | None = None,
        device: str | None = None,
    ) -> Self:
        """The retriever that `create` made in a folder.

        Args:
            path: the folder.
            model: where the model is now, if it has moved; None for where it was.
            device: torch's name of a device for the model; None takes the best there is.

        Raises:
            IndexNotFoundError: there is none in this folder.
            IndexLockedError: it is open already.
            CorruptIndexError: the passages are damaged, or not a retriever's.
            EncoderMismatchError: it was made with another model.
            ModelNotFoundError: there is no such checkpoint.
        """
        home, header, passages = Home.open(Path(path).expanduser())
        try:
            return cls(home, Settings.reopened(header, home.place, model, device), passages)
        except BaseException:
            home.close()
            raise

    def optimize(self) -> None:
        """Build the index now, without what was deleted, if it is not of just these passages."""
        with self._writer:
            self._check()
            self._index.covering(indexable(self._passages.values()), exactly=True)
            self._latest = None

    def close(self) -> None:
        """Let go of the files, once no other thread adds; closing again does nothing."""
        with self._adding, self._writer:
            self._closed = True
            self._latest = None
            self._index.forget()
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

    def __reduce__(self) -> NoReturn:
        raise CopyError(
            f"{self!r} cannot be pickled: one process at a time has its folder open. Make it in a "
            "folder, close it, and open that in the other process with ColBERTRetriever.open"
        )

    def _check(self) -> None:
        check_process(
            self._process,
            repr(self),
            "one process at a time has a folder open, so open it with ColBERTRetriever.open behind "
            "the fork, in the process that needs it",
        )
        if self._closed:
            raise ClosedError(
                f"the retriever ({self._home.place}) was closed: open it again with "
                "ColBERTRetriever.open"
            )

    def _put(self, added: Sequence[Passage], *, progress: bool | None) -> None:
        encoder = self._settings.encoder
        with self._adding:
            self._check()
            if not added:
                return
            with self._home.staging(encoder.dimension) as store:
                missing = self._index.missing(indexable(added))
                encode(encoder, missing, store, progress=progress)
                with self._writer:
                    self._index.take(store)
                    self._write({**self._passages, **{passage.id: passage for passage in added}})

    def _write(self, passages: Mapping[str, Passage]) -> None:
        self._home.write(self._settings.header(), passages.values())
        self._passages = passages
        self._latest = None

    def _view(self) -> View:
        """The passages of this moment with an index that knows their texts."""
        self._check()
        view = self._latest
        if view is None:
            with self._writer:
                self._check()
                view = self._latest
                if view is None:
                    passages = self._passages
                    view = View(passages, self._index.covering(indexable(passages.values())))
                    self._latest = view
        return view
