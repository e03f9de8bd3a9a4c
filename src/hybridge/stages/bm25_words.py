"""The words beside a BM25 stage that is kept in the store, by which queries are corrected."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

from ..analyzer import Analyzer
from ..errors import CorruptIndexError, IndexNotFoundError
from ..lexical.files import load_arrays, save_arrays
from ..lexical.sparse import number_of_term
from ..search_text import SearchText
from ..spelling import Speller, Words
from ..vectors.store import Ranking, VectorQuery
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
        # Numbers that some point has; on a server alone, where each question is a request.
        self._present: set[int] = set()
        self._words = self._loaded()

    def over(self, storage: StageStorage) -> StoredWords:
        """Return the words of a part of the passages, which are read when they are needed."""
        return StoredWords(storage, self._analyzer, self._search_text, is_shared=self._is_shared)

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
        self._present = set()

    @property
    def are_in_store(self) -> bool:
        """Whether the store must be asked which words there are, as `uncounted` does."""
        return self._is_shared and not self._is_off

    def uncounted(self, words: Iterable[str]) -> list[VectorQuery]:
        """Return searches that each find a point if the store has a term of the words."""
        numbers = self._absent(self._numbers(list(words)))
        return [
            VectorQuery(self._storage.vector, ([number], [1.0]), 1) for number in sorted(numbers)
        ]

    def count(self, searches: Sequence[VectorQuery], found: Sequence[Ranking]) -> None:
        """Take over the answers to `uncounted`."""
        answered = zip(searches, found, strict=True)
        vectors = (search.vector for search, points in answered if points)
        self._remember({vector[0][0] for vector in vectors if isinstance(vector, tuple)})

    def _remember(self, present: set[int]) -> None:
        if len(self._present) > _REMEMBERED:
            self._present = set()
        self._present |= present

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
        if self._is_off:
            return None
        known = self._known if self._is_shared else None
        return Speller(
            self._complete, self._frequencies, known, lambda: self._analyzer.common_words
        )

    def _complete(self) -> Words:
        return self._words.completed(self._analyzer, self._texts)

    def _texts(self) -> Iterator[str]:
        logger.info("reading the words of all texts in %s", self._storage.location)
        for page in self._storage.store.pages():
            for passage in page:
                yield self._search_text(passage)

    def _frequencies(self, words: Sequence[str]) -> list[int]:
        by_word = self._numbers(words)
        counted = self._counts({number for each in by_word for number in each})
        return [max(map(counted.__getitem__, each)) if each else _STOP_WORD for each in by_word]

    def _known(self, words: Sequence[str]) -> list[int]:
        """Return 1 for each word that some passage has, else 0."""
        by_word = self._numbers(words)
        known = self._present
        counted = self._counts(self._absent(by_word))
        found = {number for number, count in counted.items() if count}
        self._remember(found)  # one that no point has may be added by another client
        return [
            int(not each or not known.isdisjoint(each) or not found.isdisjoint(each))
            for each in by_word
        ]

    def _absent(self, by_word: Iterable[set[int]]) -> set[int]:
        """Return the numbers of the words of which no number is known to be present."""
        absent = (each for each in by_word if self._present.isdisjoint(each))
        return {number for each in absent for number in each}

    def _counts(self, numbers: set[int]) -> dict[int, int]:
        listed = list(numbers)
        counts = self._storage.store.frequencies(self._storage.vector, listed) if listed else []
        return dict(zip(listed, counts, strict=True))

    def _numbers(self, words: Sequence[str]) -> list[set[int]]:
        """Return the numbers of each word's terms in the store; none of a stop word."""
        return [set(map(number_of_term, terms)) for terms in self._analyzer(words)]

    def save(self) -> None:
        """Save the words that some passage has, stamped with the store's generation."""
        file, generation = self._storage.file, self._storage.generation
        if file is None or (self._stamp == generation and not self._words.unsaved):
            return
        words = self._words.to_array(lambda word: self._frequencies([word]) != [0])
        if words is not None:
            save_arrays(file, {"stamp": generation}, words=words)
            self._stamp, self._words.unsaved = generation, False
