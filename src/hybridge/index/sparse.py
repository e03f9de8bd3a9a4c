"""BM25 as sparse vectors in the store, which every client of a server shares."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from statistics import fmean
from typing import Any

from ..analyzer import Analyzer
from ..errors import InvalidInputError
from ..lexical.parameters import BM25Parameters
from ..lexical.parts import ScoreParts, TermScore
from ..lexical.sparse import SparseBM25
from ..passages import Passage
from ..vectors.store import SPARSE, Probe, Sparse, VectorStore
from .home import Home
from .lexical import Prepared
from .manifest import Manifest
from .stages import ProbeSearch, Stage
from .terms import check_terms, has_terms_of, terms_of

__all__ = ["SparseSearch", "SparseStage", "average_length"]

logger = logging.getLogger(__name__)

# How far the average length in use may be from the true one. On SciFact, 2 % more or less changes
# BM25's nDCG@10 by less than 0.0005, and 5 % by 0.003.
_DRIFT = 0.02
# The same once so large a share of the passages was written since that changing all the weights
# costs little beside.
_SLIGHT, _MANY = 0.003, 1 / 8
_ROUNDING = 1e-6
# A smaller share of the passages is not looked at before it is written.
_FEW = 1 / 50
_SAMPLE = 2_000


class SparseStage:
    """BM25 kept in the store as sparse vectors, to which the store applies IDF.

    A weight depends on the average length of a passage. The one in use is in the manifest. When
    the true one has drifted from it by more than a small share, all stored weights are changed, a
    page at a time, under a mark in the manifest that outlives a kill.

    Args:
        home: where the index lives.
        analyzer: what makes terms of passages and queries.
        reanalyze: write the terms of all passages anew if another analyzer wrote them. In a folder
            that happens anyway.

    Raises:
        EncoderMismatchError: the terms on a server were written by another release of a library.
    """

    name = SPARSE

    def __init__(self, home: Home, analyzer: Analyzer, *, reanalyze: bool = False) -> None:
        self._home = home
        self.analyzer = analyzer
        self._written = 0
        self._bring_up_to_date(reanalyze=reanalyze)

    def _bring_up_to_date(self, *, reanalyze: bool) -> None:
        """Mend what another release of a library, or a killed process, has left.

        On a server others read it too: there it is refused, or waits for the first write.
        """
        manifest, place = self._home.manifest, self._home.place
        self._weigher = self._make_weigher()
        shared = self._home.reread()
        if not has_terms_of(manifest.terms, self.analyzer) and (reanalyze or not shared):
            if self._home.store.count():
                logger.warning(
                    "the terms in %s were written by another release of hybridge, of the stemmer "
                    "or of the like: writing them anew",
                    place,
                )
            for _ in self._reanalyze():
                pass
        check_terms(self._home.manifest.terms, self.analyzer, place)
        if not shared:
            for _ in self._settle():
                pass

    def _make_weigher(self) -> SparseBM25:
        parameters = BM25Parameters.from_config(self._home.manifest.bm25)
        average = self._home.manifest.average_length
        return SparseBM25(self.analyzer, parameters.k1, parameters.b, average)

    def renewed(self, store: VectorStore) -> Callable[[], None]:
        """Return what takes over the average that the writer has in use now."""
        return partial(self._bring_up_to_date, reanalyze=False)

    def learn(self, passages: Iterable[Passage], count: int) -> Iterator[None]:
        manifest = self._follow()
        if manifest.reweighing or manifest.terms is None:
            yield from self._reweigh(manifest.average_length)
        store = self._home.store
        stored = store.count()
        if count < _FEW * stored:
            return  # they cannot change the average by much, and `refresh` will see if they do
        expected = average_length(passages, count, self.analyzer)
        if stored and (known := store.average_length()):
            expected = (known * stored + expected * count) / (stored + count)
        if expected and self._drift(expected) > _DRIFT:
            yield from self._reweigh(expected)

    def refresh(self, *, exactly: bool = False) -> Iterator[None]:
        used = self._home.manifest.average_length
        manifest = self._follow()
        if manifest.average_length != used:  # another client changed it while this one wrote
            yield from self._reweigh(manifest.average_length)
        yield from self._settle(exactly=exactly)

    def _settle(self, *, exactly: bool = False) -> Iterator[None]:
        """Change the weights to the true average if it has drifted too far."""
        manifest, average = self._home.manifest, self._home.store.average_length()
        if manifest.reweighing or (average and self._is_off(average, exactly=exactly)):
            yield from self._reweigh(average or manifest.average_length)

    def _is_off(self, average: float, *, exactly: bool) -> bool:
        drift = self._drift(average)
        if exactly or drift > _DRIFT:
            return drift > _ROUNDING
        return drift > _SLIGHT and self._written >= _MANY * self._home.store.count()

    def _drift(self, average: float) -> float:
        return abs(average / self._weigher.average_length - 1)

    def _follow(self) -> Manifest:
        """The manifest as other clients left it, whose average is in use from now on.

        Raises:
            EncoderMismatchError: one of them has written the terms anew.
        """
        if self._home.reread():
            check_terms(self._home.manifest.terms, self.analyzer, self._home.place)
            self._weigher = self._make_weigher()
        return self._home.manifest

    def _reweigh(self, average: float) -> Iterator[None]:
        """Change all stored weights to an average length, a page at a time.

        Every vector knows which average it was made with, so that it does not matter where another
        client, or a killed process, has left off.
        """
        terms = terms_of(self.analyzer)
        while True:
            manifest = replace(self._home.manifest, average_length=average, terms=terms)
            self._home.remember(replace(manifest, reweighing=self._home.store.count() > 0))
            self._weigher = self._make_weigher()
            for page in self._home.store.sparse_pages():
                self._reweigh_page(page)
                yield
            self._home.store.flush()
            self._home.reread()
            if self._home.manifest.average_length == average:
                break
            average = self._home.manifest.average_length
        if self._home.manifest.reweighing:
            self._home.remember(replace(self._home.manifest, reweighing=False))
        self._written = 0

    def _reweigh_page(self, page: Mapping[int, Sparse]) -> None:
        store = self._home.store
        changed: dict[int, Sparse] = {}
        strange = []
        for point, stored in page.items():
            vector = self._weigher.reweigh(stored)
            if vector is None:
                strange.append(point)
            elif vector is not stored:
                changed[point] = vector
        if strange:  # of a release that did not keep lengths
            texts = {point: passage.text for point, passage in store.get(strange).items()}
            vectors = self._weigher.index_passages(list(texts.values()))
            store.set_sparse(list(texts), vectors)
        if changed:
            store.set_sparse(list(changed), list(changed.values()), same_terms=True)

    def _reanalyze(self) -> Iterator[None]:
        """Write the terms of all passages anew. Until it is done the manifest knows of no terms."""
        self._home.touch()
        self._home.remember(replace(self._home.manifest, terms={}))
        store = self._home.store
        for page in store.pages():
            vectors = self._weigher.index_passages([passage.text for passage in page])
            store.set_sparse([store.point(passage.id) for passage in page], vectors)
            yield
        store.flush()
        manifest = replace(self._home.manifest, terms=terms_of(self.analyzer))
        self._home.remember(replace(manifest, reweighing=False))

    def prepare(self, passages: Sequence[Passage]) -> Prepared:
        return Prepared(sparse=self._weigher.index_passages([p.text for p in passages]))

    def upsert(self, passages: Sequence[Passage], prepared: Prepared) -> None:
        self._written += len(passages)

    def update_metadata(self) -> None:
        """Nothing to do: the store has the metadata."""

    def delete(self, points: Sequence[int]) -> None:
        self._written += len(points)

    def invalidate(self) -> None:
        """Nothing to do: nothing is derived."""

    def reweighed(self, parameters: BM25Parameters) -> Stage:
        own = BM25Parameters.from_config(self._home.manifest.bm25)
        if parameters == own:
            return self
        raise InvalidInputError(
            f"this index keeps BM25's weights in the store, by {own}, and cannot search with "
            f"{parameters}: create it anew with these, or with lexical='bm25s', which can"
        )

    def save(self) -> None:
        """Nothing to do: nothing is derived."""

    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        return self._weigher.encode_queries(queries)

    def begin(self, encoded: Sequence[Any]) -> SparseSearch:
        return SparseSearch(self._home.store, encoded, self.analyzer, self._weigher)


def average_length(passages: Iterable[Passage], count: int, analyzer: Analyzer) -> float:
    """Return about how many terms a passage has on average: exactly for few passages.

    Of many, some are analyzed, and tell how many terms a character makes.

    Args:
        passages: any iterable.
        count: how many they are.
        analyzer: makes their terms.

    >>> average_length([Passage("a", "cats"), Passage("b", "cats and dogs")], 2, Analyzer())
    1.5
    """
    step = -(-count // _SAMPLE)
    characters = sampled = 0
    terms: list[int] = []
    for number, passage in enumerate(passages):
        characters += len(passage.text)
        if number % step == 0:
            sampled += len(passage.text)
            terms += map(len, analyzer([passage.text]))
    return fmean(terms) * (characters / (count or 1)) / (sampled / len(terms)) if sampled else 0.0


class SparseSearch(ProbeSearch):
    """A search by sparse vectors, which the engine can be asked to take apart."""

    def __init__(
        self,
        store: VectorStore,
        encoded: Sequence[Any],
        analyzer: Analyzer,
        weigher: SparseBM25,
    ) -> None:
        super().__init__(store, encoded)
        self._analyzer = analyzer
        self._weigher = weigher

    def parts(self, query: str, points: Sequence[int]) -> list[ScoreParts]:
        """The scores of points for a query, term by term.

        What a term adds is what the engine says: by how much its score grows with the term.
        """
        counts = Counter(self._analyzer([query])[0])
        everything = self._store.count()
        found = self._query(
            [Probe(self._weigher.encode_counts({term: 1}), everything) for term in counts]
        )
        having = dict(zip(counts, found, strict=True))
        idfs = self._idfs(having)
        grown = self._grown(counts, having, points)
        return [
            ScoreParts(
                sum(parts.values()),
                tuple(
                    TermScore(term, count, len(having[term]), idfs[term], parts.get(term, 0.0))
                    for term, count in counts.items()
                ),
            )
            for parts in grown
        ]

    def _grown(
        self,
        counts: Mapping[str, int],
        having: Mapping[str, Mapping[int, float]],
        points: Sequence[int],
    ) -> list[dict[str, float]]:
        """By how much each point's score grows with each of the query's terms that it has."""
        probes, shared = [], []
        for point in points:
            asked = {term: count for term, count in counts.items() if point not in having[term]}
            shared.append([term for term in counts if term not in asked])
            for term in shared[-1]:
                asked[term] = counts[term]
                probes.append(Probe(self._weigher.encode_counts(asked), 1, among=[point]))
        scores = iter(self._query(probes))
        grown = []
        for point, terms in zip(points, shared, strict=True):
            steps = pairwise([0.0, *(next(scores)[point] for _ in terms)])
            grown.append(
                {term: after - before for term, (before, after) in zip(terms, steps, strict=True)}
            )
        return grown

    def _idfs(self, having: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
        """The terms' IDF, which the store keeps to itself: what a weight was multiplied by."""
        best = {term: max(found, key=found.__getitem__) for term, found in having.items() if found}
        passages = self._store.get(list(set(best.values())))
        idfs = dict.fromkeys(having, 0.0)
        for term, point in best.items():
            [weights] = self._weigher.encode_passages([passages[point].text])
            [number], _ = self._weigher.encode_counts({term: 1})
            idfs[term] = having[term][point] / dict(zip(*weights, strict=True))[number]
        return idfs
