"""The suite for retrievers: every rule of lists, filters, calls and scores."""

from __future__ import annotations

from .calls import CallRules
from .filtering import FilterRules
from .lists import ListRules
from .scoring import ScoreRules

__all__ = ["RetrieverConformance"]


class RetrieverConformance(ListRules, FilterRules, CallRules, ScoreRules):
    """Tests of the rules that every `Retriever` keeps, and `Scorer` too where it is one.

    Subclass it in a test file, name the subclass ``Test…`` and override `build`, which gets a list
    of passages, perhaps an empty one, and returns a retriever over exactly these. One that has a
    ``close`` method is closed after each test.

    Attributes:
        filters: whether `search` takes `where`. A retriever that does not must refuse it, and the
            rules of filters are skipped.
        scores: whether the retriever is a `Scorer`. The rules of `score` are skipped for one that
            is not, whether this says so or not.
        complete: whether a large `k` returns every passage of the corpus, as a vector search
            does, or only those that match the query, as BM25 does.
        tolerance: how far, absolutely or relatively, two computations of one score may differ, as
            they do where matrices are multiplied in blocks.

    >>> class TestMyRetriever(RetrieverConformance):
    ...     complete = True
    ...
    ...     def build(self, passages):
    ...         return MyRetriever(passages)
    """
