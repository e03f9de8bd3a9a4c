"""The function `fit_query_map`: a linear map on the query vectors of an encoder, in closed form.

It is for encoders that cannot be trained: hosted embeddings, functions, models in ONNX Runtime. The
passages' vectors are read from the index, and none is encoded again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments import check_count, check_flag, check_seed
from ..encoders.caching import query_cache
from ..encoders.mapped import MappedEncoder, passage_encoder
from ..encoders.scaling import unit_length
from ..errors import InvalidInputError
from ..evaluation.collection import Qrels, check_judged, check_qrels
from ..evaluation.measures import Judge
from ..index import HybridIndex
from ..index.cached_search import CachedSearch
from ..index.single_stage import DenseRetriever
from ..iteration import progress_over
from ..protocols import Encoder, Vectors
from ..queries import read_queries
from ..stages.dense import Dense
from ..vectors.store import check_vectors
from .folds import divided_apart, linked
from .query_map_result import FittedQueryMap, HeldOut
from .ridge import Ridge

__all__ = ["STRENGTHS", "fit_query_map"]

logger = logging.getLogger(__name__)

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""The strengths of the shrinkage that are tried."""

_RANK = 128  # in an index, a map of 1,536 dimensions then takes 1 MB
# By held-out train queries of SciFact, with two bi-encoders: half the mean of 30 hard negatives is
# better than none of it and than 0.7 of it, on passages that no other query is about.
_NEGATIVES, _CONTRAST = 30, 0.5
_WITHOUT_CUTOFF = 100  # passages that a measure without a cutoff sees, as with `tune`
_ROWS, _PASSAGES = 2_048, 4_096  # compared at a time

_Floats = NDArray[np.float64]
_Folds = NDArray[np.int_]


def fit_query_map(
    index: HybridIndex,
    queries: Mapping[str, str],
    qrels: Qrels,
    measure: str = "nDCG@10",
    *,
    stage: str | None = None,
    strengths: Sequence[float] = STRENGTHS,
    unseen_passages: bool = True,
    folds: int = 5,
    seed: int = 0,
    progress: bool | None = None,
) -> FittedQueryMap:
    """Fit a linear map on the query vectors of a dense stage, and measure it on held-out queries.

    The map W minimises Σ ‖Wq − x‖² + λ‖W − I‖² over the queries (`hybridge.adaptation.ridge`): q
    is a query's vector, and x the mean of its relevant passages' vectors, weighted by relevance,
    less half the mean of the 30 nearest other ones. These are the terms of J. J. Rocchio,
    *Relevance Feedback in Information Retrieval*, 1971, for all queries in one map. All vectors
    count with length 1, and W − I is reduced to rank 128. λ is chosen by `measure` over all
    passages of the index; no map at all is a choice too.

    Cross-validation estimates the score of the choice, as in `hybridge.tune`: all of it is repeated
    for each fold on the other folds, λ chosen by folds within these. Queries that share a relevant
    passage are in one fold (`hybridge.adaptation.folds`), so the figures are for questions about
    passages that none of the others is about. If a search of the whole index is not better there by
    more than chance (a permutation test that keeps such queries together),
    `FittedQueryMap.within_noise` is True, and the advice is to keep what you have. The weights of
    the index stay: tuned on the same queries, which the map knows, they would trust it too much.

    Queries are encoded once, and passages never. A map that the stage has already is left out of
    account, because the new one takes its place. This holds some
    ``8 × (folds + 1) × len(strengths)`` bytes for each number of the queries' vectors.

    Args:
        index: holds the passages. It stays as it is; write nothing to it meanwhile.
        queries: query id → query; better 300 than 30. Those without a relevant passage in the
            index are left out.
        qrels: query id → passage id → relevance, a whole number from 0.
        measure: as for `evaluate`.
        stage: the name of a dense stage; None for the first one.
        strengths: the values of λ to try, above 0.
        unseen_passages: as above; False divides the queries into folds at random. That is for
            queries that are a fair sample of all that will be asked, where many are about the same
            passages: the map learns these by heart, and may harm questions about others.
        folds: from 3 to the number of queries, or of groups that share no relevant passage.
        seed: of the folds and of the permutation test.
        progress: show a bar on standard error; None shows it on a terminal.

    Raises:
        InvalidInputError: an argument is not valid; raised before anything is encoded.
        MissingExtraError: the extra `evaluation` is not installed.

    >>> from hybridge import CallableEncoder, Passage
    >>> words = ["ant", "bee", "cat", "dog", "eel", "fly"]
    >>> one_hot = dict(zip(words, np.eye(6)))
    >>> turned = dict(zip(words, np.roll(np.eye(6), 1, axis=0)))
    >>> encoder = CallableEncoder(
    ...     lambda texts: [turned[text] for text in texts],
    ...     lambda texts: [one_hot[text] for text in texts],
    ...     dimension=6, identity="words",
    ... )
    >>> index = HybridIndex.create(encoder=encoder)
    >>> index.add(Passage(word, word) for word in words)
    6
    >>> queries, qrels = {word: word for word in words}, {word: {word: 1} for word in words}
    >>> found = fit_query_map(index, queries, qrels, folds=3)
    >>> found.within_noise  # no word says anything of another one
    True
    >>> index.close()
    """
    dense = _DenseStage.of(index, stage)
    judgements = check_qrels(qrels)
    judged = check_judged(queries, judgements)
    check_seed(seed)
    cutoff = Judge([_checked_measure(measure)], judgements).cutoff
    k = _WITHOUT_CUTOFF if cutoff is None else cutoff
    tried = _checked_strengths(strengths)
    if check_count(folds, "folds") < 3:
        raise InvalidInputError(
            f"folds must be at least 3, one to measure on and two to choose by, not {folds}"
        )
    relevant = _relevant(index, judged, judgements)
    groups = linked(list(relevant), relevant)
    parts = groups if check_flag(unseen_passages, "unseen_passages") else np.arange(len(groups))
    fold_of = divided_apart(parts, folds, seed)
    if len(set(groups.tolist())) < 2:
        raise InvalidInputError(
            f"all {len(groups)} queries are about one passage, or linked by shared ones, which "
            "shows nothing of chance: label questions about more passages"
        )
    texts = [judged[query] for query in relevant]
    values = _Values(measure, {query: judgements[query] for query in relevant})

    vectors = dense.encoded(texts)
    rows = unit_length(vectors).astype(np.float64)
    trials = _Trials(rows, dense.targets(vectors, list(relevant.values())), fold_of, tried)
    before = values(dense.ids(vectors, k))
    scores = trials.scores(dense, values, k, progress)
    held = vectors.copy()
    for fold in range(folds):
        inside = fold_of == fold
        strength = _choice(scores[fold], before, ~inside)
        if strength is not None:
            found = trials.ridge({fold}).query_map(strength, _RANK)
            held[inside] = found.apply(vectors[inside])

    def compared(without: _Floats, mapped: _Floats) -> HeldOut:
        return HeldOut.of(list(relevant), without, mapped, groups, seed)

    def searched(rows: Vectors) -> _Floats:
        return values(CachedSearch(index, texts, vectors={dense.name: rows}).ids(k))

    by_stage = compared(before, values(dense.ids(held, k)))
    is_alone = len(index._stages.definitions) == 1
    strength = _choice(scores[None], before, np.ones(len(rows), bool))
    query_map = None if strength is None else trials.ridge(set()).query_map(strength, _RANK)
    result = FittedQueryMap(
        measure=measure,
        k=k,
        folds=folds,
        groups=int(groups.max()) + 1,
        unseen_passages=unseen_passages,
        stage=dense.name,
        strength=strength,
        curve={each: float(some.mean()) for each, some in scores[None].items()},
        stage_alone=by_stage,
        whole=by_stage if is_alone else compared(searched(vectors), searched(held)),
        query_map=query_map,
        encoder=dense.encoder if query_map is None else MappedEncoder(dense.encoder, query_map),
    )
    if result.within_noise:
        logger.warning("%s", result.verdict)
    return result


@dataclass(frozen=True)
class _DenseStage:
    """A dense stage of an index: its encoder, without a map, and its passages' vectors."""

    index: HybridIndex
    name: str
    encoder: Encoder

    @classmethod
    def of(cls, index: HybridIndex, name: str | None) -> _DenseStage:
        if not isinstance(index, HybridIndex):
            raise InvalidInputError(
                f"a query map is fitted for a HybridIndex, not {type(index).__name__}"
            )
        stages = index._stages
        name = stages.first(Dense).name if name is None else name
        found = stages.definitions.get(name) if isinstance(name, str) else None
        if not isinstance(found, Dense):
            names = [one.name for one in stages.definitions.values() if isinstance(one, Dense)]
            raise InvalidInputError(
                f"there is no dense stage {name!r} in this index: its dense stages are {names}"
            )
        return cls(index, name, passage_encoder(found.encoder))

    @property
    def _retriever(self) -> DenseRetriever:
        return DenseRetriever(self.index, self.name)

    @property
    def _vector(self) -> str:
        return self.index._storage.manifest.stage(self.name).vector

    def encoded(self, queries: Sequence[str]) -> Vectors:
        """Return the vectors of queries, as a search reads these."""
        lock, stages = self.index._lock, self.index._stages
        read = read_queries(queries, stages.opened.values(), lock.reading, spelling=True)
        rows = query_cache.encode(self.encoder, [query.read for query in read])
        kind: Any = stages.kind(self.name)
        return check_vectors(rows, len(queries), kind.dimension)

    def ids(self, vectors: Vectors, k: int) -> list[list[str]]:
        """Return the ids of the best `k` passages for each vector."""
        found = self._retriever.search_vectors(vectors, k)
        return [[hit.passage.id for hit in hits] for hits in found]

    def targets(self, vectors: Vectors, relevant: Sequence[Mapping[str, int]]) -> _Floats:
        """Return the vector that each query's is to be near: shape (queries, dimension).

        Args:
            vectors: the queries'.
            relevant: of each query, passages of the index, with their grades.
        """
        targets = np.zeros(vectors.shape)
        nearest = self.ids(vectors, _NEGATIVES + max(map(len, relevant)))
        for i, (grades, near) in enumerate(zip(relevant, nearest, strict=True)):
            others = [id_ for id_ in near if id_ not in grades][:_NEGATIVES]
            targets[i] = self._mean(list(grades), list(grades.values()))
            if others:
                apart = targets[i] - _CONTRAST * self._mean(others, scaled=False)
                targets[i] = _unit(apart)
        return targets

    def _mean(
        self, ids: Sequence[str], weights: Sequence[int] | None = None, *, scaled: bool = True
    ) -> _Floats:
        rows = unit_length(self._retriever.vectors(ids)).astype(np.float64)
        mean: _Floats = np.average(rows, axis=0, weights=weights)
        return _unit(mean) if scaled else mean

    def pages(self) -> Iterator[tuple[list[int], Vectors]]:
        """Yield all passages' points and vectors, some thousands at a time."""
        pages = self.index._storage.store.vector_pages(self._vector)
        points: list[int] = []
        rows: list[Any] = []
        while True:
            with self.index._lock.reading():
                page = next(pages, None)
            if page is not None:
                points += page
                rows += page.values()
            if points and (page is None or len(points) >= _PASSAGES):
                yield points, np.array(rows, np.float32)
                points, rows = [], []
            if page is None:
                return

    def best(self, rows: _Floats, k: int, progress: bool | None) -> list[list[str]]:
        """Return what `ids` returns for many rows, in one pass over the passages' vectors."""
        queries = rows.astype(np.float32)
        scores = np.empty((len(rows), 0), np.float32)
        positions = np.empty((len(rows), 0), np.int64)
        points: list[int] = []
        pages = progress_over(self.pages(), "Trying query maps", "page", progress)
        for page, vectors in pages:
            new = np.arange(len(points), len(points) + len(page))
            points += page
            parts = []
            for start in range(0, len(rows), _ROWS):
                part = slice(start, start + _ROWS)
                found = queries[part] @ vectors.T
                parts.append(_best(scores[part], positions[part], found, new, k))
            scores, positions = map(np.concatenate, zip(*parts, strict=True))
        order = np.argsort(-scores, axis=1, kind="stable")
        ranked = np.take_along_axis(positions, order, axis=1)
        numbers = np.unique(ranked).tolist()
        with self.index._lock.reading():
            passages = self.index._storage.store.get([points[number] for number in numbers])
        ids = {number: passages[points[number]].id for number in numbers}
        return [[ids[number] for number in row] for row in ranked.tolist()]


class _Values:
    """The measure of lists of ids, one value a query.

    Args:
        measure: the measure.
        qrels: of the queries, in the order of the lists.
    """

    def __init__(self, measure: str, qrels: Qrels) -> None:
        self._queries = list(qrels)
        self._judge = Judge([measure], qrels)

    def __call__(self, ids: Sequence[Sequence[str]]) -> _Floats:
        (judged,) = self._judge(dict(zip(self._queries, ids, strict=True))).values()
        return np.array([judged[query] for query in self._queries])


class _Trials:
    """The maps of all strengths, each fitted without one fold or two, and tried on these.

    Args:
        rows: the queries' vectors, of length 1.
        targets: one a query.
        fold_of: the fold of each query.
        strengths: to try.
    """

    def __init__(
        self, rows: _Floats, targets: _Floats, fold_of: _Folds, strengths: Sequence[float]
    ) -> None:
        self._rows, self._targets, self._fold_of = rows, targets, fold_of
        self._strengths = strengths
        self._ridges: dict[frozenset[int], Ridge] = {}

    def ridge(self, unseen: Iterable[int]) -> Ridge:
        """Return the regression on the queries of all folds but these."""
        key = frozenset(unseen)
        if key not in self._ridges:
            seen = ~np.isin(self._fold_of, list(key))
            self._ridges[key] = Ridge(self._rows[seen], self._targets[seen])
        return self._ridges[key]

    def scores(
        self, dense: _DenseStage, values: _Values, k: int, progress: bool | None
    ) -> dict[int | None, dict[float, _Floats]]:
        """Return the measure of each strength, for each fold that is to be unseen.

        Returns:
            fold → strength → one value a query, by a map that has seen neither the fold nor the
            query's own; those of the fold's own queries are by no map. Under None the maps have
            seen all folds but the query's own.
        """
        folds = range(int(self._fold_of.max()) + 1)
        rows = {
            (fold, strength): self._rows.copy()
            for fold in (None, *folds)
            for strength in self._strengths
        }
        for first, second in combinations_with_replacement(folds, 2):
            ridge = self.ridge({first, second})
            for fold, other in {(first, second), (second, first)}:
                inside = self._fold_of == fold
                for strength in self._strengths:
                    key = (None if fold == other else other), strength
                    rows[key][inside] = ridge.mapped(self._rows[inside], strength)
        lists = dense.best(np.concatenate(list(rows.values())), k, progress)
        found: dict[int | None, dict[float, _Floats]] = {}
        count = len(self._rows)
        for i, (key, strength) in enumerate(rows):
            part = lists[i * count : (i + 1) * count]
            found.setdefault(key, {})[strength] = values(part)
        return found


def _best(
    scores: Vectors, positions: NDArray[np.int64], found: Vectors, new: NDArray[np.int64], k: int
) -> tuple[Vectors, NDArray[np.int64]]:
    """Return the best `k` of each row's scores so far, and of those of new positions."""
    scores = np.concatenate([scores, found], axis=1)
    positions = np.concatenate([positions, np.broadcast_to(new, found.shape)], axis=1)
    if scores.shape[1] > k:
        top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        scores = np.take_along_axis(scores, top, axis=1)
        positions = np.take_along_axis(positions, top, axis=1)
    return scores, positions


def _choice(
    scores: Mapping[float, _Floats], before: _Floats, seen: NDArray[np.bool_]
) -> float | None:
    """Return the best strength on some queries, the greatest of equals; None for no map."""
    best, highest = None, float(before[seen].mean())
    for strength in sorted(scores, reverse=True):
        mean = float(scores[strength][seen].mean())
        if mean > highest:
            best, highest = strength, mean
    return best


def _relevant(
    index: HybridIndex, queries: Mapping[str, str], qrels: Qrels
) -> dict[str, dict[str, int]]:
    """Return the relevant passages in the index, of the queries that have words and any of them.

    Raises:
        InvalidInputError: there is no such query.
    """
    positive = {
        query: {id_: grade for id_, grade in qrels[query].items() if grade > 0} for query in queries
    }
    ids = list(dict.fromkeys(id_ for grades in positive.values() for id_ in grades))
    there = {passage.id for passage in index.get(ids) if passage is not None}
    found = {
        query: {id_: grade for id_, grade in grades.items() if id_ in there}
        for query, grades in positive.items()
        if queries[query].strip() and there & grades.keys()
    }
    if not found:
        first = f", such as {ids[0]!r}" if ids else ""
        raise InvalidInputError(
            f"no query has a relevant passage in this index: of the {len(ids)} in qrels{first}, "
            f"it holds {len(there)}; give the qrels of these passages"
        )
    if left := [query for query in queries if query not in found]:
        logger.warning(
            "%d of %d queries are left out, because they are blank or the index has no relevant "
            "passage of theirs (the first: %r)",
            len(left),
            len(queries),
            left[0],
        )
    return found


def _checked_strengths(strengths: Sequence[float]) -> list[float]:
    try:
        found = [float(each) for each in strengths]
    except (TypeError, ValueError):
        found = []
    if not found or not all(0 < each < float("inf") for each in found):
        raise InvalidInputError(
            f"strengths must be numbers above 0, as in [3, 10, 30], not {strengths!r}"
        )
    return found


def _checked_measure(measure: str) -> str:
    if not isinstance(measure, str):
        raise InvalidInputError(f"measure must be one measure, as 'nDCG@10', not {measure!r}")
    return measure


def _unit(vector: _Floats) -> _Floats:
    length = np.linalg.norm(vector)
    return vector / length if length else vector
