"""BM25 over passages in memory: a retriever without a store or a model."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self
from uuid import uuid4

from ..analyzer import Analyzer, AnalyzerLike
from ..arguments import check_flag, check_ids, check_k, check_queries
from ..errors import CorruptIndexError, IndexNotFoundError, InvalidInputError
from ..filters import FieldCheck, as_filter, some_of
from ..forking import ForkSafeLock
from ..observation import observed
from ..passages import Hit, Passage, unique_passages
from ..protocols import Where
from ..query_syntax import filters_of
from ..search_text import TEXT_ALONE, SearchText, SearchTextLike, chosen_search_text
from ..spelling import Corrected, Speller, Words
from .parameters import BM25Parameters
from .parts import ScoreParts
from .passage_file import check_ours, read_passages, write_passages
from .postings import Postings
from .query_terms import QueryReader
from .synonyms import Synonyms, SynonymsLike
from .view import STAGE, View

__all__ = ["BM25Retriever"]

logger = logging.getLogger(__name__)

_PASSAGES = "passages.jsonl"
_POSTINGS = "postings.npz"


class BM25Retriever:
    """A retriever by BM25: it ranks passages by the words they share with the query.

    A `Retriever` and a `Scorer`. It may be searched from many threads while others add and
    delete; the first search after a write rebuilds the scores (about a second for 200,000
    passages).

    Args:
        passages: the first ones; as by `add`.
        analyzer: an `Analyzer`, the name of a language, or a function from a text to its terms;
            None for English.
        method: ``"lucene"``, ``"robertson"``, ``"atire"``, ``"bm25l"`` or ``"bm25+"``.
        k1: saturation of a term's frequency, above 0; the lower, the less repetitions count.
        b: normalisation by the passage's length, from 0 (none) to 1.
        delta: the minimum weight of a single occurrence, in bm25l and bm25+ alone.
        idf_method: the variant of the inverse document frequency; None for `method`'s.
        backend: ``"numpy"``, or ``"numba"`` for scoring by code that is compiled in the background,
            with numpy until then; it pays for many queries over many passages.
        spelling: correct the words of a query that no passage has; see `hybridge.spelling`.
        search_text: what is searched of a passage, see `hybridge.search_text`; None for the text
            alone.
        fields: instead, the fields that are searched, each with a boost from 1 to 100, as in
            ``{"title": 2, "text": 1}``: a field of boost 2 counts as if it were written twice.
        synonyms: `hybridge.lexical.Synonyms`, or one of the forms that it takes; None without.
        query_syntax: read phrases in quotes, ``+must`` and ``-not`` in queries; see
            `hybridge.query_syntax`.

    Attributes:
        query_syntax: whether searches read operators.

    Raises:
        InvalidInputError: a value outside its range, or a passage that `add` would refuse.
        MissingExtraError: ``"numba"`` without numba.

    >>> retriever = BM25Retriever([Passage("p1", "A cat sat."), Passage("p2", "Two dogs ran.")])
    >>> [[hit.passage.id for hit in hits] for hits in retriever.search(["dog", "cats", "the"])]
    [['p2'], ['p1'], []]
    >>> dogs = Passage("p3", "Two of them ran.", {"title": "Dogs"})
    >>> titled = BM25Retriever([dogs], fields={"title": 2, "text": 1})
    >>> titled.search(["dog"])[0][0].passage.text
    'Two of them ran.'
    """

    name: ClassVar[str] = "bm25"
    query_dependent: ClassVar[bool] = True

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
        spelling: bool = True,
        search_text: SearchTextLike = None,
        fields: Mapping[str, int] | None = None,
        synonyms: SynonymsLike = None,
        query_syntax: bool = False,
    ) -> None:
        self._search_text = chosen_search_text(search_text, fields) or TEXT_ALONE
        parameters = BM25Parameters(method, k1, b, delta, idf_method)
        self._postings: Postings[str] = Postings(Analyzer.of(analyzer), parameters, backend=backend)
        self._spelling = check_flag(spelling, "spelling")
        self._synonyms = Synonyms.of(synonyms)
        self._read_terms = QueryReader(self.analyzer, self._synonyms)
        self.query_syntax = check_flag(query_syntax, "query_syntax")
        self._passages: dict[str, Passage] = {}
        self._latest: View | None = None
        self._fields = FieldCheck("this BM25Retriever")
        # Awaited by forks, so that a child has passages and postings of one moment.
        self._lock = ForkSafeLock(awaited=True)
        self.add(passages)

    @property
    def analyzer(self) -> Analyzer:
        """The analyzer of passages and queries."""
        return self._postings.analyzer

    @property
    def parameters(self) -> BM25Parameters:
        """The variant of BM25 and its constants."""
        return self._postings.parameters

    @property
    def search_text(self) -> SearchText:
        """What is searched of a passage."""
        return self._search_text

    @property
    def synonyms(self) -> Synonyms | None:
        """The synonyms of words in queries; None without."""
        return self._synonyms

    def set_synonyms(self, synonyms: SynonymsLike) -> None:
        """Replace the synonyms; no passage is analyzed for it. `save` saves them.

        Args:
            synonyms: as for a new retriever; None for none.

        Raises:
            InvalidInputError: another form.
        """
        found = Synonyms.of(synonyms)
        with self._lock:
            self._synonyms = found
            self._read_terms = QueryReader(self.analyzer, found)
            self._latest = None

    def __len__(self) -> int:
        return len(self._passages)

    def __iter__(self) -> Iterator[Passage]:
        """Iterate over the passages in the order of their ids."""
        with self._lock:
            passages = list(self._passages.values())
        return iter(sorted(passages, key=lambda passage: passage.id))

    def __repr__(self) -> str:
        return f"<BM25Retriever: {len(self)} passages, {self.analyzer!r}>"

    def add(self, passages: Iterable[Passage]) -> int:
        """Add passages, all or nothing; a passage whose id exists replaces the old one.

        Returns:
            How many passages were added.

        Raises:
            InvalidInputError: something that is no passage, or an id that comes twice.
        """
        added = list(unique_passages(passages))
        counts = self._postings.count(self._search_text.texts(added))
        with self._lock:
            self._postings.put([p.id for p in added], counts)
            self._passages.update((p.id, p) for p in added)
            self._latest = None
        return len(added)

    def delete(self, ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        """Delete passages by their ids or by a filter.

        Args:
            ids: unknown ones are skipped.
            where: a filter: all passages that pass it.

        Returns:
            How many passages were deleted.

        Raises:
            InvalidInputError: neither or both are set, or an id or the filter is not valid.
        """
        if (ids is None) == (where is None):
            raise InvalidInputError("delete needs either ids or where, to say what to delete")
        names, condition = check_ids(() if ids is None else ids), as_filter(where)
        with self._lock:
            if condition is None:
                deleted = [name for name in dict.fromkeys(names) if name in self._passages]
            else:
                self._fields.look(condition, some_of(self._passages.values()))
                deleted = [p.id for p in self._passages.values() if condition.matches(p)]
            self._postings.delete(deleted)
            for name in deleted:
                del self._passages[name]
            self._latest = None
        return len(deleted)

    def get(self, ids: Iterable[str]) -> list[Passage | None]:
        """Return the passages of these ids, None for an unknown one."""
        return [self._passages.get(name) for name in check_ids(ids)]

    def matching(self, where: Where) -> list[Passage]:
        """Return the passages that pass a filter, in no particular order.

        Raises:
            InvalidInputError: no filter, or one that is not valid.

        >>> bm25 = BM25Retriever([Passage("a", "Bread", {"year": 2019}), Passage("b", "Oven")])
        >>> [passage.id for passage in bm25.matching({"year": {"$gte": 2000}})]
        ['a']
        """
        condition = as_filter(where)
        if condition is None:
            raise InvalidInputError("matching needs a filter: iterate over it for all of it")
        with self._lock:
            self._fields.look(condition, some_of(self._passages.values()))
            return [passage for passage in self._passages.values() if condition.matches(passage)]

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the best `k` passages for each query, best first, ties by id.

        Args:
            queries: any number of them.
            k: the most hits for a query; fewer where fewer passages share a word with it.
            where: a filter: only passages that pass it are found.

        Raises:
            InvalidInputError: an argument is not valid.
        """
        queries, k, condition = check_queries(queries), check_k(k), as_filter(where)
        with observed(STAGE, len(queries)) as span:
            view = self._view()
            if condition is not None:
                self._fields.look(condition, some_of(view.passages))
            wheres = [condition] * len(queries)
            if self.query_syntax:
                wheres = filters_of(queries, self.analyzer, condition, self.search_text)
            span.hits = hits = [
                view.hits(query, k, None if where is None else view.allowed(where))
                for query, where in zip(queries, wheres, strict=True)
            ]
        return hits

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Run `search` in a thread, without blocking the event loop."""
        return await asyncio.to_thread(self.search, queries, k, where=where)

    def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
        """Return the exact score of each of `ids[i]` for `queries[i]`, found or not.

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
        return [view.scores(query, check_ids(row)) for query, row in zip(queries, ids, strict=True)]

    def parts(self, query: str, ids: Sequence[str]) -> list[ScoreParts]:
        """Return the exact score of each passage for one query, term by term.

        Raises:
            InvalidInputError: an unknown id.

        >>> retriever = BM25Retriever([Passage("p1", "A cat sat."), Passage("p2", "Dogs ran.")])
        >>> [found] = retriever.parts("cats and dogs", ["p1"])
        >>> [(one.term, one.part == found.score) for one in found.terms]
        [('cat', True), ('dog', False)]
        """
        [query] = check_queries([query])
        return self._view().parts(query, check_ids(ids))

    def save(self, path: str | Path) -> None:
        """Save everything in a folder, for `open`; an older save there is replaced.

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
            "search_text": self._search_text.to_config(),
            **({} if self._synonyms is None else {"synonyms": self._synonyms.to_config()}),
        }
        # The passages are the truth. After an end between the two, the stamps differ.
        with self._lock:
            write_passages(folder / _PASSAGES, header, list(self._passages.values()))
            self._postings.save(folder / _POSTINGS, stamp=stamp)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        analyzer: AnalyzerLike = None,
        backend: str = "numpy",
        spelling: bool = True,
        search_text: SearchTextLike = None,
        synonyms: SynonymsLike = None,
        query_syntax: bool = False,
    ) -> Self:
        """Open a retriever that `save` wrote.

        Another analyzer reads its passages in a new retriever, see `with_analyzer`.

        Args:
            path: of the folder.
            analyzer: required if it is a function; otherwise None, or an equal one.
            backend: ``"numpy"`` or ``"numba"``.
            spelling: as for a new one, as is `query_syntax`.
            search_text: required if it is a function; otherwise None, or an equal one.
            synonyms: instead of the saved ones; required if these are a function.

        Raises:
            IndexNotFoundError: the folder holds no retriever.
            EncoderMismatchError: `analyzer` or `search_text` is another one, or one is required and
                missing.
            CorruptIndexError: the passages are truncated, not Hybridge's, or of an unknown format.
        """
        folder = Path(path).expanduser()
        header, passages = read_passages(folder / _PASSAGES)
        try:
            stamp, config = header["stamp"], header["analyzer"]
            parameters = BM25Parameters.from_config(header["parameters"])
        except (KeyError, InvalidInputError) as error:
            raise CorruptIndexError(f"{folder} holds no BM25 retriever: {error!r}") from error
        analyzer = Analyzer.from_config(config, analyzer)
        if not analyzer.is_latest:
            logger.info(
                "%s keeps the words of version %d of the analyzer, with which it was saved: "
                "retriever.with_analyzer() is one with those of the latest, and all else kept",
                folder,
                analyzer.version,
            )
        text = SearchText.from_config(header.get("search_text"), search_text)
        retriever = cls(
            analyzer=analyzer,
            backend=backend,
            spelling=spelling,
            search_text=text,
            synonyms=Synonyms.from_config(header.get("synonyms"), synonyms),
            query_syntax=query_syntax,
            **asdict(parameters),
        )
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

    def with_analyzer(self, analyzer: AnalyzerLike = None) -> Self:
        """Return a new retriever of the same passages and settings, with another analyzer.

        Args:
            analyzer: as for a new retriever; None for the latest version of the one that this has.

        >>> old = BM25Retriever([Passage("p1", "XR-500")], k1=1.5, analyzer=Analyzer(version=1))
        >>> new = old.with_analyzer()
        >>> new.analyzer, new.parameters.k1
        (Analyzer('english'), 1.5)
        """
        return type(self)(
            self,
            analyzer=self.analyzer.latest() if analyzer is None else analyzer,
            backend=self._postings.backend,
            spelling=self._spelling,
            search_text=self._search_text,
            synonyms=self._synonyms,
            query_syntax=self.query_syntax,
            **asdict(self.parameters),
        )

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return {
                **vars(self),
                "_passages": dict(self._passages),
                "_postings": copy.copy(self._postings),
                "_latest": None,
                "_lock": ForkSafeLock(awaited=True),
            }

    def _speller(self) -> Speller:
        postings = self._postings

        def words() -> Words:
            return postings.words.completed(
                postings.analyzer, lambda: self._search_text.texts(self)
            )

        return Speller(
            words, postings.frequencies, common=lambda: postings.analyzer.common_words
        ).counting(self._read_terms.counting)

    def correct(self, query: str) -> Corrected:
        """Return a query as a search reads it, with the words that were corrected.

        >>> retriever = BM25Retriever([Passage("p1", "An elephant"), Passage("p2", "Two dogs")])
        >>> retriever.correct("the elehpant").text
        'the elephant'
        """
        [query] = check_queries([query])
        return self._view().read(query)

    def _view(self) -> View:
        view = self._latest
        if view is None:
            with self._lock:
                view = self._latest
                if view is None:
                    speller = self._speller() if self._spelling else None
                    view = View(
                        self._postings.snapshot(),
                        self._passages,
                        speller,
                        self._read_terms,
                        search_text=self.search_text,
                        query_syntax=self.query_syntax,
                    )
                    self._latest = view
        return view
