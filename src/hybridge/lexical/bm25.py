"""BM25 over passages in memory: a retriever that needs no store and no model."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from ..analyzer import Analyzer, AnalyzerLike
from ..arguments import check_ids, check_k, check_queries
from ..errors import CorruptIndexError, IndexNotFoundError, InvalidInputError
from ..filters import FieldCheck, as_filter, some_of
from ..forking import ForkSafeLock
from ..observation import observed
from ..passages import Hit, Passage, unique_passages
from ..protocols import Where
from .parameters import BM25Parameters
from .parts import ScoreParts
from .passage_file import check_ours, read_passages, write_passages
from .postings import Postings
from .view import STAGE, View

__all__ = ["BM25Retriever"]

logger = logging.getLogger(__name__)

_PASSAGES = "passages.jsonl"
_POSTINGS = "postings.npz"


class BM25Retriever:
    """Ranks passages by the words they share with the query.

    A `Retriever` and a `Scorer`. It may be searched from many threads while others add and
    delete; the first search after a write scores the collection anew (about a second for 200,000
    passages).

    Args:
        passages: what to begin with; as by `add`.
        analyzer: an `Analyzer`, the name of a language, or a function from a text to its terms;
            None for English.
        method: ``"lucene"``, ``"robertson"``, ``"atire"``, ``"bm25l"`` or ``"bm25+"``.
        k1: how slowly a term's further occurrences stop counting; above 0.
        b: how much a passage's length counts, from 0 to 1.
        delta: what a single occurrence is worth at least, in bm25l and bm25+ alone.
        idf_method: the variant whose inverse document frequency is taken; None for `method`'s.
        backend: ``"numpy"``, or ``"numba"`` for compiled scoring, which numpy stands in for until
            it has warmed up in the background; pays for many queries over many passages.

    Raises:
        InvalidInputError: a value outside its range, or a passage that `add` would refuse.
        MissingExtraError: ``"numba"`` without numba.

    >>> retriever = BM25Retriever([Passage("p1", "A cat sat."), Passage("p2", "Two dogs ran.")])
    >>> [[hit.passage.id for hit in hits] for hits in retriever.search(["dog", "cats", "the"])]
    [['p2'], ['p1'], []]
    """

    def __init__(
        self,
        passages: Iterable[Passage] = (),
        *,
        analyzer: AnalyzerLike = None,
        method: str = "lucene",
        k1: float = 1.2,
        b: float = 0.75,
        delta: float = 0.5,
        idf_method: str | None = None,
        backend: str = "numpy",
    ) -> None:
        parameters = BM25Parameters(method, k1, b, delta, idf_method)
        self._postings: Postings[str] = Postings(Analyzer.of(analyzer), parameters, backend=backend)
        self._passages: dict[str, Passage] = {}
        self._latest: View | None = None
        self._fields = FieldCheck("this BM25Retriever")
        # Awaited by forks, so that a child has passages and postings of one moment.
        self._lock = ForkSafeLock(awaited=True)
        self.add(passages)

    @property
    def analyzer(self) -> Analyzer:
        """What makes terms of passages and queries."""
        return self._postings.analyzer

    @property
    def parameters(self) -> BM25Parameters:
        """The variant of BM25 and its constants."""
        return self._postings.parameters

    def __len__(self) -> int:
        return len(self._passages)

    def __iter__(self) -> Iterator[Passage]:
        """The passages, in the order of their ids."""
        with self._lock:
            passages = list(self._passages.values())
        return iter(sorted(passages, key=lambda passage: passage.id))

    def __repr__(self) -> str:
        return f"<BM25Retriever: {len(self)} passages, {self.analyzer!r}>"

    def add(self, passages: Iterable[Passage]) -> int:
        """Add passages; one whose id is there already takes the place of that one.

        All or nothing.

        Returns:
            How many passages were given.

        Raises:
            InvalidInputError: something that is no passage, or an id that comes twice.
        """
        added = list(unique_passages(passages))
        counts = self._postings.count([p.text for p in added])
        with self._lock:
            self._postings.put([p.id for p in added], counts)
            self._passages.update((p.id, p) for p in added)
            self._latest = None
        return len(added)

    def delete(self, ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        """Remove passages by their ids or by a filter.

        Args:
            ids: those that are not there are passed over.
            where: a filter: all passages that pass it.

        Returns:
            How many passages were removed.

        Raises:
            InvalidInputError: neither or both are given, or an id or the filter is not valid.
        """
        if (ids is None) == (where is None):
            raise InvalidInputError("delete needs either ids or where, to say what to delete")
        wanted, condition = check_ids(() if ids is None else ids), as_filter(where)
        with self._lock:
            if condition is not None:
                self._fields.look(condition, some_of(self._passages.values()))
            if condition is None:
                removed = [name for name in dict.fromkeys(wanted) if name in self._passages]
            else:
                removed = [p.id for p in self._passages.values() if condition.matches(p)]
            self._postings.delete(removed)
            for name in removed:
                del self._passages[name]
            self._latest = None
        return len(removed)

    def get(self, ids: Iterable[str]) -> list[Passage | None]:
        """The passages with these ids, None for each that is not there."""
        return [self._passages.get(name) for name in check_ids(ids)]

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """The best `k` passages for each query, best first, ties by id.

        Args:
            queries: any number of them.
            k: how many hits a query gets at most; fewer where fewer passages share a word with it.
            where: a filter: only passages that pass it are found.

        Raises:
            InvalidInputError: an argument is not valid.
        """
        queries, k, condition = check_queries(queries), check_k(k), as_filter(where)
        with observed(STAGE, len(queries)) as report:
            view = self._view()
            if condition is not None:
                self._fields.look(condition, some_of(view.passages))
            allowed = None if condition is None else view.allowed(condition)
            report.hits = hits = [view.hits(query, k, allowed) for query in queries]
        return hits

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """`search` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.search, queries, k, where=where)

    def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
        """The exact score of each of `ids[i]` for `queries[i]`, whether it would be found or not.

        Raises:
            InvalidInputError: an unknown id, or not as many lists of ids as queries.

        >>> retriever = BM25Retriever([Passage("p1", "A cat sat."), Passage("p2", "Dogs ran.")])
        >>> [[found, other]] = retriever.score(["dog"], [["p2", "p1"]])
        >>> found > other
        True
        """
        queries = check_queries(queries)
        if len(queries) != len(ids):
            raise InvalidInputError(
                f"{len(ids)} lists of ids for {len(queries)} queries: give one to each"
            )
        view = self._view()
        return [
            view.scores(query, check_ids(some)) for query, some in zip(queries, ids, strict=True)
        ]

    def parts(self, query: str, ids: Sequence[str]) -> list[ScoreParts]:
        """The exact score of each passage for one query, term by term.

        Raises:
            InvalidInputError: an unknown id.

        >>> retriever = BM25Retriever([Passage("p1", "A cat sat."), Passage("p2", "Dogs ran.")])
        >>> [found] = retriever.parts("cats and dogs", ["p1"])
        >>> [(one.term, one.part == found.score) for one in found.terms]
        [('cat', True), ('dog', False)]
        """
        [asked] = check_queries([query])
        return self._view().parts(asked, check_ids(ids))

    def save(self, path: str | Path) -> None:
        """Keep everything in a folder, for `open`; what was saved there before is replaced.

        Raises:
            IndexExistsError: the folder holds something else.
            StoreError: it cannot be written.
        """
        folder = Path(path).expanduser()
        check_ours(folder, _PASSAGES)
        stamp = uuid4().hex
        header = {
            "stamp": stamp,
            "analyzer": self.analyzer.to_config(),
            "parameters": self.parameters.to_config(),
        }
        # The passages are the truth. If this ends between the two, the stamps tell.
        with self._lock:
            write_passages(folder / _PASSAGES, header, list(self._passages.values()))
            self._postings.save(folder / _POSTINGS, stamp=stamp)

    @classmethod
    def open(
        cls, path: str | Path, *, analyzer: AnalyzerLike = None, backend: str = "numpy"
    ) -> Self:
        """The retriever that was saved in a folder.

        Args:
            path: of the folder.
            analyzer: needed if it is a function; otherwise None, or the same that it was saved
                with.
            backend: ``"numpy"`` or ``"numba"``.

        Raises:
            IndexNotFoundError: no retriever was saved there.
            EncoderMismatchError: `analyzer` is another one, or is needed and missing.
            CorruptIndexError: the passages are truncated, foreign, or of an unknown format.
        """
        folder = Path(path).expanduser()
        header, passages = read_passages(folder / _PASSAGES)
        try:
            stamp, config = header["stamp"], header["analyzer"]
            parameters = BM25Parameters.from_config(header["parameters"])
        except (KeyError, InvalidInputError) as error:
            raise CorruptIndexError(f"{folder} holds no BM25 retriever: {error!r}") from error
        analyzer = Analyzer.from_config(config, analyzer)
        retriever = cls(analyzer=analyzer, backend=backend, **asdict(parameters))
        try:
            postings = Postings.load(
                folder / _POSTINGS, key=str, analyzer=analyzer, backend=backend
            )
            if postings.stamp != stamp or len(postings) != len(passages):
                raise CorruptIndexError(f"{folder / _POSTINGS} was not saved with its passages")
        except (CorruptIndexError, IndexNotFoundError) as error:
            logger.warning("%s; analyzing the passages again", error)
            retriever.add(passages)
        else:
            retriever._postings = postings
            retriever._passages = {passage.id: passage for passage in passages}
        return retriever

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return {
                **vars(self),
                "_passages": dict(self._passages),
                "_postings": copy.copy(self._postings),
                "_latest": None,
                "_lock": ForkSafeLock(awaited=True),
            }

    def _view(self) -> View:
        view = self._latest
        if view is None:
            with self._lock:
                view = self._latest
                if view is None:
                    view = View(self._postings.snapshot(), self._passages)
                    self._latest = view
        return view
