"""BM25 as sparse vectors in the store, which every client of a server shares."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import pairwise
from math import inf
from statistics import fmean
from typing import Any

from ..analyzer import Analyzer
from ..errors import CorruptIndexError, InvalidInputError, StoreError
from ..filters import Filter, IdIn, TextPhrase
from ..iteration import chunked
from ..lexical.parameters import BM25Parameters
from ..lexical.parts import ScoreParts, TermScore
from ..lexical.query_terms import QueryReader
from ..lexical.sparse import SparseBM25, average_of
from ..lexical.synonyms import Synonyms
from ..passages import JSON, Passage
from ..search_text import TEXT_ALONE, SearchText
from ..spelling import Speller, query_words
from ..vectors.store import Ranking, Sparse, VectorQuery, VectorStore, passing
from .bm25_arrays import OpenBM25Arrays
from .bm25_following import OpenFollowingBM25
from .bm25_queries import OpenBM25Stage
from .bm25_scopes import BM25Scopes, Statistics
from .bm25_words import StoredWords
from .stage import OpenStage, Prepared, StageStorage
from .terms import check_terms, has_terms_of, terms_of
from .vector import VectorSearch

__all__ = ["OpenBM25Vectors", "WeighedSearch", "average_length", "check_state", "initial_state"]

logger = logging.getLogger(__name__)

# How far the average length in use may be from the true one. On SciFact, 2 % more or less changes
# BM25's nDCG@10 by less than 0.0005, and 5 % by 0.003.
_DRIFT = 0.02
# The smaller limit once a large share of the passages was written, beside which a change of all the
# weights costs little.
_SLIGHT, _MANY = 0.003, 1 / 8
_ROUNDING = 1e-6
# A smaller share of the passages is not sampled before it is written.
_FEW = 1 / 50
_SAMPLE = 2_000
_READ = 1_000  # passages at a time
_INITIAL = 1.0  # the average length before the first passage
_FORBIDDEN = 403


class OpenBM25Vectors(OpenBM25Stage):
    """BM25 kept in the store as sparse vectors, to which the store applies IDF.

    A weight depends on the average length of a passage. The one in use is in the manifest. When
    the true one has drifted from it by more than a small share, all stored weights are changed, a
    page at a time, under a mark in the manifest that outlives a kill.

    A key of a server may allow to write passages and not the manifest. Then the average in use
    stays the one of the stored weights, until a client with another key writes or optimizes.

    Args:
        storage: of the index, as this stage uses it.
        analyzer: of passages and queries.
        parameters: k1 and b.
        search_text: what is searched of a passage.
        synonyms: of words in queries; None without.
        reanalyze: write the terms of all passages anew if another analyzer wrote them. In a folder
            that happens anyway.

    Raises:
        EncoderMismatchError: the terms on a server were written by another release of a library.
    """

    asks_store = True

    def __init__(
        self,
        storage: StageStorage,
        analyzer: Analyzer,
        parameters: BM25Parameters,
        search_text: SearchText = TEXT_ALONE,
        synonyms: Synonyms | None = None,
        *,
        reanalyze: bool = False,
    ) -> None:
        super().__init__(storage, analyzer, synonyms)
        self.search_text = search_text
        self.parameters = parameters
        self._fixed: tuple[float, float] | None = None
        self._written = 0
        self._bring_up_to_date(reanalyze=reanalyze)

    def _bring_up_to_date(self, *, reanalyze: bool) -> None:
        """Repair terms and weights that another release of a library or a killed process left.

        On a server others read them too: there terms are an error, and weights wait for a write.
        """
        terms, location = self._storage.state["terms"], self._storage.location
        self._weigher = self._make_weigher()
        shared = self._storage.reload_manifest()
        if not has_terms_of(terms, self.analyzer) and (reanalyze or not shared):
            if self._storage.store.count():
                logger.warning(
                    "the terms in %s were written by another release of hybridge, of the stemmer "
                    "or of the like: writing them anew",
                    location,
                )
            for _ in self._reanalyze():
                pass
        check_terms(self._storage.state["terms"], self.analyzer, location)
        if not shared:
            for _ in self._settle():
                pass
        self._words = StoredWords(self._storage, self.analyzer, self.search_text, is_shared=shared)

    @property
    def fixed_average(self) -> float | None:
        """The average length in use where the key does not allow to save another; else None."""
        average, saved = self._fixed or (None, None)
        return average if saved == self._storage.state["average_length"] else None

    def _make_weigher(self) -> SparseBM25:
        self.scopes.forget()
        average = self.fixed_average or self._storage.state["average_length"]
        return SparseBM25(self.analyzer, self.parameters.k1, self.parameters.b, average)

    def renewed(self, store: VectorStore) -> Callable[[], None]:
        """Return the function that takes over what the writer uses now."""

        def install() -> None:
            self._bring_up_to_date(reanalyze=False)
            self.follow_synonyms()

        return install

    def learn(self, passages: Iterable[Passage], count: int) -> Iterator[None]:
        state = self._follow()
        if state["reweighing"] or state["terms"] is None:
            yield from self._reweigh(state["average_length"])
        store = self._storage.store
        stored = store.count()
        if count < _FEW * stored and state["average_length"] != _INITIAL:
            return  # they cannot change the average by much, and `refresh` will see if they do
        expected = average_length(passages, count, self.analyzer, self.search_text)
        if stored and (known := store.average_length(self._storage.vector)):
            expected = (known * stored + expected * count) / (stored + count)
        if expected and self._drift(expected) > _DRIFT:
            yield from self._reweigh(expected)

    def refresh(self, *, exactly: bool = False) -> Iterator[None]:
        used = self._storage.state["average_length"]
        state = self._follow()
        if state["average_length"] != used:  # another client changed it while this one wrote
            yield from self._reweigh(state["average_length"])
        yield from self._settle(exactly=exactly)

    def _settle(self, *, exactly: bool = False) -> Iterator[None]:
        """Change the weights to the true average if it has drifted too far."""
        state, average = (
            self._storage.state,
            self._storage.store.average_length(self._storage.vector),
        )
        if state["reweighing"] or (average and self._is_off(average, exactly=exactly)):
            yield from self._reweigh(average or state["average_length"])

    def _is_off(self, average: float, *, exactly: bool) -> bool:
        drift = self._drift(average)
        if exactly or drift > _DRIFT:
            return drift > _ROUNDING
        return drift > _SLIGHT and self._written >= _MANY * self._storage.store.count()

    def _drift(self, average: float) -> float:
        return abs(average / self._weigher.average_length - 1)

    def _follow(self) -> Mapping[str, Any]:
        """Read the state that other clients may have changed, and use its average length.

        Raises:
            EncoderMismatchError: one of them has rewritten the terms.
        """
        if self._storage.reload_manifest():
            check_terms(self._storage.state["terms"], self.analyzer, self._storage.location)
            self._weigher = self._make_weigher()
            self.follow_synonyms()
        return self._storage.state

    def _reweigh(self, average: float) -> Iterator[None]:
        """Change all stored weights to an average length, a page at a time.

        Every vector holds the average length it was made with, so that a change can go on where
        another client, or a killed process, stopped.
        """
        if self.fixed_average is not None:
            return
        terms, storage = terms_of(self.analyzer), self._storage
        while True:
            under_way = storage.store.count() > 0
            try:
                storage.save_state(average_length=average, terms=terms, reweighing=under_way)
            except StoreError as error:
                if error.status != _FORBIDDEN:
                    raise
                self._fix(average, error)
                return
            self._weigher = self._make_weigher()
            for page in storage.store.vector_pages(storage.vector):
                self._reweigh_page(page)
                yield
            storage.store.flush()
            storage.reload_manifest()
            if storage.state["average_length"] == average:
                break
            average = storage.state["average_length"]
        if storage.state["reweighing"]:
            storage.save_state(reweighing=False)
        self._written = 0

    def _fix(self, average: float, error: StoreError) -> None:
        """Use the average length of the stored weights, or this one where there are none."""
        pages = self._storage.store.vector_pages(self._storage.vector)
        used = average_of(next(pages, {}).values()) or average
        self._fixed = used, self._storage.state["average_length"]
        self._weigher = self._make_weigher()
        logger.warning(
            "%s. Passages are added with the average length %.3f that BM25 has in %s. Where it is "
            "far from the true one, optimize the index with a key that may change the collection",
            str(error).rstrip("."),
            used,
            self._storage.location,
        )

    def _reweigh_page(self, page: Mapping[int, Sparse]) -> None:
        store, name = self._storage.store, self._storage.vector
        changed: dict[int, Sparse] = {}
        strange = []
        for point, stored in page.items():
            vector = self._weigher.reweigh(stored)
            if vector is None:
                strange.append(point)
            elif vector is not stored:
                changed[point] = vector
        if strange:  # of a release that did not keep lengths
            passages = store.get(strange)
            vectors = self._index(list(passages.values()))
            store.set_vectors(name, list(passages), vectors)
        if changed:
            store.set_vectors(name, list(changed), list(changed.values()), same_terms=True)

    def _reanalyze(self) -> Iterator[None]:
        """Rewrite the terms of all passages. Until the end the manifest has no terms."""
        storage = self._storage
        storage.mark_derived_stale()
        storage.save_state(terms={})
        for page in storage.store.pages():
            vectors = self._index(page)
            points = [storage.store.point(passage.id) for passage in page]
            storage.store.set_vectors(storage.vector, points, vectors)
            yield
        storage.store.flush()
        storage.save_state(terms=terms_of(self.analyzer), reweighing=False)

    def prepare(self, passages: Sequence[Passage]) -> Prepared:
        terms = self._words.terms(self.search_text.texts(passages))
        return Prepared(rows=self._weigher.index_terms(terms))

    def _index(self, passages: Sequence[Passage]) -> list[Sparse]:
        return self._weigher.index_passages(self.search_text.texts(passages))

    def upsert(self, passages: Sequence[Passage], prepared: Prepared) -> None:
        self._written += len(passages)
        self._words.forget_counts()
        self.scopes.forget()

    def update_metadata(self) -> None:
        self.scopes.forget()

    def delete(self, points: Sequence[int]) -> None:
        self._written += len(points)
        self._words.forget_counts()
        self.scopes.forget()

    def invalidate(self) -> None:
        self.scopes.forget()

    def save(self) -> None:
        self._words.save()

    @property
    def speller(self) -> Speller | None:
        speller = self._words.speller
        return None if speller is None else speller.counting(self.read.counting)

    @property
    def words_are_in_store(self) -> bool:
        return self._words.are_in_store

    def uncounted(self, queries: Iterable[str]) -> list[VectorQuery]:
        words = list({word for query in queries for _, word in query_words(query)})
        known = self.read.counting(lambda words: [0] * len(words))(words)  # they have synonyms
        return self._words.uncounted(
            word for word, count in zip(words, known, strict=True) if not count
        )

    def count(self, searches: Sequence[VectorQuery], found: Sequence[Ranking]) -> None:
        self._words.count(searches, found)

    def reweighed(self, parameters: BM25Parameters, scoped: OpenStage | None = None) -> OpenStage:
        """Return this stage, or a part of it, with other parameters.

        Raises:
            InvalidInputError: the parameters differ from those of the stored weights.
        """
        own = self.parameters
        if parameters == own:
            return scoped or self
        raise InvalidInputError(
            f"this index keeps BM25's weights in the store, by {own}, and cannot search with "
            f"{parameters}: create it anew with these, or with lexical='bm25s', which can"
        )

    def over(
        self, storage: StageStorage, scope: Filter, statistics: Statistics
    ) -> OpenBM25Arrays | OpenBM25Vectors:
        """Return this stage over a part of its passages, as they are until the next write.

        With statistics of the part, it is in arrays that are made of its texts: the store has one
        weight of each term, by the average length of all passages.

        Args:
            storage: of the passages that pass the scope.
            scope: the filter.
            statistics: of all passages, or of those alone.
        """
        words = self.analyzer, self.parameters, self.search_text, self.synonyms
        if statistics == "scope":
            kind = OpenFollowingBM25 if storage.store.is_remote else OpenBM25Arrays
            return kind(storage, *words)
        part = copy(self)
        part.scopes = BM25Scopes()
        part._storage = storage
        part._words = self._words.over(storage)
        return part

    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        return [self._weigher.encode_counts(self.read(query).weights) for query in queries]

    def look_up(self, phrase: TextPhrase) -> Filter:
        """Return the filter of the passages with a phrase of this analyzer, by their terms.

        Two terms that share a number are one, as they are for BM25 itself.
        """
        store = self._storage.store
        everything = store.count()

        def having(term: str) -> set[int]:
            vector = self._weigher.encode_counts({term: 1})
            return set(store.query([VectorQuery(self._storage.vector, vector, everything)])[0])

        points = phrase.candidates(having) if everything else set()
        if points is None:
            return phrase
        found = (passage for some in chunked(points, _READ) for passage in store.get(some).values())
        if phrase.is_one_term:
            return IdIn([passage.id for passage in found])
        return passing(phrase, found)

    def begin(self, encoded: Sequence[Any]) -> WeighedSearch:
        return WeighedSearch(self._storage, encoded, self.read, self._weigher, self.search_text)


def initial_state(analyzer: Analyzer) -> dict[str, JSON]:
    """Return the manifest's state of a new, empty stage."""
    return {"average_length": _INITIAL, "reweighing": False, "terms": terms_of(analyzer)}


def check_state(state: Mapping[str, Any]) -> None:
    """Check the manifest's state of a stage.

    Raises:
        CorruptIndexError: it is not what `initial_state` and writes left there.
    """
    average, terms = state.get("average_length"), state.get("terms", "")
    valid = {
        "average_length": isinstance(average, int | float) and 0 < average < inf,
        "reweighing": isinstance(state.get("reweighing"), bool),
        "terms": terms is None or isinstance(terms, dict),
    }
    if wrong := [name for name, is_valid in valid.items() if not is_valid]:
        raise CorruptIndexError(f"its state has no valid {wrong[0]!r}")


def average_length(
    passages: Iterable[Passage],
    count: int,
    analyzer: Analyzer,
    search_text: SearchText = TEXT_ALONE,
) -> float:
    """Return about how many terms a passage has on average: exactly for few passages.

    Of many, a sample is analyzed, for the number of terms a character.

    Args:
        passages: any iterable.
        count: their number.
        analyzer: of their terms.
        search_text: what is searched of them.

    >>> average_length([Passage("a", "cats"), Passage("b", "cats and dogs")], 2, Analyzer())
    1.5
    """
    step = -(-count // _SAMPLE)
    characters = sampled = 0
    terms: list[int] = []
    for number, passage in enumerate(passages):
        text = search_text(passage)
        characters += len(text)
        if number % step == 0:
            sampled += len(text)
            terms += map(len, analyzer([text]))
    return fmean(terms) * (characters / (count or 1)) / (sampled / len(terms)) if sampled else 0.0


class WeighedSearch(VectorSearch):
    """A search by sparse vectors, with scores term by term from the engine."""

    def __init__(
        self,
        storage: StageStorage,
        encoded: Sequence[Any],
        read: QueryReader,
        weigher: SparseBM25,
        search_text: SearchText = TEXT_ALONE,
    ) -> None:
        super().__init__(storage, encoded)
        self._read = read
        self._weigher = weigher
        self._search_text = search_text

    def parts(self, query: str, points: Sequence[int]) -> list[ScoreParts]:
        """Return the scores of points for a query, term by term.

        The part of a term is the growth of the engine's score with the term.
        """
        terms = self._read(query)
        counts, weights = Counter(terms.own), terms.weights
        everything = self._storage.store.count()
        found = self._query(
            [
                VectorQuery(self._name, self._weigher.encode_counts({term: 1}), everything)
                for term in weights
            ]
        )
        having = dict(zip(weights, found, strict=True))
        idfs = self._idfs(having)
        grown = self._grown(weights, having, points)
        return [
            ScoreParts(
                sum(parts.values()),
                tuple(
                    TermScore(
                        term,
                        counts[term],
                        len(having[term]),
                        idfs[term],
                        parts.get(term, 0.0),
                        terms.added.get(term, ""),
                    )
                    for term in weights
                ),
            )
            for parts in grown
        ]

    def _grown(
        self,
        counts: Mapping[str, float],
        having: Mapping[str, Mapping[int, float]],
        points: Sequence[int],
    ) -> list[dict[str, float]]:
        """Return the growth of each point's score with each of the query's terms that it has."""
        queries, shared = [], []
        for point in points:
            rest = {term: count for term, count in counts.items() if point not in having[term]}
            shared.append([term for term in counts if term not in rest])
            for term in shared[-1]:
                rest[term] = counts[term]
                vector = self._weigher.encode_counts(rest)
                queries.append(VectorQuery(self._name, vector, 1, ids=[point]))
        scores = iter(self._query(queries))
        grown = []
        for point, terms in zip(points, shared, strict=True):
            steps = pairwise([0.0, *(next(scores)[point] for _ in terms)])
            grown.append(
                {term: after - before for term, (before, after) in zip(terms, steps, strict=True)}
            )
        return grown

    def _idfs(self, having: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
        """Return the terms' IDF, which the store does not give: a score divided by its weight."""
        best = {term: max(found, key=found.__getitem__) for term, found in having.items() if found}
        passages = self._storage.store.get(list(set(best.values())))
        idfs = dict.fromkeys(having, 0.0)
        for term, point in best.items():
            [weights] = self._weigher.encode_passages([self._search_text(passages[point])])
            [number], _ = self._weigher.encode_counts({term: 1})
            idfs[term] = having[term][point] / dict(zip(*weights, strict=True))[number]
        return idfs
