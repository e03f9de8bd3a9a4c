"""The token vectors of a retriever's texts, and the PLAID index built from them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping

from ...errors import CorruptIndexError
from ...iteration import chunked
from ...passages import Passage
from ...protocols import Vectors
from .building import build
from .encoder import RAGatouilleTokenEncoder
from .plaid import PlaidIndex
from .storage import Storage, text_key
from .token_store import TokenStore

__all__ = ["TextIndex", "encode", "indexable"]

logger = logging.getLogger(__name__)

# A text's vectors take some 100 kB, twice that while they are computed.
_TEXTS_AT_A_TIME = 256


def indexable(passages: Iterable[Passage]) -> dict[str, str]:
    """Return the non-blank texts of passages by their keys."""
    return {text_key(passage.text): passage.text for passage in passages if passage.text.strip()}


def encode(
    encoder: RAGatouilleTokenEncoder,
    texts: Mapping[str, str],
    store: TokenStore,
    *,
    progress: bool | None,
) -> None:
    """Encode texts and append their vectors to a store.

    Args:
        encoder: computes the vectors.
        texts: by their keys.
        store: what to append to.
        progress: show a bar; None shows it on a terminal.
    """
    from tqdm import tqdm

    if not texts:
        return
    # Neighbours in length together, so that more of them share a batch.
    keys = sorted(texts, key=lambda key: -len(texts[key]))
    disable = None if progress is None else not progress
    with tqdm(total=len(keys), desc="Encoding", unit="text", disable=disable) as bar:

        def vectors() -> Iterator[Vectors]:
            for chunk in chunked(keys, _TEXTS_AT_A_TIME):
                yield from encoder.encode_passages([texts[key] for key in chunk])
                bar.update(len(chunk))

        store.append(keys, vectors())


class TextIndex:
    """The vectors and the index in a retriever's folder; what is missing is computed.

    One thread may use it at a time, except that any may call `missing`. The indexes it returns
    serve many threads.

    Args:
        storage: the folder.
        encoder: the model.
        bits: bits of a coordinate in the index.
    """

    def __init__(self, storage: Storage, encoder: RAGatouilleTokenEncoder, bits: int) -> None:
        self._storage = storage
        self._encoder = encoder
        self._bits = bits
        self._tokens = storage.tokens(encoder.dimension)
        self._index: PlaidIndex | None = None

    def missing(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return the texts without stored vectors, by their keys."""
        return {key: text for key, text in texts.items() if key not in self._tokens}

    def take(self, store: TokenStore) -> None:
        """Move the vectors of another store here."""
        self._tokens.take(store)

    def covering(self, texts: Mapping[str, str], *, exactly: bool = False) -> PlaidIndex | None:
        """Return an index of all these texts; None where there are none.

        Args:
            texts: by their keys.
            exactly: build a new index where the present one holds further texts.
        """
        if exactly and not texts:
            self._index = None
            self._storage.clear_texts()
            self._tokens = self._storage.tokens(self._encoder.dimension)
            return None
        index = self._index or self._opened()
        indexed = set(index.keys) if index else set()
        if indexed != texts.keys() if exactly else not indexed >= texts.keys():
            index = self._built(texts)
        self._index = index
        return index

    def release(self) -> None:
        """Drop the index from memory; the files stay."""
        self._index = None

    def _opened(self) -> PlaidIndex | None:
        folder = self._storage.index
        if folder is None:
            return None
        try:
            return PlaidIndex(folder)
        except CorruptIndexError as error:
            logger.warning("%s; building it anew", error)
            return None

    def _built(self, texts: Mapping[str, str]) -> PlaidIndex:
        encoder = self._encoder
        encode(encoder, self.missing(texts), self._tokens, progress=False)
        keys = sorted(texts)
        vectors, lengths = self._tokens.arrange(keys)
        logger.info("building a PLAID index of %d texts", len(keys))
        folder = self._storage.replace_index(
            lambda folder: build(
                folder,
                keys,
                [texts[key] for key in keys],
                vectors,
                lengths,
                checkpoint=str(encoder.folder),
                passage_length=encoder.passage_length,
                bits=self._bits,
            )
        )
        return PlaidIndex(folder)
