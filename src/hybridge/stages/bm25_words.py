"""The words beside a BM25 stage that is kept in the store, by which queries are corrected."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from ..analyzer import Analyzer
from ..errors import CorruptIndexError, IndexNotFoundError
from ..lexical.files import load_arrays, save_arrays
from ..lexical.sparse import number_of_term
from ..search_text import SearchText
from ..spelling import Speller, Words
from .stage import StageStorage

__all__ = ["StoredWords"]

logger = logging.getLogger(__name__)

# Passages of a server whose texts are read for their words: some 3 s.
_READ = 20_000
_REMEMBERED = 100_000  # numbers
_STOP_WORD = 2**31


class StoredWords:
    """The words of an index whose terms are in the store.

    In a folder they are in a file beside the points while the index is closed. If that is missing
    or stale, and on a server, all texts are read for them when a query has an unknown word.

    Args:
        storage: of the index, as its stage uses it.
        analyzer: of passages and queries.
        search_text: what is searched of a passage.
        is_shared: whether others may write to the store.
    """

    def __init__(
        self,
        storage: StageStorage,
        analyzer: Analyzer,
        search_text: SearchText,
        *,
        is_shared: bool,
    ) -> None:
        self._storage = storage
        self._analyzer = analyzer
        self._search_text = search_text
        self._is_shared = is_shared
        self._is_off: bool | None = None if is_shared else False
        # Of numbers that some point has; on a server alone, where each question is a request.
        self._counted: dict[int, int] = {}
        self._words = self._loaded()

    def _loaded(self) -> Words:
        file = self._storage.file
        self._stamp = ""
        if file is None:
            empty = not self._is_shared and not self._storage.store.count()
            return Words() if empty else Words.from_array(None)
        try:
            meta, arrays = load_arrays(file)
        except (CorruptIndexError, IndexNotFoundError):
            meta, arrays = {}, {}
        if meta.get("stamp") == self._storage.generation:
            self._stamp = self._storage.generation
            return Words.from_array(arrays.get("words"))
        return Words.from_array(None) if self._storage.store.count() else Words()

    def terms(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the terms of texts that will be added, and add their words."""
        return [self._words.terms(self._analyzer, text) for text in texts]

    def forget_counts(self) -> None:
        """Drop what is cached of the store, because the store was written to."""
        self._counted.clear()

    @property
    def speller(self) -> Speller | None:
        """The corrector by these words; None for a server that has too many texts to read."""
        if self._is_off is None:
            self._is_off = self._storage.store.count() > _READ
            if self._is_off:
                logger.info(
                    "%s has more than %d passages, so that queries are not corrected: their texts "
                    "would have to be read from the server",
                    self._storage.location,
                    _READ,
                )
        return None if self._is_off else Speller(self._complete, self._frequencies)

    def _complete(self) -> Words:
        return self._words.completed(self._analyzer, self._texts)

    def _texts(self) -> Iterator[str]:
        logger.info("reading the words of all texts in %s", self._storage.location)
        for page in self._storage.store.pages():
            for passage in page:
                yield self._search_text(passage)

    def _frequencies(self, words: Sequence[str]) -> list[int]:
        by_word = [list(map(number_of_term, terms)) for terms in self._analyzer(words)]
        known = self._counted
        unknown = list({number for numbers in by_word for number in numbers} - known.keys())
        counts = self._storage.store.frequencies(self._storage.vector, unknown)
        counted = {**known, **dict(zip(unknown, counts, strict=True))}
        if self._is_shared:  # one that no point has may be added by another client
            found = {number: count for number, count in counted.items() if count}
            self._counted = found if len(found) < _REMEMBERED else {}
        return [max(map(counted.__getitem__, each)) if each else _STOP_WORD for each in by_word]

    def save(self) -> None:
        """Save the words that some passage has, stamped with the store's generation."""
        file, generation = self._storage.file, self._storage.generation
        if file is None or (self._stamp == generation and not self._words.unsaved):
            return
        words = self._words.to_array(lambda word: self._frequencies([word]) != [0])
        if words is not None:
            save_arrays(file, {"stamp": generation}, words=words)
            self._stamp, self._words.unsaved = generation, False
