"""A BM25 collection that changes: term counts per passage, scored at the next search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, compress, count, pairwise
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..analyzer import Analyzer, AnalyzerLike
from ..errors import CorruptIndexError, InvalidInputError
from ..forking import ForkSafeLock
from ..spelling import Words
from .compiled import check_backend
from .files import load_arrays, save_arrays
from .parameters import BM25Parameters
from .snapshot import Counts, Key, Snapshot, join

__all__ = ["Postings"]

K = TypeVar("K", bound=Key)

_FORMAT = 1
_SCORINGS = 3  # cached at a time: each is as large as the counts


class Postings(Generic[K]):
    """The term counts of texts under keys, for BM25.

    Many threads may use it: a search reads a snapshot, which later writes leave alone.

    Args:
        analyzer: of texts and queries.
        parameters: the variant of BM25.
        backend: ``"numpy"`` or ``"numba"``.

    Attributes:
        backend: as above.
        stamp: the text of the last save or load.
        words: of the texts, as they are written; those of deleted texts stay until `save`.

    >>> postings = Postings(Analyzer("english"))
    >>> postings.upsert(["p1", "p2"], ["a cat sat", "two dogs ran"])
    >>> [key for key, score in postings.snapshot().top("dog", 10)]
    ['p2']
    """

    def __init__(
        self,
        analyzer: Analyzer,
        parameters: BM25Parameters | None = None,
        *,
        backend: str = "numpy",
    ) -> None:
        self.analyzer = analyzer
        self.parameters = parameters if parameters is not None else BM25Parameters()
        self.stamp = ""
        self.words = Words()
        self.backend = check_backend(backend)
        self._counts: dict[K, Counts] = {}
        self._vocabulary = _Vocabulary()
        self._frequencies = np.zeros(0, dtype=np.int32)  # of terms, by number
        self._version = 0
        self._latest: dict[BM25Parameters, tuple[int, Snapshot[K]]] = {}
        # Awaited by forks, so that no child has half of a write.
        self._writing = ForkSafeLock(awaited=True)
        self._building = ForkSafeLock()

    def __len__(self) -> int:
        return len(self._counts)

    def __contains__(self, key: object) -> bool:
        return key in self._counts

    def upsert(self, keys: Sequence[K], texts: Sequence[str]) -> None:
        """Add texts under their keys, or replace them, all or nothing.

        Args:
            keys: one for each text.
            texts: any number of them.

        Raises:
            InvalidInputError: not as many keys as texts.
        """
        if len(keys) != len(texts):
            raise InvalidInputError(f"{len(keys)} keys for {len(texts)} texts: give one to each")
        self.put(keys, self.count(texts))

    def count(self, texts: Sequence[str]) -> list[Counts]:
        """Count the terms of texts, for `put`: the slow part of `upsert`, without a change."""
        return [self._count(text) for text in texts]

    def put(self, keys: Sequence[K], counts: Sequence[Counts]) -> None:
        """Add counts from `count` under their keys: the atomic part of `upsert`."""
        with self._writing:
            for key, new in zip(keys, counts, strict=True):
                self._remove(key)
                self._tally(new[0], 1)
                self._counts[key] = new
            self._version += 1

    def delete(self, keys: Iterable[K]) -> int:
        """Remove texts by their keys; return how many there were."""
        with self._writing:
            before = len(self._counts)
            for key in keys:
                self._remove(key)
            removed = before - len(self._counts)
            self._version += bool(removed)
        return removed

    def _remove(self, key: K) -> None:
        counts = self._counts.pop(key, None)
        if counts is not None:
            self._tally(counts[0], -1)

    def _tally(self, terms: NDArray[np.int32], times: int) -> None:
        """Count a text with these different terms."""
        size = int(terms.max(initial=-1)) + 1
        if size > len(self._frequencies):
            room = np.zeros(max(size, 2 * len(self._frequencies)), dtype=np.int32)
            room[: len(self._frequencies)] = self._frequencies
            self._frequencies = room
        self._frequencies[terms] += times

    def part(self, keys: Iterable[K]) -> Postings[K]:
        """Return some of the texts, as they are now, for searches alone.

        >>> postings = Postings(Analyzer("english"))
        >>> postings.upsert(["p1", "p2"], ["a cat sat", "two cats ran"])
        >>> postings.part(["p2"]).frequencies(["cat", "sat"])
        [1, 0]
        """
        part = type(self)(self.analyzer, self.parameters, backend=self.backend)
        with self._writing:
            part._counts = {key: self._counts[key] for key in keys}
        part._vocabulary = self._vocabulary  # which only grows
        joined, _ = join(list(part._counts.values()))
        part._frequencies = np.bincount(joined[0], minlength=1).astype(np.int32)
        part.words = Words.from_array(None)
        return part

    def frequencies(self, words: Sequence[str]) -> list[int]:
        """Return how many texts have each word, by its most frequent term; all have a stop word.

        >>> postings = Postings(Analyzer("english"))
        >>> postings.upsert(["p1", "p2"], ["a cat sat", "two dogs ran"])
        >>> postings.frequencies(["Cats", "the", "mouse"])
        [1, 2, 0]
        """
        return [
            max(map(self._frequency, terms)) if terms else len(self)
            for terms in self.analyzer(words)
        ]

    def _frequency(self, term: str) -> int:
        number = self._vocabulary.get(term)
        known = self._frequencies
        return 0 if number is None or number >= len(known) else int(known[number])

    def snapshot(self, parameters: BM25Parameters | None = None) -> Snapshot[K]:
        """Return the present collection with its scores, computed after a write.

        Args:
            parameters: instead of the collection's own; the scores of the last ones are cached.
        """
        chosen = self.parameters if parameters is None else parameters
        latest = self._latest.get(chosen)
        if latest is None or latest[0] != self._version:
            with self._building:
                latest = self._latest.get(chosen)
                if latest is None or latest[0] != self._version:
                    latest = self._build(chosen)
                    self._keep(chosen, latest)
        return latest[1]

    def _keep(self, parameters: BM25Parameters, built: tuple[int, Snapshot[K]]) -> None:
        current = {each: old for each, old in self._latest.items() if old[0] == built[0]}
        latest = {**current, parameters: built}
        others = [each for each in latest if each != self.parameters]
        for oldest in others[: -_SCORINGS + 1]:
            del latest[oldest]
        self._latest = latest  # at once, for others read it meanwhile

    def save(self, path: Path, *, stamp: str = "") -> None:
        """Write the collection into one file, which is replaced.

        Terms of deleted texts alone are left out.

        Args:
            path: of the file.
            stamp: any text; `load` restores it.

        Raises:
            StoreError: the file cannot be written.
        """
        keys, vocabulary, arrays = self._joined()
        meta = {
            "format": _FORMAT,
            "stamp": stamp,
            "analyzer": self.analyzer.to_config(),
            "revision": self.analyzer.revision,
            "parameters": self.parameters.to_config(),
            "keys": [str(key) for key in keys],
            "vocabulary": vocabulary,
        }
        save_arrays(path, meta, **arrays)
        self.stamp = stamp
        self.words.unsaved = False

    def _joined(self) -> tuple[list[K], list[str], dict[str, NDArray[Any]]]:
        """Return the keys, the terms of the texts, and the arrays of everything else."""
        with self._writing:
            counts, vocabulary = dict(self._counts), list(self._vocabulary)
        keys = sorted(counts)
        joined, widths = join([counts[key] for key in keys])
        used = np.zeros(len(vocabulary), dtype=np.bool_)
        used[joined[0]] = True
        joined[0] = (np.cumsum(used, dtype=np.int32) - 1)[joined[0]]
        arrays: dict[str, NDArray[Any]] = {"counts": joined, "widths": widths}
        keep = None if used.all() else self._has
        if (words := self.words.to_array(keep)) is not None:
            arrays["words"] = words
        return keys, list(compress(vocabulary, used.tolist())), arrays

    def _has(self, word: str) -> bool:
        return self.frequencies([word]) != [0]

    def __getstate__(self) -> dict[str, Any]:
        keys, vocabulary, arrays = self._joined()
        return {
            "analyzer": self.analyzer,
            "parameters": self.parameters,
            "backend": self.backend,
            "stamp": self.stamp,
            "keys": keys,
            "vocabulary": vocabulary,
            **arrays,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(  # type: ignore[misc]
            state["analyzer"], state["parameters"], backend=state["backend"]
        )
        self.stamp = state["stamp"]
        self._take(state["keys"], state["vocabulary"], state["counts"], state["widths"])
        self.words = Words.from_array(state.get("words"))

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        key: Callable[[str], K],
        analyzer: AnalyzerLike = None,
        backend: str = "numpy",
    ) -> Postings[K]:
        """Read a collection that `save` wrote.

        Args:
            path: of the file.
            key: the inverse of `str` for keys.
            analyzer: required if it is a function; otherwise None, or an equal one.
            backend: ``"numpy"`` or ``"numba"``.

        Raises:
            IndexNotFoundError: there is no such file.
            EncoderMismatchError: `analyzer` is another one, or is required and missing.
            CorruptIndexError: the file is truncated, not Hybridge's, of an unknown format, or from
                other versions of the libraries that make the terms.
        """
        meta, arrays = load_arrays(path)
        if meta.get("format") != _FORMAT:
            raise CorruptIndexError(f"{path} is of a format this version does not know")
        found = Analyzer.from_config(meta.get("analyzer", {}), analyzer)
        if meta.get("revision") != found.revision:
            raise CorruptIndexError(
                f"{path} holds terms as other versions of the language libraries made them"
            )
        postings = cls(found, backend=backend)
        try:
            postings._fill(meta, arrays, key)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CorruptIndexError(f"{path} does not hold together: {error!r}") from error
        return postings

    def _fill(
        self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]], key: Callable[[str], K]
    ) -> None:
        self.stamp = meta["stamp"]
        self.parameters = BM25Parameters.from_config(meta["parameters"])
        keys = [key(text) for text in meta["keys"]]
        self._take(keys, meta["vocabulary"], arrays["counts"], arrays["widths"])
        # A file of an earlier release has none: they are read from the texts when needed.
        self.words = Words.from_array(arrays.get("words"))

    def _take(
        self, keys: list[K], vocabulary: list[str], counts: Counts, widths: NDArray[np.int32]
    ) -> None:
        self._vocabulary = _Vocabulary(zip(vocabulary, count(), strict=False))
        ends = list(accumulate(widths.tolist(), initial=0))
        self._counts = {
            name: counts[:, start:end]
            for name, (start, end) in zip(keys, pairwise(ends), strict=True)
        }
        if not (
            counts.dtype == widths.dtype == np.int32
            and counts.shape == (2, ends[-1])
            and widths.min(initial=0) >= 0
            and counts.min(initial=0) >= 0
            and counts[0].max(initial=-1) < len(self._vocabulary) == len(vocabulary)
            and len(self._counts) == len(keys)
        ):
            raise ValueError("its arrays do not fit each other")
        self._frequencies = np.bincount(counts[0], minlength=1).astype(np.int32)

    def _count(self, text: str) -> Counts:
        counted = Counter(self.words.terms(self.analyzer, text))
        with self._writing:
            numbers = list(map(self._vocabulary.__getitem__, counted))
        return np.array([numbers, list(counted.values())], dtype=np.int32)

    def _build(self, parameters: BM25Parameters) -> tuple[int, Snapshot[K]]:
        with self._writing:
            version, counts, size = self._version, dict(self._counts), len(self._vocabulary)
        return version, Snapshot(
            self.analyzer, parameters, counts, self._vocabulary, size, self.backend
        )


class _Vocabulary(dict[str, int]):
    """The number of each term; `[...]` adds an unknown term with the next number."""

    def __missing__(self, term: str) -> int:
        number = self[term] = len(self)
        return number
