"""bm25s's score matrix, built from term counts by array operations.

bm25s scores every (term, passage) pair when it builds its index, and a query sums the rows of its
terms. Its own build loops over the passages in Python; this one applies bm25s's formulas to all
pairs at once, with the same result.

Importing this module imports bm25s: do so inside functions.
"""

from __future__ import annotations

from typing import Any

import bm25s
import numpy as np
from bm25s.scoring import _select_idf_scorer, _select_tfc_scorer
from numpy.typing import NDArray

from .compiled import compiled_scorer
from .parameters import BM25Parameters

__all__ = ["ScoreMatrix"]


class ScoreMatrix:
    """The scores of passages for terms.

    Args:
        parameters: the variant of BM25.
        counts: shape (2, pairs): the term and its count, for all terms of the first passage, then
            those of the second one, and so on.
        widths: shape (passages,): the number of different terms of each passage.
        vocabulary_size: above every term in `counts`.
        backend: ``"numpy"``, or ``"numba"`` to sum by compiled code once that is ready.
    """

    def __init__(
        self,
        parameters: BM25Parameters,
        counts: NDArray[np.int32],
        widths: NDArray[np.int32],
        vocabulary_size: int,
        backend: str = "numpy",
    ) -> None:
        self._backend = backend
        self._passages = len(widths)
        self._bm25: Any = bm25s.BM25(
            k1=parameters.k1,
            b=parameters.b,
            delta=parameters.delta,
            method=parameters.method,
            idf_method=parameters.idf_method,
            backend="numpy",
        )
        # Apart from bm25s, which would add it to the scores: without it, 0 is "no match".
        self._bm25.nonoccurrence_array = None
        self._bm25.scores, self._nonoccurrence = _build(self._bm25, counts, widths, vocabulary_size)

    def scores(self, terms: list[int]) -> tuple[NDArray[np.float32], float]:
        """Return each passage's score for a query, above the score of a passage without its terms.

        Args:
            terms: the query's, repetitions included.

        Returns:
            Shape (passages,), above 0 where the passage matches; and a constant to add to all:
            in bm25l and bm25+ a passage without a term has a score for it too.
        """
        if not terms:
            return np.zeros(self._bm25.scores["num_docs"], dtype=np.float32), 0.0
        if self._backend == "numba" and (scorer := compiled_scorer()) is not None:
            self._bm25._compute_relevance_from_scores = scorer
        matched: NDArray[np.float32] = self._bm25.get_scores_from_ids(terms)
        if self._nonoccurrence is None:
            return matched, 0.0
        return matched, float(self._nonoccurrence[terms].sum())

    def column(self, term: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the passages with a term, ascending, and the term's score in each."""
        start, end = self._bm25.scores["indptr"][term : term + 2]
        return self._bm25.scores["indices"][start:end], self._bm25.scores["data"][start:end]

    def idf(self, frequency: int) -> float:
        """Return the inverse document frequency of a term in `frequency` passages."""
        counts = np.array([frequency])
        return float(_inverse_document_frequencies(self._bm25, counts, self._passages)[0])


def _build(
    bm25: Any, counts: NDArray[np.int32], widths: NDArray[np.int32], vocabulary_size: int
) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
    """Return bm25s's scores, as `build_index_from_ids` does, and its array of non-occurrences."""
    from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

    terms, occurrences = counts
    passages = len(widths)
    starts = np.concatenate(([0], np.cumsum(widths, dtype=np.int64)))
    totals = np.concatenate(([0], np.cumsum(occurrences, dtype=np.int64)))
    lengths = np.diff(totals[starts])
    average = lengths.mean() if passages else np.float64(0)
    constants = {"l_avg": average, "k1": bm25.k1, "b": bm25.b, "delta": bm25.delta}
    score_occurrences = _select_tfc_scorer(bm25.method)

    frequencies = np.bincount(terms, minlength=vocabulary_size)
    idf = _inverse_document_frequencies(bm25, frequencies, passages)
    data = idf.astype(np.float32)[terms] * score_occurrences(
        tf_array=occurrences.astype(np.float32), l_d=np.repeat(lengths, widths), **constants
    )
    nonoccurrence = None
    if bm25.method in bm25.methods_requiring_nonoccurrence and len(terms):
        absent = score_occurrences(tf_array=0, l_d=average, **constants)
        nonoccurrence = (idf * absent).astype(np.float32)
        data -= nonoccurrence[terms]

    by_term = csr_matrix(
        (data.astype(np.float32), terms, starts), shape=(passages, vocabulary_size)
    ).tocsc()
    scores = {
        "data": by_term.data,
        "indices": by_term.indices.astype(np.int32, copy=False),
        "indptr": by_term.indptr.astype(np.int64, copy=False),
        "num_docs": passages,
    }
    return scores, nonoccurrence


def _inverse_document_frequencies(
    bm25: Any, frequencies: NDArray[np.int64], passages: int
) -> NDArray[np.float64]:
    idf = _select_idf_scorer(bm25.idf_method)
    different, which = np.unique(frequencies, return_inverse=True)
    values = [idf(int(frequency), N=passages) if frequency else 0.0 for frequency in different]
    return np.array(values, dtype=np.float64)[which]
