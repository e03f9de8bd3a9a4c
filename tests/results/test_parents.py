from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge import BM25Retriever, FusedRetriever, Hit, HybridIndex, Passage, Pipeline
from hybridge.errors import InvalidInputError
from hybridge.filters import In
from hybridge.passages import StageScore
from hybridge.pipeline import SearchConfig
from hybridge.protocols import Where
from hybridge.results import (
    Boost,
    BoostedRetriever,
    GroupedRetriever,
    Links,
    ParentRetriever,
)
from hybridge.scope import scoped
from hybridge.sentences import children

DOCUMENTS = [
    Passage("pump", "The pump leaks. Turn off the valve. Replace the seal. Fill in oil. Done."),
    Passage("tide", "The tide turns. Boats turn with it. Seals sleep on the rocks."),
    Passage("bread", "Bread needs yeast."),
]


class Ranked:
    """Returns its passages in a fixed order; counts what is read."""

    def __init__(self, passages: Iterable[Passage], order: Sequence[str]) -> None:
        self.passages = {passage.id: passage for passage in passages}
        self.order = order
        self.reads: list[str] = []

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        allowed = self.passages if where is None else {p.id for p in self._passing(where)}
        hits = [
            Hit(self.passages[id_], -float(rank), (StageScore("fixed", rank, -float(rank)),))
            for rank, id_ in enumerate((id_ for id_ in self.order if id_ in allowed), 1)
        ]
        return [hits[:k] if query.strip() else [] for query in queries]

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return self.search(queries, k, where=where)

    def get(self, ids: Iterable[str]) -> list[Passage | None]:
        self.reads.append("get")
        return [self.passages.get(id_) for id_ in ids]

    def matching(self, where: Where) -> list[Passage]:
        self.reads.append("matching")
        return self._passing(where)

    def _passing(self, where: Any) -> list[Passage]:
        from hybridge.filters import as_filter

        chosen = as_filter(where)
        assert chosen is not None
        return [passage for passage in self.passages.values() if chosen.matches(passage)]


def ranked(*order: str, passages: Iterable[Passage] = ()) -> Ranked:
    return Ranked([*children(DOCUMENTS), *passages], order)


def texts(hits: Sequence[Hit]) -> dict[str, str]:
    return {hit.passage.id: hit.passage.text for hit in hits}


# Parents


def test_a_parent_is_put_together_of_its_children() -> None:
    inner = ranked("pump#2", "tide#2", "pump#3", "bread#0")
    [hits] = ParentRetriever(inner).search(["q"])
    assert [hit.passage for hit in hits] == [
        Passage(d.id, d.text, {"parent": d.id}) for d in DOCUMENTS
    ]
    assert inner.reads == ["matching", "get"]


def test_a_parent_has_the_score_and_trace_of_its_best_child_which_it_names() -> None:
    [hits] = ParentRetriever(ranked("pump#2", "tide#2", "pump#3")).search(["q"])
    assert [(hit.score, hit.trace) for hit in hits] == [
        (-1.0, (StageScore("fixed", 1, -1.0), StageScore("parents", 1, -1.0, passage="pump#2"))),
        (-2.0, (StageScore("fixed", 2, -2.0), StageScore("parents", 2, -2.0, passage="tide#2"))),
    ]


def test_k_counts_parents_and_the_retriever_is_asked_until_there_are_enough() -> None:
    many = list(children([Passage("long", "A b. " * 50), *DOCUMENTS]))
    inner = Ranked(many, [p.id for p in many if p.metadata["parent"] == "long"] + ["tide#0"])
    assert list(texts(ParentRetriever(inner).search(["q"], k=2)[0])) == ["long", "tide"]
    assert list(texts(ParentRetriever(inner).search(["q"], k=1)[0])) == ["long"]


def test_a_parent_that_is_a_passage_itself_is_returned_as_it_is() -> None:
    whole = Passage("pump", "All about pumps.", {"kind": "manual"})
    inner = ranked("tide#0", "pump#1", passages=[whole])
    [hits] = ParentRetriever(inner).search(["q"])
    assert hits[1].passage == whole
    assert hits[1].trace[-1].passage == "pump#1"


def test_a_parent_that_is_found_itself_is_one_result_with_its_children() -> None:
    whole = Passage("pump", "All about pumps.")
    inner = ranked("pump#1", "pump", "tide#0", "pump#2", passages=[whole])
    [hits] = ParentRetriever(inner).search(["q"])
    assert [(hit.passage.id, hit.score) for hit in hits] == [("pump", -1.0), ("tide", -3.0)]
    [hits] = ParentRetriever(ranked("pump", "pump#1", passages=[whole])).search(["q"])
    assert [(hit.passage, hit.trace[-1].passage) for hit in hits] == [(whole, None)]


def test_a_passage_without_a_parent_stays() -> None:
    note = Passage("note", "Remember the milk.")
    [hits] = ParentRetriever(ranked("note", "bread#0", passages=[note])).search(["q"])
    assert hits[0].passage == note
    assert hits[0].trace[-1] == StageScore("parents", 1, -1.0)


def test_its_metadata_are_what_the_children_have_in_common() -> None:
    parts = [
        Passage("a", "One.", {"source": "s", "year": 2020, "page": 1, "tags": ["x"]}),
        Passage("b", "Two.", {"source": "s", "year": 2020, "page": 2, "tags": ["x"], "n": None}),
    ]
    [[hit]] = ParentRetriever(Ranked(parts, ["b"]), "source").search(["q"])
    assert hit.passage == Passage("s", "One.\n\nTwo.", {"source": "s", "year": 2020, "tags": ["x"]})


def test_one_read_for_all_queries_and_async_finds_the_same() -> None:
    inner = ranked("pump#2", "tide#2")
    parents = ParentRetriever(inner)
    lists = parents.search(["one", " ", "two"])
    assert inner.reads == ["matching", "get"]
    assert [len(hits) for hits in lists] == [2, 0, 2]
    assert asyncio.run(parents.asearch(["one", " ", "two"])) == lists


# Windows


@pytest.mark.parametrize(
    ("order", "window", "expected"),
    [
        (["pump#2"], 1, {"pump#2": "Turn off the valve. Replace the seal. Fill in oil."}),
        (["pump#0"], 1, {"pump#0": "The pump leaks. Turn off the valve."}),
        (["pump#4"], 2, {"pump#4": "Replace the seal. Fill in oil. Done."}),
        (["pump#2"], 9, {"pump#2": DOCUMENTS[0].text}),
        (["bread#0"], 3, {"bread#0": "Bread needs yeast."}),
        # Windows that touch are one, under the id of the better child.
        (["pump#3", "pump#0"], 1, {"pump#3": DOCUMENTS[0].text}),
        (
            ["pump#4", "pump#0"],
            1,
            {"pump#4": "Fill in oil. Done.", "pump#0": "The pump leaks. Turn off the valve."},
        ),
    ],
)
def test_windows(order: list[str], window: int, expected: dict[str, str]) -> None:
    inner = ranked(*order)
    [hits] = ParentRetriever(inner, window=window).search(["q"])
    assert texts(hits) == expected
    assert inner.reads == ["matching"]


def test_a_window_keeps_the_child_s_metadata_and_needs_no_name_of_it_in_the_trace() -> None:
    [[hit]] = ParentRetriever(ranked("pump#2"), window=1).search(["q"])
    assert hit.passage.metadata == {"parent": "pump", "position": 2, "start_index": 36}
    assert hit.trace[-1] == StageScore("parents", 1, -1.0)


def test_k_counts_windows() -> None:
    inner = ranked("pump#4", "pump#0", "tide#0", "pump#3")
    parents = ParentRetriever(inner, window=1)
    assert list(texts(parents.search(["q"], k=1)[0])) == ["pump#4"]
    assert list(texts(parents.search(["q"], k=2)[0])) == ["pump#4", "pump#0"]
    assert list(texts(parents.search(["q"], k=3)[0])) == ["pump#4", "pump#0", "tide#0"]
    # Where there are not so many, pump#3 comes too, and joins the two of the pump.
    assert list(texts(parents.search(["q"], k=4)[0])) == ["pump#4", "tide#0"]


def test_a_window_of_a_long_document_reads_its_neighbors_alone() -> None:
    long = list(children([Passage("long", "".join(f"Sentence {i}. " for i in range(500)))]))

    class Counting(Ranked):
        def _passing(self, where: Any) -> list[Passage]:
            found = super()._passing(where)
            self.reads.append(f"{len(found)} passages")
            return found

    inner = Counting(long, ["long#250", "long#100"])
    [hits] = ParentRetriever(inner, window=2).search(["q"])
    assert inner.reads == ["matching", "10 passages"]
    assert texts(hits)["long#250"] == " ".join(f"Sentence {i}." for i in range(248, 253))


# Merging


def test_a_parent_comes_where_more_than_a_share_of_its_children_is_found() -> None:
    inner = ranked("tide#1", "pump#2", "tide#2", "pump#0", "bread#0")
    [hits] = ParentRetriever(inner, merge=0.5).search(["q"])
    assert texts(hits) == {
        "tide": DOCUMENTS[1].text,
        "pump#2": "Replace the seal.",
        "pump#0": "The pump leaks.",
        "bread": "Bread needs yeast.",
    }
    assert [hit.score for hit in hits] == [-1, -2, -4, -5]
    assert [hit.trace[-1].passage for hit in hits] == ["tide#1", None, None, "bread#0"]


def test_merging_counts_the_hits_that_make_the_results_however_many_were_asked_for() -> None:
    inner = ranked("tide#1", "pump#2", "bread#0", "tide#2")
    assert list(texts(ParentRetriever(inner, merge=0.5).search(["q"], k=2)[0])) == [
        "tide#1",
        "pump#2",
    ]
    assert list(texts(ParentRetriever(inner, merge=0.5).search(["q"], k=3)[0])) == [
        "tide#1",
        "pump#2",
        "bread",
    ]
    assert list(texts(ParentRetriever(inner, merge=0.5).search(["q"], k=4)[0])) == [
        "tide",
        "pump#2",
        "bread",
    ]


# Filters


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"pump": "The pump leaks. … Replace the seal. … Done."}),
        ({"window": 1}, {"pump#2": "Replace the seal."}),
        ({"window": 2}, {"pump#2": "The pump leaks. … Replace the seal. … Done."}),
        ({"merge": 0.3}, {"pump": "The pump leaks. … Replace the seal. … Done."}),
    ],
)
def test_what_a_filter_excludes_is_in_no_text(
    options: Mapping[str, Any], expected: Mapping[str, str]
) -> None:
    passages = [
        Passage(p.id, p.text, {**p.metadata, "open": p.metadata["position"] % 2 == 0})
        for p in children(DOCUMENTS[:1])
    ]
    inner = Ranked(passages, ["pump#1", "pump#2"])
    [hits] = ParentRetriever(inner, **options).search(["q"], where={"open": True})
    assert texts(hits) == expected


def test_a_stored_parent_that_a_filter_excludes_is_put_together() -> None:
    secret = Passage("pump", "Secret!", {"open": False})
    passages = [Passage(p.id, p.text, {**p.metadata, "open": True}) for p in children(DOCUMENTS)]
    inner = Ranked([*passages, secret], ["pump#0"])
    [[hit]] = ParentRetriever(inner).search(["q"], where={"open": True})
    assert hit.passage.text == DOCUMENTS[0].text


def behind(name: str, bm25: BM25Retriever, index: HybridIndex, scope: Any) -> ParentRetriever:
    match name:
        case "bm25":
            return ParentRetriever(scoped(bm25, scope))
        case "window":
            return ParentRetriever(scoped(bm25, scope), window=4)
        case "pipeline":
            return ParentRetriever(Pipeline(bm25).scoped(scope))
        case "boosted":
            boosted = BoostedRetriever(bm25, Boost({"position": 0}, 0.1))
            return ParentRetriever(GroupedRetriever(scoped(boosted, scope), "parent"))
        case "fused":
            return ParentRetriever(scoped(FusedRetriever({"words": bm25}), scope), store=bm25)
        case "members":
            members = {
                "words": scoped(bm25, scope),
                "other": index.scoped({**scope, "position": 9}),
            }
            return ParentRetriever(FusedRetriever(members), store=index)
        case "settings":
            return ParentRetriever(Configured(bm25, where=scope))
        case "index":
            return ParentRetriever(index.scoped(scope))
        case "tuned":
            return ParentRetriever(Pipeline(index.tuned(depth=20).scoped(scope)))
        case _:
            return ParentRetriever(index.scoped(scope), store=index)


class Configured:
    """An adapter's retriever, with a filter for searches without one."""

    def __init__(self, retriever: Any, where: Where) -> None:
        self._config = SearchConfig(retriever, 10, where)

    @property
    def search_config(self) -> SearchConfig:
        return self._config

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return self._config.search(queries, k, where=where)

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return self.search(queries, k, where=where)


@pytest.mark.engine
@pytest.mark.parametrize(
    "name",
    [
        *["bm25", "window", "pipeline", "boosted", "fused", "members", "settings"],
        *["index", "tuned", "store"],
    ],
)
def test_what_is_outside_a_scope_is_in_no_text(index: HybridIndex, name: str) -> None:
    passages = [
        Passage(p.id, p.text, {**p.metadata, "open": p.metadata["position"] % 2 == 0})
        for p in children(DOCUMENTS[:1])
    ]
    index.add([*passages, Passage("pump", "Secret!", {"open": False})])
    parents = behind(name, BM25Retriever(index), index, {"open": True})
    [hits] = parents.search(["which seal of the pump?"], 1)
    [found] = asyncio.run(parents.asearch(["which seal of the pump?"], 1))
    assert hits == found
    assert [hit.passage.text for hit in hits] == ["The pump leaks. … Replace the seal. … Done."]
    narrowed = parents.search(["which seal of the pump?"], where={"position": {"$in": [2, 3]}})
    if name != "settings":  # which the filter of a search replaces
        assert [hit.passage.text for hit in narrowed[0]] == ["Replace the seal."]


@settings(max_examples=60)
@given(
    order=st.permutations([f"{p}#{i}" for p in "xyz" for i in range(4)]),
    hidden=st.sets(st.sampled_from([f"{p}#{i}" for p in "xyz" for i in range(4)])),
    k=st.integers(1, 6),
    options=st.sampled_from([{}, {"window": 1}, {"window": 2}, {"merge": 0.4}, {"merge": 0.9}]),
)
def test_no_text_has_what_is_hidden_none_comes_twice_and_k_holds(
    order: list[str], hidden: set[str], k: int, options: dict[str, Any]
) -> None:
    passages = [
        Passage(
            f"{p}#{i}", f"{p}{i}.", {"parent": p, "position": i, "open": f"{p}#{i}" not in hidden}
        )
        for p in "xyz"
        for i in range(4)
    ]
    inner = Ranked(passages, order)
    [hits] = ParentRetriever(inner, **options).search(["q"], k, where={"open": True})
    words = " ".join(hit.passage.text for hit in hits).split()
    assert not {f"{id_[0]}{id_[2]}." for id_ in hidden} & set(words)
    shown = [word for word in words if word != "…"]
    assert len(shown) == len(set(shown))
    assert len(hits) <= k
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    visible = [id_ for id_ in order if id_ not in hidden]
    assert len(hits) == 0 or hits[0].score == -1.0
    if not options:
        first = list(dict.fromkeys(id_[0] for id_ in visible))[:k]
        assert [hit.passage.id for hit in hits] == first


# Other links


def test_fields_of_langchain_s_splitters() -> None:
    text = "one two three four five"
    parts = [
        Passage("c", text[8:], {"doc_id": 7, "start_index": 8}),
        Passage("a", text[:13], {"doc_id": 7, "start_index": 0}),
        Passage("x", "other", {"doc_id": 8, "start_index": 0}),
    ]
    [[hit]] = ParentRetriever(Ranked(parts, ["c"]), "doc_id").search(["q"])
    assert hit.passage == Passage("7", text, {"doc_id": 7})


def test_headings_of_hybridge_s_own_passages_stand_once() -> None:
    parts = [
        Passage("s#0", "Pumps\n\nThey leak.", {"source": "s", "position": 0, "title": "Pumps"}),
        Passage("s#1", "Pumps\n\nAnd stop.", {"source": "s", "position": 1, "title": "Pumps"}),
        Passage("s#2", "Seals\n\nThey tear.", {"source": "s", "position": 2, "title": "Seals"}),
    ]
    [[hit]] = ParentRetriever(Ranked(parts, ["s#1"]), "source").search(["q"])
    assert hit.passage.text == "Pumps\n\nThey leak.\n\nAnd stop.\n\nSeals\n\nThey tear."


def test_without_positions_ids_give_the_order() -> None:
    parts = [Passage(id_, f"{id_}.", {"doc_id": "d"}) for id_ in "cab"]
    [[hit]] = ParentRetriever(Ranked(parts, ["b"]), "doc_id", window=1).search(["q"])
    assert hit.passage.text == "a.\n\nb.\n\nc."


def test_children_at_one_position_are_neighbors_and_bring_no_others_near() -> None:
    places = {"a": 0, "b": 0, "c": 1, "d": 2, "e": 9}
    passages = [Passage(id_, id_, {"parent": "x", "position": n}) for id_, n in places.items()]
    [hits] = ParentRetriever(Ranked(passages, ["a", "e"]), window=1).search(["q"])
    assert texts(hits) == {"a": "a\n\nb", "e": "e"}


def test_own_fields() -> None:
    parts = [
        Passage("a", "One.", {"file": {"id": "f"}, "part": 1}),
        Passage("b", "Two.", {"file": {"id": "f"}, "part": 0}),
    ]
    links = Links("file.id", position="part")
    [[hit]] = ParentRetriever(Ranked(parts, ["a"]), links).search(["q"])
    assert hit.passage == Passage("f", "Two.\n\nOne.", {"file": {"id": "f"}})


@pytest.mark.parametrize("value", [None, "", True, 1.5, ["d"], {"id": "d"}])
def test_what_is_no_id_is_no_parent(value: Any) -> None:
    assert Links("doc").parent(Passage("a", "x", {"doc": value})) is None


# Where the passages are


def test_the_store_is_found_behind_other_retrievers() -> None:
    inner = ranked("pump#2")
    around = ParentRetriever(GroupedRetriever(Pipeline(inner), "parent"))
    assert around.store is inner
    assert list(texts(around.search(["q"])[0])) == ["pump"]


def test_a_retriever_without_a_store_needs_one() -> None:
    inner = ranked("pump#2")
    fused = FusedRetriever({"one": inner})
    with pytest.raises(InvalidInputError, match=r"does not say where .* by store="):
        ParentRetriever(fused)
    [[hit]] = ParentRetriever(fused, store=inner).search(["q"])
    assert hit.passage.text == DOCUMENTS[0].text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 1, "merge": 0.5}, "a result is a window or a parent"),
        ({"window": 0}, "window must be a whole number from 1"),
        ({"merge": 1.5}, "merge must be a number from 0 to 1"),
        ({"parent": ""}, "no field name"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        ParentRetriever(BM25Retriever(), **options)


def test_copies_find_the_same() -> None:
    parents = ParentRetriever(BM25Retriever(children(DOCUMENTS)), window=1)
    expected = parents.search(["seal"], 2)
    assert len(expected[0]) == 2
    for made in (copy.deepcopy(parents), pickle.loads(pickle.dumps(parents))):
        assert made.search(["seal"], 2) == expected


@pytest.mark.engine
@pytest.mark.parametrize("options", [{}, {"window": 1}, {"merge": 0.5}])
def test_an_index_answers_as_bm25_alone(index: HybridIndex, options: dict[str, Any]) -> None:
    bm25 = BM25Retriever(children(DOCUMENTS))
    index.add(children(DOCUMENTS))
    queries = ["seal of the pump", "turn", "yeast in bread"]
    where = In("parent", ["pump", "bread"])
    for filtered in (None, where):
        expected = ParentRetriever(bm25, **options).search(queries, 2, where=filtered)
        found = ParentRetriever(index.bm25, store=index, **options).search(
            queries, 2, where=filtered
        )
        assert [texts(hits) for hits in found] == [texts(hits) for hits in expected]
        assert any(expected)
