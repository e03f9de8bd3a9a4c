"""The token vectors of a retriever's texts, and the PLAID index that is built from them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ...errors import CorruptIndexError
from ...passages import Passage
from ...protocols import Vectors
from .building import build
from .encoder import RAGatouilleTokenEncoder
from .home import Home, text_key
from .plaid import PlaidIndex
from .settings import Settings
from .token_store import TokenStore

__all__ = ["TextIndex", "encode", "indexable"]

logger = logging.getLogger(__name__)

# A text's vectors take some 100 kB, twice that while they are computed.
_TEXTS_AT_A_TIME = 256


def indexable(passages: Iterable[Passage]) -> dict[str, str]:
    """The passages' texts by their keys, without those that are blank."""
    return {text_key(passage.text): passage.text for passage in passages if passage.text.strip()}


def encode(
    encoder: RAGatouilleTokenEncoder,
    texts: Mapping[str, str],
    store: TokenStore,
    *,
    progress: bool | None,
) -> None:
    """Compute the vectors of some texts and keep them.

    Args:
        encoder: computes them.
        texts: by their keys.
        store: where they are kept.
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
            for start in range(0, len(keys), _TEXTS_AT_A_TIME):
                some = [texts[key] for key in keys[start : start + _TEXTS_AT_A_TIME]]
                yield from encoder.encode_passages(some)
                bar.update(len(some))

        store.append(keys, vectors())


class TextIndex:
    """Keeps vectors and an index in a folder, and makes what it finds missing there.

    One thread may use it at a time, but for `missing`, which any may call at any time; what it
    returns may be used by many.

    Args:
        home: the folder.
        settings: the model, and how finely its vectors are kept.
    """

    def __init__(self, home: Home, settings: Settings) -> None:
        self._home = home
        self._settings = settings
        self._tokens = self._kept()
        self._index: PlaidIndex | None = None

    def missing(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Those of the texts whose vectors are not kept, by their keys."""
        return {key: text for key, text in texts.items() if key not in self._tokens}

    def take(self, store: TokenStore) -> None:
        """Keep the vectors of another store, which loses them."""
        self._tokens.take(store)

    def covering(self, texts: Mapping[str, str], *, exactly: bool = False) -> PlaidIndex | None:
        """An index that has all of these texts, and no others if `exactly`; None for no text.

        Args:
            texts: by their keys.
            exactly: whether an index of more texts will not do.
        """
        if exactly and not texts:
            self._index = None
            self._home.clear_texts()
            self._tokens = self._kept()
            return None
        index = self._index if self._index is not None else self._opened()
        known = set(index.keys) if index is not None else set()
        if known != texts.keys() if exactly else not known >= texts.keys():
            index = self._built(texts)
        self._index = index
        return index

    def forget(self) -> None:
        """Let go of the memory; the files stay."""
        self._index = None

    def _kept(self) -> TokenStore:
        return self._home.tokens(self._settings.encoder.dimension)

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
        lost = self.missing(texts)
        encode(self._settings.encoder, lost, self._tokens, progress=False)
        keys = sorted(texts)
        vectors, lengths = self._tokens.arrange(keys)

        def write(folder: Path) -> None:
            build(
                folder,
                keys,
                [texts[key] for key in keys],
                vectors,
                lengths,
                checkpoint=str(self._settings.encoder.folder),
                passage_length=self._settings.encoder.passage_length,
                bits=self._settings.bits,
            )

        logger.info("building a PLAID index of %d texts", len(keys))
        return PlaidIndex(self._home.replace_index(write))
