"""BM25 as sparse vectors in the store, which every client of a server shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice, pairwise
from typing import Any

from ..analyzer import Analyzer
from ..errors import InvalidInputError
from ..iteration import chunked
from ..lexical.parameters import BM25Parameters
from ..lexical.parts import ScoreParts, TermScore
from ..lexical.sparse import SparseBM25
from ..passages import Passage
from ..vectors.store import SPARSE, Probe, VectorStore
from .home import Home
from .lexical import Prepared
from .stages import ProbeSearch, Stage

__all__ = ["SparseSearch", "SparseStage"]

_CHUNK = 1_000
_LEARN_FROM = 2_000


class SparseStage:
    """BM25 kept in the store as sparse vectors, whose IDF the engine knows.

    A term's weight needs the average length of a passage. It is taken from the first passages,
    and again whenever they have doubled, until there are enough; from then on `refresh` takes it.
    The engine's IDF counts deleted and replaced passages too, until `optimize` clears them away.
    """

    name = SPARSE

    def __init__(self, home: Home, analyzer: Analyzer) -> None:
        self._home = home
        self.analyzer = analyzer
        self._weigher = self._make_weigher()

    def renewed(self) -> Callable[[], None]:
        """Nothing to do: everything is in the store."""
        return lambda: None

    def _make_weigher(self) -> SparseBM25:
        parameters = BM25Parameters.from_config(self._home.manifest.bm25)
        average = self._home.manifest.average_length
        return SparseBM25(self.analyzer, parameters.k1, parameters.b, average)

    def learn(self, passages: Iterable[Passage], count: int) -> None:
        known = self._home.manifest.learned_from
        if known < _LEARN_FROM:
            stored = self._home.store.count()
            if not stored or stored + count >= 2 * known:
                self._weigh_by(islice(chain(self._stored(), passages), _LEARN_FROM))

    def refresh(self) -> None:
        self._weigh_by(self._stored())

    def _stored(self) -> Iterator[Passage]:
        return (passage for page in self._home.store.pages() for passage in page)

    def _weigh_by(self, sample: Iterable[Passage]) -> None:
        """Take the average length of these passages, and weigh what is stored by it."""
        store = self._home.store
        lengths = [
            len(terms)
            for some in chunked(sample, _CHUNK)
            for terms in self.analyzer([passage.text for passage in some])
        ]
        if not any(lengths):
            return
        average = sum(lengths) / len(lengths)
        manifest = self._home.manifest
        self._home.remember(replace(manifest, average_length=average, learned_from=len(lengths)))
        self._weigher = self._make_weigher()
        for page in store.pages():
            weights = self._weigher.encode_passages([passage.text for passage in page])
            store.set_sparse([store.point(passage.id) for passage in page], weights)

    def prepare(self, passages: Sequence[Passage]) -> Prepared:
        return Prepared(sparse=self._weigher.encode_passages([p.text for p in passages]))

    def upsert(self, passages: Sequence[Passage], prepared: Prepared) -> None:
        """Nothing to do: the weights went into the store with the passages."""

    def update_metadata(self) -> None:
        """Nothing to do: the store has the metadata."""

    def delete(self, points: Sequence[int]) -> None:
        """Nothing to do: the weights left the store with the passages."""

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
        """The terms' IDF, which the engine keeps to itself: what a weight was multiplied by."""
        best = {term: max(found, key=found.__getitem__) for term, found in having.items() if found}
        passages = self._store.get(list(set(best.values())))
        idfs = dict.fromkeys(having, 0.0)
        for term, point in best.items():
            [weights] = self._weigher.encode_passages([passages[point].text])
            [number], _ = self._weigher.encode_counts({term: 1})
            idfs[term] = having[term][point] / dict(zip(*weights, strict=True))[number]
        return idfs
