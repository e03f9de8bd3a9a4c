"""How the queries of a search are read: what its stages encode, and what its filter is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..filters import Filter
from ..query_syntax import filters_of, parse
from ..spelling import Corrected
from .lock import IndexLock
from .open_stages import OpenStages

__all__ = ["read_filters", "read_queries"]


def read_queries(
    queries: Sequence[str],
    stages: OpenStages,
    lock: IndexLock,
    *,
    spelling: bool,
    query_syntax: bool = False,
) -> list[Corrected]:
    """Return each query as all stages read it.

    Its spelling is corrected first, which leaves phrases and words with a sign as they are.

    Args:
        queries: as they were asked.
        stages: of the index; the first one that has words corrects.
        lock: of the index.
        spelling: whether words that no passage has are corrected.
        query_syntax: whether operators are read, and taken out of the text.
    """
    read = list(map(Corrected, queries))
    if spelling and queries:
        with lock.reading():
            speller = stages.speller
            if speller is not None:
                read = list(map(speller.correct, queries))
    if not query_syntax:
        return read
    return [replace(each, plain=parse(each.text).text) for each in read]


def read_filters(
    queries: Sequence[str], stages: OpenStages, where: Filter | None, *, query_syntax: bool
) -> list[Filter | None]:
    """Return the filter of each query: its conditions, where operators are read, and `where`.

    Args:
        queries: as they were asked.
        stages: of the index; the first BM25 stage's analyzer reads the conditions' words.
        where: the filter of all.
        query_syntax: whether operators are read.
    """
    if not query_syntax:
        return [where] * len(queries)
    analyzer, search_text = stages.condition_reader
    return filters_of(queries, analyzer, where, search_text)
