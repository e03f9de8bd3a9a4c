"""The token vectors of a retriever's texts, and the PLAID index that is built from them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ...errors import CorruptIndexError
from ...passages import Passage
from ...protocols import Vectors
from .building import build
from .home import Home, text_key
from .plaid import PlaidIndex
from .settings import Settings
from .token_store import TokenStore

__all__ = ["TextIndex", "indexable"]

logger = logging.getLogger(__name__)

# A text's vectors take some 100 kB, twice that while they are computed.
_TEXTS_AT_A_TIME = 256


def indexable(passages: Iterable[Passage]) -> dict[str, str]:
    """The passages' texts by their keys, without those that are blank."""
    return {text_key(passage.text): passage.text for passage in passages if passage.text.strip()}


class TextIndex:
    """Keeps vectors and an index in a folder, and makes what it finds missing there.

    One thread may use it at a time; what it returns may be used by many.

    Args:
        home: the folder.
        settings: the model, and how finely its vectors are kept.
    """

    def __init__(self, home: Home, settings: Settings) -> None:
        self._home = home
        self._settings = settings
        self._tokens = self._kept()
        self._index: PlaidIndex | None = None

    def encode(self, texts: Mapping[str, str], *, progress: bool | None) -> None:
        """Make sure that the vectors of these texts are kept.

        Args:
            texts: by their keys.
            progress: show a bar; None shows it on a terminal.
        """
        from tqdm import tqdm

        # Neighbours in length together, so that more of them share a batch.
        missing = sorted(
            (key for key in texts if key not in self._tokens), key=lambda key: -len(texts[key])
        )
        if not missing:
            return
        disable = None if progress is None else not progress
        with tqdm(total=len(missing), desc="Encoding", unit="text", disable=disable) as bar:

            def vectors() -> Iterator[Vectors]:
                for start in range(0, len(missing), _TEXTS_AT_A_TIME):
                    keys = missing[start : start + _TEXTS_AT_A_TIME]
                    yield from self._settings.encoder.encode_passages([texts[key] for key in keys])
                    bar.update(len(keys))

            self._tokens.append(missing, vectors())

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
        self.encode(texts, progress=False)  # those whose vectors were lost
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
