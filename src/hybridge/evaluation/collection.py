"""Judged collections: passages, queries and qrels, and the checks of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral

from ..errors import InvalidInputError
from ..passages import Passage

__all__ = ["Collection", "Qrels", "check_judged", "check_qrels"]

Qrels = Mapping[str, Mapping[str, int]]
"""Query id → passage id → relevance: a whole number, 0 for a passage judged not relevant."""


_HIGHEST = 1_000_000  # trec_eval takes memory for every relevance up to the highest


@dataclass(frozen=True, slots=True)
class Collection:
    """Passages, queries, and the relevance of passages to queries.

    Args:
        passages: the passages to search.
        queries: query id → the query's text.
        qrels: query id → passage id → relevance, 0 for a passage judged not relevant.
    """

    passages: Sequence[Passage]
    queries: Mapping[str, str]
    qrels: Qrels


def check_qrels(qrels: Qrels) -> dict[str, dict[str, int]]:
    """Validate judgements, and return a copy of them.

    Raises:
        InvalidInputError: no mapping of mappings, nothing in it, or a relevance that is not a
            whole number from 0 to 1,000,000; the message names the query and the passage.

    >>> check_qrels({"q1": {"p1": 2, "p2": 0}})
    {'q1': {'p1': 2, 'p2': 0}}
    """
    _check_mapping(qrels, "qrels", "query id → passage id → relevance")
    if not qrels:
        raise InvalidInputError("qrels holds no judgement: there is nothing to compare with")
    checked: dict[str, dict[str, int]] = {}
    for query, judged in qrels.items():
        _check_mapping(judged, f"qrels[{query!r}]", "passage id → relevance")
        if not judged:
            raise InvalidInputError(f"qrels[{query!r}] holds no judgement: leave the query out")
        for passage, relevance in judged.items():
            is_count = isinstance(relevance, Integral) and not isinstance(relevance, bool)
            if not isinstance(query, str) or not isinstance(passage, str):
                raise InvalidInputError(
                    f"ids in qrels must be strings, not {query!r} and {passage!r}"
                )
            if not is_count or not 0 <= relevance <= _HIGHEST:
                raise InvalidInputError(
                    f"qrels[{query!r}][{passage!r}] must be a whole number from 0 to {_HIGHEST}, "
                    f"not {relevance!r}: write 0 for a passage that is not relevant"
                )
        checked[query] = {passage: int(relevance) for passage, relevance in judged.items()}
    return checked


def check_judged(queries: Mapping[str, str], qrels: Qrels) -> dict[str, str]:
    """Return the queries that have judgements, in their order.

    Raises:
        InvalidInputError: no mapping of strings, or a judged query that is not there.

    >>> check_judged({"q1": "why?", "q2": "who?"}, {"q2": {"p1": 1}})
    {'q2': 'who?'}
    """
    _check_mapping(queries, "queries", "query id → question")
    if missing := [query for query in qrels if query not in queries]:
        raise InvalidInputError(
            f"qrels judges {len(missing)} queries that queries lacks (the first: {missing[0]!r}): "
            "give their texts, or leave their judgements out"
        )
    judged = {query: text for query, text in queries.items() if query in qrels}
    for query, text in judged.items():
        if not isinstance(text, str):
            raise InvalidInputError(
                f"queries[{query!r}] must be a string, not {type(text).__name__}"
            )
    return judged


def _check_mapping(value: object, name: str, form: str) -> None:
    if isinstance(value, Collection):
        raise InvalidInputError(
            f"{name} is a Collection: give its parts, collection.queries and collection.qrels"
        )
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"{name} must be a mapping, {form}, not {type(value).__name__}")
