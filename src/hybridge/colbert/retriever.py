"""`ColBERTRetriever`: late interaction over all passages, by a PLAID index in a folder."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, NoReturn, Self

from ..arguments import check_ids, check_k, check_queries
from ..copying import SharedInCopies
from ..encoders.caching import query_cache
from ..errors import (
    ClosedError,
    CopyError,
    CorruptIndexError,
    EncoderMismatchError,
    InvalidInputError,
)
from ..filters import FieldCheck, as_filter, some_of
from ..forking import ForkSafeLock, check_process
from ..observation import observed
from ..passages import JSON, Hit, Passage, unique_passages
from ..protocols import Vectors, Where
from .max_sim import per_token
from .ragatouille.encoder import RAGatouilleTokenEncoder
from .ragatouille.storage import Storage
from .ragatouille.text_index import TextIndex, encode, indexable
from .ragatouille.view import STAGE, View

__all__ = ["ColBERTRetriever"]

_FORMAT = 1
_MODEL = "colbert-ir/colbertv2.0"
_BITS = (1, 2, 4)


class ColBERTRetriever(SharedInCopies):
    """A retriever by late interaction over all passages: ColBERT in a PLAID index.

    A `Retriever` and a `Scorer`, with the verbs of `HybridIndex`. RAGatouille runs the model, the
    index is colbert-ai's, and RAGatouille can open it too. It may be searched from many threads
    while others add and delete.

    The cost of a write: `add` encodes each new text once, while searches go on; the first search
    after it rebuilds the index from the stored vectors, 20 s for 5,000 abstracts on two cores, so
    add many at a time. `delete` costs nothing: searches skip deleted passages. An index depends on
    the set of its texts alone: after a rebuild, one that grew and shrank returns what one built at
    once returns. `optimize` rebuilds after deletions too.

    Up to 256 texts all are scored; of more, those whose centroids PLAID recommends, so that a
    passage may be missed. ``HybridIndex.create(late_interaction=...)`` compares the candidates of
    BM25 and the bi-encoder alone: it takes more room, never rebuilds, and is the faster of the two.
    """

    name: ClassVar[str] = STAGE

    def __init__(
        self,
        storage: Storage,
        encoder: RAGatouilleTokenEncoder,
        bits: int,
        passages: Iterable[Passage] = (),
    ) -> None:
        """Call `create` or `open` instead: they validate."""
        self._storage = storage
        self._encoder = encoder
        self._bits = bits
        # Replaced by each write, never changed: a search goes on with the mapping it has.
        self._passages: Mapping[str, Passage] = {passage.id: passage for passage in passages}
        self._index = TextIndex(storage, encoder, bits)
        self._latest: View | None = None
        self._fields = FieldCheck(f"the retriever ({storage.location})")
        self._closed = False
        # `add` encodes under the first alone, and searches go on; changes take the second.
        self._adding = ForkSafeLock()
        self._writer = ForkSafeLock()
        self._process = os.getpid()
        self._finalizer = weakref.finalize(self, storage.close)

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
        """Create a retriever in a folder.

        Args:
            path: a missing or empty folder; None for a temporary one, deleted when the retriever
                is closed.
            passages: the first ones; as by `add`.
            model: a ColBERT checkpoint in Stanford's format, by name or folder; None for
                ``colbert-ir/colbertv2.0``. `hybridge.colbert.export_checkpoint` makes one of any
                model. Many retrievers may share a `RAGatouilleTokenEncoder`.
            query_length: tokens of a query that are read, see `RAGatouilleTokenEncoder`.
            passage_length: tokens of a passage that are read.
            device: torch's name of a device for the model; None takes the best there is. The index
                is always searched on the CPU.
            bits: bits of a coordinate in the index, 1, 2 or 4.
            overwrite: replace a retriever in this folder, once the passages are encoded; nothing
                else is ever overwritten.

        Raises:
            InvalidInputError: an argument or a passage is not valid.
            IndexExistsError: the folder holds something already.
            MissingExtraError: RAGatouille is not installed.
            ModelNotFoundError: there is no such checkpoint.
            StoreError: the folder cannot be written.
        """
        encoder = _as_encoder(
            _MODEL if model is None else model,
            query_length=query_length,
            passage_length=passage_length,
            device=device,
        )
        _check_bits(bits, encoder.dimension)
        first = list(unique_passages(passages))
        folder = None if path is None else Path(path).expanduser()
        storage = Storage.create(folder, overwrite=overwrite)
        try:
            with storage.staging(encoder.dimension) as store:
                encode(encoder, indexable(first), store, progress=None)
                storage.begin(_header(encoder, bits), first)
                retriever = cls(storage, encoder, bits, first)
                retriever._index.take(store)
        except BaseException:
            storage.close()
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
        """Open the retriever that `create` made in a folder.

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
        storage, header, passages = Storage.open(Path(path).expanduser())
        try:
            encoder, bits = _from_header(header, storage.location, model, device)
            return cls(storage, encoder, bits, passages)
        except BaseException:
            storage.close()
            raise

    @property
    def encoder(self) -> RAGatouilleTokenEncoder:
        """The model that encodes queries and passages."""
        return self._encoder

    def __len__(self) -> int:
        self._check_open()
        return len(self._passages)

    def __iter__(self) -> Iterator[Passage]:
        """Iterate over the passages in the order of their ids."""
        self._check_open()
        return iter(sorted(self._passages.values(), key=lambda passage: passage.id))

    def add(self, passages: Iterable[Passage], *, progress: bool | None = None) -> int:
        """Add passages; a passage whose id exists replaces the old one.

        All or nothing; on return they are on disk. Blank passages can be got, but are never found.

        Args:
            passages: any number of them.
            progress: show a bar; None shows it on a terminal.

        Returns:
            How many passages were added.

        Raises:
            InvalidInputError: something that is no passage, or an id that comes twice.
        """
        added = list(unique_passages(passages))
        with self._adding:
            self._check_open()
            if not added:
                return 0
            with self._storage.staging(self._encoder.dimension) as store:
                missing = self._index.missing(indexable(added))
                encode(self._encoder, missing, store, progress=progress)
                with self._writer:
                    self._index.take(store)
                    self._write({**self._passages, **{passage.id: passage for passage in added}})
        return len(added)

    def delete(self, ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        """Delete passages by their ids or by a filter; unknown ids are no error.

        Returns:
            How many passages were deleted.

        Raises:
            InvalidInputError: neither or both of `ids` and `where` are set.
        """
        if (ids is None) == (where is None):
            raise InvalidInputError("delete needs either ids or where, to say what to delete")
        deleted_ids, condition = set(check_ids(() if ids is None else ids)), as_filter(where)
        with self._writer:
            self._check_open()
            left = {
                passage.id: passage
                for passage in self._passages.values()
                if not (
                    passage.id in deleted_ids if condition is None else condition.matches(passage)
                )
            }
            deleted = len(self._passages) - len(left)
            if deleted:
                self._write(left)
        return deleted

    def get(self, ids: Iterable[str]) -> list[Passage | None]:
        """Return the passages of these ids, None for an unknown one."""
        names = check_ids(ids)
        self._check_open()
        passages = self._passages
        return [passages.get(name) for name in names]

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the best `k` passages for each query, best first, ties by id.

        Args:
            queries: any number of them; a blank one finds nothing.
            k: the most passages for a query.
            where: only passages that pass this filter, an object or a dict.

        Raises:
            InvalidInputError: an argument is not valid.
        """
        queries, k, condition = check_queries(queries), check_k(k), as_filter(where)
        with observed(STAGE, len(queries)) as span:
            view = self._view()
            if condition is not None:
                self._fields.look(condition, some_of(self._passages.values()))
            candidates = view.candidates(condition)
            if candidates.passages:
                vectors = query_cache.encode(self._encoder, queries)
                hits = [view.hits(query, k, candidates) for query in vectors]
            else:
                hits = [[] for _ in queries]
            span.hits = hits
        return hits

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Run `search` in a thread, without blocking the event loop."""
        return await asyncio.to_thread(self.search, queries, k, where=where)

    def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
        """Return the score of each of `ids[i]` for `queries[i]`, whether a search finds it or not.

        It is the score of `search`: MaxSim over the index's vectors, which are those of the model
        rounded to a few bits; 0.0 where the query or the passage is blank.

        Raises:
            InvalidInputError: an unknown id, or not as many lists of ids as queries.
        """
        queries = check_queries(queries)
        names = [check_ids(row) for row in ids]
        if len(queries) != len(names):
            raise InvalidInputError(
                f"{len(names)} lists of ids for {len(queries)} queries: give one to each"
            )
        view = self._view()
        vectors = query_cache.encode(self._encoder, queries)
        return [view.scores(query, row) for query, row in zip(vectors, names, strict=True)]

    def comparable_scores(
        self, queries: Sequence[str], scores: Sequence[Sequence[float]]
    ) -> list[list[float]]:
        """Return each query's scores per token of it, a scale that is the same for all queries."""
        return per_token(query_cache.encode(self._encoder, queries), scores)

    def vectors(self, id_: str) -> Vectors | None:
        """Return a passage's token vectors as the index compares them.

        They are those of the model rounded to a few bits, shape (tokens, dimension); None for a
        blank passage or an unknown id.
        """
        [name] = check_ids([id_])
        return self._view().vectors(name)

    def info(self) -> dict[str, JSON]:
        """Return a description of this retriever as JSON."""
        return {
            "place": self._storage.location,
            "passages": len(self),
            "encoder": self._encoder.identity,
            "bits": self._bits,
            "format": _FORMAT,
        }

    def optimize(self) -> None:
        """Build the index now, unless it covers exactly the present passages."""
        with self._writer:
            self._check_open()
            self._index.covering(indexable(self._passages.values()), exactly=True)
            self._latest = None

    def close(self) -> None:
        """Release the files, after any running `add`; a second call does nothing."""
        with self._adding, self._writer:
            self._closed = True
            self._latest = None
            self._index.release()
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
        return f"{type(self).__name__}({self._storage.location})"

    def __reduce__(self) -> NoReturn:
        raise CopyError(
            f"{self!r} cannot be pickled: one process at a time has its folder open. Make it in a "
            "folder, close it, and open that in the other process with ColBERTRetriever.open"
        )

    def _check_open(self) -> None:
        check_process(
            self._process,
            repr(self),
            "one process at a time has a folder open, so open it with ColBERTRetriever.open behind "
            "the fork, in the process that needs it",
        )
        if self._closed:
            raise ClosedError(
                f"the retriever ({self._storage.location}) was closed: open it again with "
                "ColBERTRetriever.open"
            )

    def _write(self, passages: Mapping[str, Passage]) -> None:
        self._storage.write(_header(self._encoder, self._bits), passages.values())
        self._passages = passages
        self._latest = None

    def _view(self) -> View:
        """Return the present passages with an index of all their texts."""
        self._check_open()
        view = self._latest
        if view is None:
            with self._writer:
                self._check_open()
                view = self._latest
                if view is None:
                    passages = self._passages
                    view = View(passages, self._index.covering(indexable(passages.values())))
                    self._latest = view
        return view


def _as_encoder(
    model: str | Path | RAGatouilleTokenEncoder, **settings: Any
) -> RAGatouilleTokenEncoder:
    """Return the model as an encoder; settings that are None keep their defaults."""
    settings = {name: value for name, value in settings.items() if value is not None}
    if not isinstance(model, RAGatouilleTokenEncoder):
        return RAGatouilleTokenEncoder(model, **settings)
    if settings:
        raise InvalidInputError(
            f"{' and '.join(settings)} belong to the RAGatouilleTokenEncoder object: set them there"
        )
    return model


def _check_bits(bits: int, dimension: int) -> None:
    if type(bits) is not int or bits not in _BITS:
        raise InvalidInputError(f"bits must be one of {_BITS}, not {bits!r}")
    if dimension % (8 * bits):
        raise InvalidInputError(
            f"vectors of {dimension} coordinates cannot be packed by {bits} bits each: their "
            f"number must be a multiple of {8 * bits}"
        )


def _header(encoder: RAGatouilleTokenEncoder, bits: int) -> dict[str, Any]:
    return {
        "plaid": _FORMAT,
        "encoder": encoder.identity,
        "model": encoder.to_config(),
        "bits": bits,
    }


def _from_header(
    header: Mapping[str, Any],
    location: str,
    model: str | Path | RAGatouilleTokenEncoder | None,
    device: str | None,
) -> tuple[RAGatouilleTokenEncoder, int]:
    """Return the encoder and the bits that a `_header` describes."""
    if header.get("plaid") != _FORMAT:
        raise CorruptIndexError(
            f"{location} has format {header.get('plaid')!r}; this version of hybridge reads "
            f"{_FORMAT}: open it with the version that wrote it, or index again"
        )
    try:
        config, identity, bits = (header[name] for name in ("model", "encoder", "bits"))
    except KeyError as error:
        raise CorruptIndexError(f"{location} lacks its {error}: index again") from error
    if isinstance(model, RAGatouilleTokenEncoder):
        encoder = _as_encoder(model, device=device)
    else:
        settings = {name: value for name, value in config.items() if name != "engine"}
        if model is not None:
            settings["model"] = model
        encoder = RAGatouilleTokenEncoder(**settings, device=device)
    if encoder.identity != identity:
        raise EncoderMismatchError(
            f"{location} was made with the model {identity!r}, not {encoder.identity!r}: open it "
            "with that one, or make a new one with this"
        )
    return encoder, bits
