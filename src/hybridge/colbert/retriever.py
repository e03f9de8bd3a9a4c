"""`ColBERTRetriever`: passages to add, delete, filter and find by late interaction, in PLAID."""

from __future__ import annotations

import asyncio
import logging
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from ..arguments import check_ids, check_k, check_queries
from ..errors import ClosedError, CorruptIndexError, EncoderMismatchError, InvalidInputError
from ..filters import as_filter
from ..passages import JSON, Hit, Passage, unique_passages
from ..protocols import Where
from .ragatouille.building import build
from .ragatouille.encoder import RAGatouilleTokenEncoder
from .ragatouille.home import Home, text_key
from .ragatouille.plaid import PlaidIndex
from .ragatouille.view import View

__all__ = ["ColBERTRetriever"]

logger = logging.getLogger(__name__)

_FORMAT = 1
_MODEL = "colbert-ir/colbertv2.0"
_BITS = (1, 2, 4)
# A text's vectors take some 100 kB, twice that while they are computed.
_TEXTS_AT_A_TIME = 256


class ColBERTRetriever:
    """Finds passages by late interaction over all of them: ColBERT in a PLAID index.

    A `Retriever` and a `Scorer`, with the verbs of `HybridIndex`. The model is run by RAGatouille,
    the index is colbert-ai's, and RAGatouille can open it too. It may be searched from many threads
    while others add and delete.

    What a write costs: `add` encodes texts that are new here, once for all time; the first search
    after it builds the index anew from the vectors that are kept, a minute for 5,000 abstracts on
    two cores, so add many at a time. `delete` costs nothing: deleted passages are passed over. An
    index is a function of the set of its texts alone, so one that grew and shrank finds what one
    that was built at once finds, once it is built anew; `optimize` does that after deletions too.

    Up to 256 texts all are scored; of more, those whose centroids PLAID recommends, so that a
    passage may be missed. Below some 10,000 texts exact late interaction over stored vectors
    (``HybridIndex.create(late_interaction=...)``) is as fast.
    """

    def __init__(
        self,
        home: Home,
        encoder: RAGatouilleTokenEncoder,
        bits: int,
        passages: Iterable[Passage] = (),
    ) -> None:
        """Not for users: `create` and `open` check what this takes for granted."""
        self._home = home
        self._encoder = encoder
        self._bits = bits
        # Replaced by each write, never changed, so that a search can go on with what it has.
        self._passages = {passage.id: passage for passage in passages}
        self._tokens = home.tokens(encoder.dimension)
        self._index: PlaidIndex | None = None
        self._latest: View | None = None
        self._closed = False
        self._writer = Lock()
        # Closes what nobody closed, when it is collected or the process ends.
        self._finalizer = weakref.finalize(self, _shut, home, os.getpid())

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
            overwrite: replace a retriever that is there already; nothing else is ever overwritten.

        Raises:
            InvalidInputError: an argument or a passage is not valid.
            IndexExistsError: there is something at this place already.
            MissingExtraError: RAGatouille is not installed.
            ModelNotFoundError: there is no such checkpoint.
        """
        given = {
            "query_length": query_length,
            "passage_length": passage_length,
            "device": device,
        }
        encoder = _encoder(_MODEL if model is None else model, given)
        if bits not in _BITS:
            raise InvalidInputError(f"bits must be one of {_BITS}, not {bits!r}")
        if encoder.dimension % (8 * bits):
            raise InvalidInputError(
                f"vectors of {encoder.dimension} coordinates cannot be packed by {bits} bits each: "
                f"their number must be a multiple of {8 * bits}"
            )
        first = list(unique_passages(passages))
        home = Home.create(None if path is None else Path(path), overwrite=overwrite)
        try:
            retriever = cls(home, encoder, bits)
            home.write(retriever._header(), ())
            retriever.add(first)
        except BaseException:
            home.clear()
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
        home, header, passages = Home.open(Path(path))
        try:
            config, bits = _checked(header, home.place)
            if isinstance(model, RAGatouilleTokenEncoder):
                encoder = _encoder(model, {"device": device})
            else:
                again = config | ({} if model is None else {"model": model})
                encoder = RAGatouilleTokenEncoder(**again, device=device)
            if encoder.identity != header["encoder"]:
                raise EncoderMismatchError(
                    f"{home.place} was made with the model {header['encoder']!r}, not "
                    f"{encoder.identity!r}: open it with that one, or make a new one with this"
                )
            return cls(home, encoder, bits, passages)
        except BaseException:
            home.close()
            raise

    @property
    def encoder(self) -> RAGatouilleTokenEncoder:
        """What makes token vectors of queries and passages."""
        return self._encoder

    def __len__(self) -> int:
        self._check()
        return len(self._passages)

    def __iter__(self) -> Iterator[Passage]:
        """The passages, in the order of their ids."""
        self._check()
        return iter(sorted(self._passages.values(), key=lambda passage: passage.id))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._home.place})"

    def add(self, passages: Iterable[Passage], *, progress: bool | None = None) -> int:
        """Add passages; one whose id is there already replaces it.

        All or nothing; when it returns, they survive the process. Passages that are blank can be
        got, but are never found.

        Args:
            passages: any number of them.
            progress: show a bar; None shows it on a terminal.

        Returns:
            How many passages were added.

        Raises:
            InvalidInputError: something that is no passage, or an id that comes twice.
        """
        added = list(unique_passages(passages))
        with self._writer:
            self._check()
            if added:
                self._encode(_texts(added), progress)
                self._write(self._passages | {passage.id: passage for passage in added})
        return len(added)

    def delete(self, ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        """Delete passages by their ids or by a filter; ids that are not there are no error.

        Returns:
            How many passages were deleted.

        Raises:
            InvalidInputError: neither or both of `ids` and `where` were given.
        """
        if (ids is None) == (where is None):
            raise InvalidInputError("delete needs either ids or where, to say what to delete")
        wanted, condition = set(check_ids(() if ids is None else ids)), as_filter(where)
        with self._writer:
            self._check()
            kept = {
                passage.id: passage
                for passage in self._passages.values()
                if not (passage.id in wanted if condition is None else condition.matches(passage))
            }
            deleted = len(self._passages) - len(kept)
            if deleted:
                self._write(kept)
        return deleted

    def get(self, ids: Iterable[str]) -> list[Passage | None]:
        """The passages of these ids, None for an id that is not there."""
        wanted = check_ids(ids)
        self._check()
        passages = self._passages
        return [passages.get(name) for name in wanted]

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """The best `k` passages for each query, best first, ties by id.

        Args:
            queries: a list of questions; a blank one finds nothing.
            k: how many passages a query gets at most.
            where: only passages that pass this filter, an object or a dict.

        Raises:
            InvalidInputError: an argument is not valid.
        """
        asked, k, condition = check_queries(queries), check_k(k), as_filter(where)
        view = self._view()
        choice = view.choice(condition)
        if not choice.carriers:
            return [[] for _ in asked]
        return [view.hits(query, k, choice) for query in self._encoder.encode_queries(asked)]

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """`search` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.search, queries, k, where=where)

    def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
        """The score of each of `ids[i]` for `queries[i]`, whether it would be found or not.

        It is what `search` reports: MaxSim over the index's vectors, which are those of the model
        rounded to a few bits; 0.0 where the query or the passage is blank.

        Raises:
            InvalidInputError: an unknown id, or not as many lists of ids as queries.
        """
        asked = check_queries(queries)
        wanted = [check_ids(some) for some in ids]
        if len(asked) != len(wanted):
            raise InvalidInputError(
                f"{len(wanted)} lists of ids for {len(asked)} queries: give one to each"
            )
        view = self._view()
        vectors = self._encoder.encode_queries(asked)
        return [view.scores(query, some) for query, some in zip(vectors, wanted, strict=True)]

    def optimize(self) -> None:
        """Build the index now, without what was deleted, if it is not of just these passages."""
        with self._writer:
            self._check()
            self._index = self._indexed(self._passages, exactly=True)
            self._latest = None

    def info(self) -> dict[str, JSON]:
        """What this retriever is and holds, as JSON."""
        return {
            "place": self._home.place,
            "passages": len(self),
            "encoder": self._encoder.identity,
            "bits": self._bits,
            "format": _FORMAT,
        }

    def close(self) -> None:
        """Let go of the files; closing again does nothing."""
        with self._writer:
            self._closed = True
            self._latest = self._index = None
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

    def _check(self) -> None:
        if self._closed:
            raise ClosedError(
                f"the retriever ({self._home.place}) was closed: open it again with "
                "ColBERTRetriever.open"
            )

    def _header(self) -> dict[str, Any]:
        return {
            "plaid": _FORMAT,
            "encoder": self._encoder.identity,
            "model": self._encoder.to_config(),
            "bits": self._bits,
        }

    def _write(self, passages: dict[str, Passage]) -> None:
        self._home.write(self._header(), passages.values())
        self._passages = passages
        self._latest = None

    def _view(self) -> View:
        self._check()
        view = self._latest
        if view is None:
            with self._writer:
                self._check()
                if self._latest is None:
                    self._index = self._indexed(self._passages)
                    self._latest = View(self._passages, self._index)
                view = self._latest
        return view

    def _indexed(
        self, passages: Mapping[str, Passage], *, exactly: bool = False
    ) -> PlaidIndex | None:
        """An index that has all the passages' texts, and no others if `exactly`."""
        texts = _texts(passages.values())
        index = self._index if self._index is not None else self._opened()
        if not texts:
            return index if not exactly else None
        if index is not None:
            known = set(index.keys)
            if known == texts.keys() or (not exactly and known >= texts.keys()):
                return index
        return self._built(texts)

    def _opened(self) -> PlaidIndex | None:
        folder = self._home.index
        if folder is None:
            return None
        try:
            return PlaidIndex(folder)
        except CorruptIndexError as error:
            logger.warning("%s; building it anew", error)
            return None

    def _built(self, texts: Mapping[str, str]) -> PlaidIndex:
        self._encode(texts, progress=False)  # those whose vectors were lost
        keys = sorted(texts)
        vectors, lengths = self._tokens.arrange(keys)

        def write(folder: Path) -> None:
            build(
                folder,
                keys,
                [texts[key] for key in keys],
                vectors,
                lengths,
                checkpoint=str(self._encoder.folder),
                passage_length=self._encoder.passage_length,
                bits=self._bits,
            )

        logger.info("building a PLAID index of %d texts", len(keys))
        return PlaidIndex(self._home.replace_index(write))

    def _encode(self, texts: Mapping[str, str], progress: bool | None) -> None:
        from tqdm import tqdm

        # Neighbours in length together, so that more of them share a batch.
        missing = sorted(
            (key for key in texts if key not in self._tokens), key=lambda key: -len(texts[key])
        )
        if not missing:
            return
        disable = None if progress is None else not progress
        with tqdm(total=len(missing), desc="Encoding", unit="text", disable=disable) as bar:

            def vectors() -> Iterator[Any]:
                for start in range(0, len(missing), _TEXTS_AT_A_TIME):
                    keys = missing[start : start + _TEXTS_AT_A_TIME]
                    yield from self._encoder.encode_passages([texts[key] for key in keys])
                    bar.update(len(keys))

            self._tokens.append(missing, vectors())


def _texts(passages: Iterable[Passage]) -> dict[str, str]:
    """The passages' texts by their keys, without those that are blank."""
    return {text_key(passage.text): passage.text for passage in passages if passage.text.strip()}


def _encoder(
    model: str | Path | RAGatouilleTokenEncoder, settings: Mapping[str, Any]
) -> RAGatouilleTokenEncoder:
    given = {name: value for name, value in settings.items() if value is not None}
    if not isinstance(model, RAGatouilleTokenEncoder):
        return RAGatouilleTokenEncoder(model, **given)
    if given:
        raise InvalidInputError(
            f"{' and '.join(given)} belong to the RAGatouilleTokenEncoder that was given: set them "
            "there"
        )
    return model


def _checked(header: Mapping[str, Any], place: str) -> tuple[dict[str, Any], int]:
    """How to make the encoder again, and the bits."""
    found = header.get("plaid")
    if found != _FORMAT:
        raise CorruptIndexError(
            f"{place} has format {found!r}; this version of hybridge reads {_FORMAT}: open it with "
            "the version that wrote it, or index again"
        )
    return header["model"], header["bits"]


def _shut(home: Home, process: int) -> None:
    if os.getpid() == process:  # else a forked child: the folder belongs to its parent
        home.close()
