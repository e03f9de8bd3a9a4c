"""BM25 as sparse vectors in the store, which every client of a server shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from ..analyzer import Analyzer
from ..errors import InvalidInputError
from ..iteration import chunked
from ..lexical.parameters import BM25Parameters
from ..lexical.sparse import SparseBM25
from ..passages import Passage
from ..vectors.store import SPARSE
from .home import Home
from .lexical import Prepared
from .stages import ProbeSearch, Stage, StageSearch

__all__ = ["SparseStage"]

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
        self._analyzer = analyzer
        self._weigher = self._make_weigher()

    def renewed(self) -> Callable[[], None]:
        """Nothing to do: everything is in the store."""
        return lambda: None

    def _make_weigher(self) -> SparseBM25:
        parameters = BM25Parameters.from_config(self._home.manifest.bm25)
        average = self._home.manifest.average_length
        return SparseBM25(self._analyzer, parameters.k1, parameters.b, average)

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
            for terms in self._analyzer([passage.text for passage in some])
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

    def begin(self, encoded: Sequence[Any]) -> StageSearch:
        return ProbeSearch(self._home.store, encoded)
