"""Explanations over retrievers that make results of another's hits."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hybridge import BM25Retriever, Hit, Passage, Pipeline
from hybridge.errors import InvalidInputError
from hybridge.explanation import explain, explain_search
from hybridge.results import DistinctRetriever, GroupedRetriever, ParentRetriever
from hybridge.sentences import children

PASSAGES = [
    Passage("a1", "Harbour tides turn.", {"doc": "a"}),
    Passage("a2", "Harbour tides turn twice.", {"doc": "a"}),
    Passage("b1", "The harbour has tides, and so do the other harbours nearby.", {"doc": "b"}),
    Passage("c1", "Nobody knows which of all the many old harbours is the eldest.", {"doc": "c"}),
    Passage("d1", "A tide in some far away bay, about which there is little to say."),
    Passage("e1", "Bread needs yeast."),
]
QUERY = "harbour tides"


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


def test_groups() -> None:
    grouped = GroupedRetriever(BM25Retriever(PASSAGES), "doc")
    [hits] = grouped.search([QUERY], 2)
    found = explain_search(grouped, QUERY, 2)
    assert found.hits == hits
    assert ids(hits) == ["a1", "b1"]
    assert ids(found.candidates)[:2] == ["a1", "b1"]
    assert sorted(ids(found.candidates)) == ["a1", "a2", "b1", "c1", "d1"]
    for rank, explanation in enumerate(found.explanations, start=1):
        assert explanation.rank == rank
        assert explanation.trace == hits[rank - 1].trace
        assert explanation.missed is None
        assert explanation.bm25 is not None
        assert explanation.bm25.score == explanation.score
    missed = {id_: explain(grouped, QUERY, id_, k=2).missed for id_ in ("a2", "c1", "d1", "e1")}
    assert missed == {
        "a2": "it is number 2 of its group, doc 'a', and per_group is 1",
        "c1": "its group, doc 'c', ranks 3 of the groups, and k is 2",
        "d1": "it is a group by itself, which ranks 4 of the groups, and k is 2",
        "e1": "it shares no term with the query",
    }


def test_near_duplicates() -> None:
    same = Passage("a3", "HARBOUR TIDES, turn!", {"doc": "z"})
    distinct = DistinctRetriever(BM25Retriever([*PASSAGES, same]))
    assert ids(explain_search(distinct, QUERY, 2).hits) == ["a1", "a2"]
    assert explain(distinct, QUERY, "a3", k=2).missed == (
        "it is a near duplicate of 'a1': their similarity is 1.00, and from 0.8 on only the better "
        "one stays"
    )
    assert explain(distinct, QUERY, "b1", k=2).missed == (
        "it ranks 3 of what is left without near duplicates, and k is 2"
    )


TEXTS = [
    Passage("pump", "The pump leaks. Turn off the valve. Replace the seal of the pump. Done."),
    Passage("tide", "Seals sleep on the rocks. The tide turns."),
]


def test_a_parent_is_explained_by_its_best_child() -> None:
    bm25 = BM25Retriever(children(TEXTS))
    parents = ParentRetriever(Pipeline(bm25))
    found = explain_search(parents, "pump seal")
    assert found.hits == parents.search(["pump seal"])[0]
    assert ids(found.hits) == ["pump", "tide"]
    explanation = explain(parents, "pump seal", "pump")
    child = explain(bm25, "pump seal", "pump#2")
    assert explanation.passage.text == TEXTS[0].text
    assert explanation.bm25 is not None
    assert child.bm25 is not None
    assert explanation.bm25.terms == child.bm25.terms
    assert explanation.score == child.score == explanation.trace[-1].score
    assert explanation.trace[-1].passage == "pump#2"


def test_a_child_is_not_a_result_and_why() -> None:
    bm25 = BM25Retriever(children(TEXTS))
    parents = ParentRetriever(bm25)
    assert explain(parents, "pump seal", "pump#0").missed == (
        "'pump' at 1 has its text, and is returned instead"
    )
    assert explain(parents, "pump seal", "tide#0", k=1).missed == (
        "it ranks 3 of the passages that were found, and better ones make the 1 results that k "
        "asks for"
    )
    assert explain(parents, "pump seal", "tide#1").missed == "it shares no term with the query"
    windows = ParentRetriever(bm25, window=1)
    assert explain(windows, "pump seal", "pump#2").rank == 1
    assert explain(windows, "pump seal", "pump#0").missed == (
        "'pump#2' at 1 has its text, and is returned instead"
    )


def test_an_unknown_passage() -> None:
    parents = ParentRetriever(BM25Retriever(children(TEXTS)))
    with pytest.raises(InvalidInputError, match="no passage has the id 'nowhere'"):
        explain(parents, "seal", "nowhere")


def test_an_empty_answer() -> None:
    parents = ParentRetriever(BM25Retriever(children(TEXTS)))
    assert explain_search(parents, "xyzzy").hits == []
