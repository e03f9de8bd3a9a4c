"""Several retrievers as one: fused scores by hand and by an oracle, and real members."""

from __future__ import annotations

import asyncio
import copy
import pickle
import statistics
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever as LangChainRetriever
from llama_index.core.base.base_retriever import BaseRetriever as LlamaIndexRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

import langchain_hybridge
from hybridge import (
    BM25Retriever,
    CallableEncoder,
    FusedRetriever,
    Hit,
    HybridIndex,
    Passage,
    Pipeline,
    StageScore,
    evaluate,
)
from hybridge.errors import InvalidInputError
from hybridge.filters import as_filter
from hybridge.fusion import FUSIONS, ConvexCombination, get_fusion
from hybridge.observation import observing
from hybridge.protocols import Where
from hybridge.results import ParentRetriever
from hybridge.testing import RetrieverConformance
from llama_index.retrievers import hybridge as llama_index_hybridge

from .index.conftest import DIMENSION, word_vectors
from .test_pipeline import Ranks

PETS = [
    Passage("cats", "Cats sleep a lot.", {"legs": 4}),
    Passage("dogs", "Dogs bark, and sleep at night.", {"legs": 4}),
    Passage("hens", "Hens lay eggs.", {"legs": 2}),
]


class Table:
    """Finds what a table says, whatever the question; filters as any other."""

    def __init__(self, scores: Mapping[str, float], stage: str = "table", text: str = "") -> None:
        self.scores = scores
        self.stage = stage
        self.text = text
        self.asked: list[tuple[list[str], int]] = []

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        self.asked.append((list(queries), k))
        chosen = as_filter(where)
        passages = [Passage(id_, f"{self.text}{id_}", {"id": id_}) for id_ in self.scores]
        ranked = sorted(passages, key=lambda each: (-self.scores[each.id], each.id))
        found = [each for each in ranked if chosen is None or chosen.matches(each)][:k]
        hits = [
            Hit(p, self.scores[p.id], (StageScore(self.stage, rank, self.scores[p.id]),))
            for rank, p in enumerate(found, start=1)
        ]
        return [list(hits) for _ in queries]

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return self.search(queries, k, where=where)


class Scoring(Table):
    """Scores given passages too: those of the table, and of another that it never finds."""

    def __init__(
        self, scores: Mapping[str, float], hidden: Mapping[str, float] | None = None, **how: Any
    ) -> None:
        super().__init__(scores, **how)
        self.all = {**scores, **(hidden or {})}
        self.calls = 0

    def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
        self.calls += 1
        unknown = {id_ for some in ids for id_ in some} - self.all.keys()
        if unknown:
            raise InvalidInputError(f"there is no passage {min(unknown)!r} here")
        return [[self.all[id_] for id_ in some] for some in ids]


class Holding(Scoring):
    """Says, too, which passages it has."""

    def get(self, ids: Sequence[str]) -> list[Passage | None]:
        return [Passage(id_, id_) if id_ in self.all else None for id_ in ids]


class Broken(Table):
    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        raise RuntimeError(f"{self.stage} is down")


class Words(LangChainRetriever):
    """One of LangChain's that knows nothing of Hybridge."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [
            Document("Hens lay eggs.", id="hens", metadata={"legs": 2}),
            Document("Cows moo.", id="cows"),
        ]


class Nodes(LlamaIndexRetriever):
    """One of LlamaIndex's."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(id_="dogs", text="Dogs bark."), score=0.75)]


def scores(hits: Sequence[Hit]) -> dict[str, float]:
    return {hit.passage.id: hit.score for hit in hits}


def trace(hit: Hit) -> list[tuple[str, int, float]]:
    return [(entry.stage, entry.rank, entry.score) for entry in hit.trace]


@pytest.fixture(scope="module")
def index(small_corpus: tuple[Passage, ...]) -> Iterator[HybridIndex]:
    passages = [
        Passage(each.id, each.text, {"even": int(each.id) % 2 == 0}) for each in small_corpus[:120]
    ]
    encoder = CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")
    with HybridIndex.create(encoder=encoder) as made:
        made.add(passages)
        yield made


@pytest.fixture(scope="module")
def questions(scifact: Any) -> list[str]:
    return list(scifact.queries.values())[:24]


class TestOfBM25(RetrieverConformance):
    scores = False

    def build(self, passages: list[Passage]) -> FusedRetriever:
        other = BM25Retriever(passages, analyzer="german")
        return FusedRetriever({"english": BM25Retriever(passages), "german": other})


class TestOfRanks(RetrieverConformance):
    scores = False

    def build(self, passages: list[Passage]) -> FusedRetriever:
        inner = FusedRetriever({"english": BM25Retriever(passages)}, fusion="min-max")
        pipeline = Pipeline(BM25Retriever(passages), Ranks())
        members = {"inner": inner, "pipeline": pipeline}
        return FusedRetriever(members, fusion="rrf", depth={"inner": 100, "pipeline": 300})


# --- the numbers ----------------------------------------------------------------------------------


def test_a_convex_combination_completes_what_others_found() -> None:
    # Completed, both runs score a, b and c: 4 2 0 and 0 1 2, whose z-scores are ± sqrt(3 / 2), 0.
    left = Scoring({"a": 4.0, "b": 2.0}, {"c": 0.0})
    right = Holding({"c": 2.0, "b": 1.0}, {"a": 0.0})
    fused = FusedRetriever({"left": left, "right": right}, weights={"left": 3, "right": 1})
    [hits] = fused.search(["?"])
    z = 1.5**0.5
    assert scores(hits) == pytest.approx({"a": z / 2, "b": 0.0, "c": -z / 2})
    assert [trace(hit) for hit in hits] == [
        [("left", 1, 4.0), ("fusion", 1, pytest.approx(z / 2))],
        [("left", 2, 2.0), ("right", 2, 1.0), ("fusion", 2, pytest.approx(0.0))],
        [("right", 1, 2.0), ("fusion", 3, pytest.approx(-z / 2))],
    ]


def test_a_score_that_a_member_cannot_give_counts_as_its_lowest() -> None:
    # "right" cannot score: its z-scores are 1 for c and -1 for b, and a gets -1 too.
    left = Scoring({"a": 4.0, "b": 2.0}, {"c": 0.0})
    fused = FusedRetriever({"left": left, "right": Table({"c": 2.0, "b": 1.0})})
    z = 1.5**0.5
    [hits] = fused.search(["?"])
    assert scores(hits) == pytest.approx({"a": z / 2 - 0.5, "b": -0.5, "c": 0.5 - z / 2})
    assert scores(fused.search(["?"], fusion="min-max")[0]) == {"a": 0.5, "b": 0.0, "c": 0.5}


@pytest.mark.parametrize("kind", [Scoring, Holding])
def test_passages_that_a_member_does_not_hold_are_not_scored_by_it(kind: Any) -> None:
    # Each holds b; a is the left one's alone, c the right one's: nothing can be completed but b.
    left, right = kind({"a": 3.0, "b": 1.0}), kind({"c": 8.0}, {"b": 0.0})
    fused = FusedRetriever({"left": left, "right": right}, fusion=ConvexCombination("min-max"))
    assert scores(fused.search(["?"])[0]) == {"a": 0.5, "b": 0.0, "c": 0.5}
    assert scores(fused.search(["?", "", "!"])[2]) == {"a": 0.5, "b": 0.0, "c": 0.5}


def test_a_member_that_refuses_to_score_what_it_holds_is_named() -> None:
    class Refusing(Holding):
        def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
            raise InvalidInputError("not today")

    members = {"left": Table({"a": 1.0}), "right": Refusing({"b": 1.0}, {"a": 0.0})}
    with pytest.raises(InvalidInputError, match=r"(?s)not today.*Raised by 'right', a member"):
        FusedRetriever(members).search(["?"])


def test_scores_are_asked_for_once_a_batch_and_only_where_some_are_missing() -> None:
    left, right = Scoring({"a": 1.0, "b": 0.0}), Scoring({"a": 2.0}, {"b": 0.0})
    FusedRetriever({"left": left, "right": right}).search(["one", "two", " ", "three"])
    assert (left.calls, right.calls) == (0, 1)
    assert left.asked == [(["one", "two", "three"], 100)]


def test_depths_say_what_each_member_contributes_and_none_is_less_than_k() -> None:
    left, right = Table(dict.fromkeys("abcdef", 1.0)), Table(dict.fromkeys("uvwxyz", 1.0))
    fused = FusedRetriever(
        {"left": left, "right": right}, fusion="rrf", depth={"left": 2, "right": 4}
    )
    assert sorted(scores(fused.search(["?"], 4)[0])) == ["a", "b", "u", "v"]
    assert sorted(scores(fused.search(["?"], 99, depth=1)[0])) == sorted("abcdefuvwxyz")
    assert [k for _, k in left.asked + right.asked] == [4, 99, 4, 99]
    assert len(fused.search(["?"], 1, depth=3)[0]) == 1
    assert left.asked[-1][1] == 3


def test_options_of_a_call_beat_the_retriever_s_own_and_tuned_keeps_them() -> None:
    members = {"left": Table({"a": 1.0, "b": 0.0}), "right": Table({"b": 1.0, "a": 0.0})}
    fused = FusedRetriever(members, fusion="min-max")
    assert scores(fused.search(["?"])[0]) == {"a": 0.5, "b": 0.5}
    options: dict[str, Any] = {"weights": {"left": 1, "right": 3}, "fusion": "z-score", "depth": 7}
    [hits] = fused.search(["?"], **options)
    assert scores(hits) == {"b": 0.5, "a": -0.5}
    assert fused.tuned(**options).search(["?"]) == [hits]
    assert fused.tuned(weights=options["weights"]).tuned(fusion="rrf").weights == fused.weights
    assert fused.tuned().search(["?"]) == fused.search(["?"])


def test_a_member_of_weight_0_is_not_asked() -> None:
    members = {"left": Table({"a": 1.0}), "right": Broken({})}
    fused = FusedRetriever(members, weights={"left": 1, "right": 0})
    assert [entry.stage for entry in fused.search(["?"])[0][0].trace] == ["left", "fusion"]


def test_of_two_texts_under_one_id_the_first_member_s_counts() -> None:
    first, second = Table({"b": 1.0}, text="first "), Table({"a": 2.0, "b": 1.0}, text="second ")
    for members, text in (
        ({"one": first, "two": second}, "first b"),
        ({"two": second, "one": first}, "second b"),
    ):
        [hits] = FusedRetriever(members, fusion="rrf").search(["?"])
        assert {h.passage.id: h.passage.text for h in hits} == {"a": "second a", "b": text}


def test_ties_are_ordered_by_id_before_the_cut() -> None:
    members = {"left": Table({"z": 1.0, "a": 0.0}), "right": Table({"b": 1.0, "y": 0.0})}
    [hits] = FusedRetriever(members, fusion="rrf").search(["?"], 3)
    assert [hit.passage.id for hit in hits] == ["b", "z", "a"]


TABLES = st.dictionaries(
    st.sampled_from("abcdefgh"), st.integers(-9, 9).map(float), min_size=1, max_size=8
)


def brute_force(
    tables: Sequence[tuple[dict[str, float], dict[str, float]]],
    scorers: Sequence[bool],
    weights: Sequence[float],
    depth: int,
    k: int,
) -> dict[str, float]:
    """Completed z-scores by the book: the statistics module, one candidate at a time."""
    best = [sorted(found, key=lambda i: (-found[i], i))[: max(k, depth)] for found, _ in tables]
    union = {id_ for some in best for id_ in some}
    fused = dict.fromkeys(union, 0.0)
    for (found, hidden), top, scores_, weight in zip(tables, best, scorers, weights, strict=True):
        own = {**hidden, **found} if scores_ else {id_: found[id_] for id_ in top}
        run = {id_: own[id_] for id_ in union if id_ in own}
        mean, deviation = statistics.fmean(run.values()), statistics.pstdev(run.values())
        z = {id_: (score - mean) / deviation if deviation else 0.0 for id_, score in run.items()}
        for id_ in union:
            fused[id_] += weight / sum(weights) * z.get(id_, min(z.values()))
    return fused


@given(
    tables=st.lists(st.tuples(TABLES, TABLES), min_size=1, max_size=4),
    scorers=st.lists(st.sampled_from([Table, Scoring, Holding]), min_size=4, max_size=4),
    weights=st.lists(st.integers(1, 5), min_size=4, max_size=4),
    depth=st.integers(1, 8),
    k=st.integers(1, 8),
)
def test_what_is_found_is_what_brute_force_finds(
    tables: list[Any], scorers: list[Any], weights: list[int], depth: int, k: int
) -> None:
    hidden = [{i: s for i, s in other.items() if i not in found} for found, other in tables]
    made = [
        kind(found) if kind is Table else kind(found, other)
        for kind, (found, _), other in zip(scorers, tables, hidden, strict=False)
    ]
    names = "abcd"[: len(made)]
    fused = FusedRetriever(
        dict(zip(names, made, strict=True)),
        weights=dict(zip(names, weights, strict=False)),
        depth=depth,
    )
    completed = [kind is not Table for kind in scorers[: len(made)]]
    pairs = [(found, other) for (found, _), other in zip(tables, hidden, strict=True)]
    expected = brute_force(pairs, completed, weights[: len(made)], depth, k)
    [hits] = fused.search(["?"], k)
    assert scores(hits) == pytest.approx({i: expected[i] for i in scores(hits)}, abs=1e-9)
    assert len(hits) == min(k, len(expected))
    lowest = hits[-1].score
    assert all(s <= lowest + 1e-9 for i, s in expected.items() if i not in scores(hits))
    assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.passage.id))


# --- real members ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fusion", [*FUSIONS, ConvexCombination("min-max")])
@pytest.mark.parametrize("where", [None, {"even": True}])
def test_over_an_index_s_stages_it_finds_what_the_index_finds(
    index: HybridIndex, questions: list[str], fusion: Any, where: Any
) -> None:
    weights = None
    if getattr(get_fusion(fusion), "weighted", True):
        weights = {"bm25": 0.3, "dense": 0.7}
    if "rrf" in get_fusion(fusion).name:
        # An index ranks equal scores of a stage by points, not by ids: ask where none are equal.
        lists = index.bm25.search(questions, 30, where=where)
        untied = [len(set(scores(hits).values())) == len(hits) for hits in lists]
        questions = list(compress(questions, untied))
        assert len(questions) >= 5
    fused = FusedRetriever({"bm25": index.bm25, "dense": index.dense}, fusion=fusion, depth=30)
    expected = index.search(questions, 9, where=where, fusion=fusion, weights=weights, depth=30)
    found = fused.search(questions, 9, where=where, weights=weights)
    for mine, theirs in zip(found, expected, strict=True):
        assert [hit.passage for hit in mine] == [hit.passage for hit in theirs]
        assert scores(mine) == pytest.approx(scores(theirs), abs=1e-9)
        assert [[e.stage for e in hit.trace] for hit in mine] == [
            [e.stage for e in hit.trace] for hit in theirs
        ]


def test_two_indexes_with_encoders_of_their_own(
    index: HybridIndex, small_corpus: tuple[Passage, ...], questions: list[str]
) -> None:
    letters = CallableEncoder(
        lambda texts: [[1.0 + text.lower().count(c) for c in "etaoins"] for text in texts],
        dimension=7,
        identity="letters",
    )
    with HybridIndex.create(encoder=letters) as other:
        # Some of the first's passages, and some that the first lacks.
        other.add(small_corpus[60:160])
        members = {"words": index, "letters": other, "vectors": other.dense, "lexical": index.bm25}
        fused = FusedRetriever(members, depth=40)
        found = fused.search(questions, 20)
        assert asyncio.run(fused.asearch(questions, 20)) == found
        assert [fused.search([question], 20)[0] for question in questions] == found
        answers = {name: member.search(questions, 40) for name, member in members.items()}
    stages = {entry.stage for hits in found for hit in hits for entry in hit.trace}
    inner = {f"{name}/{stage}" for name in ("words", "letters") for stage in ("bm25", "dense")}
    assert stages == {*members, *inner, "fusion"}
    for at, hits in enumerate(found):
        for hit in hits:
            for name, lists in answers.items():
                entry = hit.stage(name)
                ranks = {h.passage.id: rank for rank, h in enumerate(lists[at], start=1)}
                assert ranks.get(hit.passage.id) == (None if entry is None else entry.rank)


def test_retrievers_of_both_frameworks_are_members_as_they_are() -> None:
    members = {"mine": BM25Retriever(PETS), "theirs": Words(), "others": Nodes()}
    fused = FusedRetriever(members, fusion="rrf")
    [hits] = fused.search(["Where do cats sleep?"])
    assert asyncio.run(fused.asearch(["Where do cats sleep?"])) == [hits]
    found = {hit.passage.id: [entry.stage for entry in hit.trace] for hit in hits}
    assert found == {
        "dogs": ["mine", "others", "fusion"],
        "cats": ["mine", "fusion"],
        "hens": ["theirs", "fusion"],
        "cows": ["theirs", "fusion"],
    }
    assert scores(hits)["dogs"] == pytest.approx(1 / 62 + 1 / 61)
    # The first member that found it has the whole text.
    assert {hit.passage.text for hit in hits if hit.passage.id == "dogs"} == {PETS[1].text}


@pytest.mark.parametrize(
    "face",
    [
        lambda fused: langchain_hybridge.HybridgeRetriever.from_index(fused, k=2),
        lambda fused: llama_index_hybridge.HybridgeRetriever(fused, similarity_top_k=2),
    ],
)
def test_it_goes_into_both_adapters(face: Any) -> None:
    fused = FusedRetriever({"mine": BM25Retriever(PETS), "theirs": Words()})
    retriever = face(fused)
    assert retriever.search(["sleeping cats"]) == fused.search(["sleeping cats"], 2)
    found = retriever.invoke("cats") if hasattr(retriever, "invoke") else retriever.retrieve("cats")
    assert [getattr(each, "id", None) or each.node_id for each in found] == [
        hit.passage.id for hit in fused.search(["cats"], 2)[0]
    ]
    again = FusedRetriever({"face": retriever, "bm25": BM25Retriever(PETS)}, fusion="rrf")
    assert len(again.search(["sleeping cats"], 4)[0]) == 4


def test_nested_and_in_a_pipeline_traces_stay_apart() -> None:
    inner = FusedRetriever({"bm25": BM25Retriever(PETS), "table": Table({"hens": 1.0})})
    outer = FusedRetriever({"one": inner, "two": Pipeline(inner, Ranks("short"), blend=1.0)})
    [hits] = Pipeline(outer, Ranks("last"), blend=1.0).search(["hens"])
    stages = [entry.stage for entry in hits[0].trace]
    assert stages == ["one/bm25", "one/table", "one", "two/bm25", "two/table", "two/fusion", "two",
                      "fusion", "last"]  # fmt: skip


def test_a_list_of_another_order_than_its_last_stage_keeps_that_one() -> None:
    class Reversed(Table):
        def search(self, *arguments: Any, **options: Any) -> list[list[Hit]]:
            return [
                [Hit(hit.passage, -hit.score, hit.trace) for hit in hits[::-1]]
                for hits in super().search(*arguments, **options)
            ]

    [hits] = FusedRetriever({"turned": Reversed({"a": 2.0, "b": 1.0})}).search(["?"])
    assert trace(hits[0])[:2] == [("turned/table", 2, 1.0), ("turned", 1, -1.0)]


def test_a_passage_that_a_member_finds_twice_has_its_first_rank() -> None:
    class Twice(Table):
        def search(self, *arguments: Any, **options: Any) -> list[list[Hit]]:
            return [[*hits, *hits] for hits in super().search(*arguments, **options)]

    [hits] = FusedRetriever({"twice": Twice({"a": 2.0, "b": 1.0})}, fusion="rrf").search(["?"])
    assert [trace(hit)[0] for hit in hits] == [("twice", 1, 2.0), ("twice", 2, 1.0)]


# --- filters, failures, arguments -----------------------------------------------------------------


def test_a_filter_reaches_every_member_and_one_that_cannot_filter_refuses_by_name() -> None:
    fused = FusedRetriever({"left": BM25Retriever(PETS), "right": BM25Retriever(PETS)})
    [hits] = fused.search(["cats and hens"], where={"legs": 2})
    assert list(scores(hits)) == ["hens"]
    fused = FusedRetriever({"mine": BM25Retriever(PETS), "theirs": Words()})
    with pytest.raises(InvalidInputError, match=r"(?s)Words takes no filter.*Raised by 'theirs'"):
        fused.search(["cats"], where={"legs": 2})


def test_a_failure_names_the_member_and_of_two_the_first_counts() -> None:
    members = {"fine": Table({"a": 1.0}), "one": Broken({}, "x"), "two": Broken({}, "y")}
    fused = FusedRetriever(members)
    for call in (fused.search, lambda queries: asyncio.run(fused.asearch(queries))):
        with pytest.raises(RuntimeError, match=r"(?s)x is down.*Raised by 'one', a member of"):
            call(["?"])


def test_an_answer_that_is_not_one_list_a_query_is_refused() -> None:
    class Short(Table):
        def search(self, *arguments: Any, **options: Any) -> list[list[Hit]]:
            return super().search(*arguments, **options)[1:]

    with pytest.raises(InvalidInputError, match=r"(?s)2 queries with 1 lists.*'short'"):
        FusedRetriever({"short": Short({"a": 1.0})}).search(["one", "two"])


@pytest.mark.parametrize(
    ("retrievers", "options", "message"),
    [
        ({}, {}, "at least one"),
        ([Table({})], {}, "must be a mapping"),
        ({"": Table({})}, {}, "non-empty string"),
        ({1: Table({})}, {}, "non-empty string"),
        ({"fusion": Table({})}, {}, "not 'fusion'"),
        ({"a/b": Table({})}, {}, "without '/'"),
        ({"a": "bm25"}, {}, "str is not one"),
        ({"a": Table({})}, {"fusion": "mean"}, "no fusion 'mean'"),
        ({"a": Table({})}, {"weights": {"b": 1}}, "weights must name each member"),
        ({"a": Table({})}, {"weights": [1]}, "weights must name each member"),
        ({"a": Table({})}, {"weights": {"a": 0}}, "at least one must be above 0"),
        ({"a": Table({})}, {"weights": {"a": -1}}, "of at least 0"),
        ({"a": Table({})}, {"depth": 0}, "depth must be a whole number"),
        ({"a": Table({})}, {"depth": {"a": 0}}, r"depth\['a'\] must be a whole number"),
        ({"a": Table({})}, {"depth": {"b": 9}}, "depth must name each member"),
        (
            {"a": Table({}), "b": Table({})},
            {"fusion": "rrf", "weights": {"a": 1, "b": 2}},
            "has no weights",
        ),
    ],
)
def test_what_is_not_valid_is_refused(retrievers: Any, options: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        FusedRetriever(retrievers, **options)
    if options and "fusion" not in options:
        with pytest.raises(InvalidInputError, match=message):
            FusedRetriever(retrievers).search(["?"], **options)
        with pytest.raises(InvalidInputError, match=message):
            FusedRetriever(retrievers).tuned(**options)


def test_a_bad_filter_is_refused_without_a_query_too() -> None:
    fused = FusedRetriever({"a": Table({"x": 1.0})})
    with pytest.raises(InvalidInputError):
        fused.search([" "], where={"$nor": []})


# --- threads, observers, copies -------------------------------------------------------------------


def test_members_are_searched_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=20)

    class Meets(Table):
        def search(self, *arguments: Any, **options: Any) -> list[list[Hit]]:
            meeting.wait()  # passed when all three are here, else broken
            return super().search(*arguments, **options)

    members = {name: Meets({"a": 1.0}) for name in ("one", "two", "three")}
    assert len(FusedRetriever(members).search(["?"])[0]) == 1


def test_members_are_awaited_at_the_same_time() -> None:
    class Meets(Table):
        async def asearch(self, *arguments: Any, **options: Any) -> list[list[Hit]]:
            async with asyncio.timeout(20):
                await meeting.wait()
            return self.search(*arguments, **options)

    async def search() -> list[list[Hit]]:
        nonlocal meeting
        meeting = asyncio.Barrier(3)
        return await FusedRetriever(members).asearch(["?"])

    meeting: Any = None
    members = {name: Meets({"a": 1.0}) for name in ("one", "two", "three")}
    assert len(asyncio.run(search())[0]) == 1


class Log:
    def __init__(self) -> None:
        self.began_: list[tuple[str, list[int]]] = []
        self.found: dict[str, dict[int, list[str]]] = {}
        self.failed_: list[str] = []
        self._busy = threading.Lock()

    def began(self, stage: str, queries: Sequence[int]) -> None:
        assert self._busy.acquire(blocking=False), "two threads at a time"
        self.began_.append((stage, list(queries)))
        self._busy.release()

    def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
        assert self._busy.acquire(blocking=False), "two threads at a time"
        self.found[stage] = {at: list(scores(some)) for at, some in hits.items()}
        self._busy.release()

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        self.failed_.append(stage)


@pytest.mark.parametrize("way", ["search", "asearch"])
def test_an_observer_hears_of_every_member_and_of_their_stages(way: str) -> None:
    inner = FusedRetriever({"bm25": BM25Retriever(PETS)})
    fused = FusedRetriever({"bm25": BM25Retriever(PETS), "inner": inner}, fusion="rrf")
    log = Log()
    with observing(log):
        if way == "search":
            found = fused.search(["", "cats", "eggs"], 1)
        else:
            found = asyncio.run(fused.asearch(["", "cats", "eggs"], 1))
    assert sorted(stage for stage, _ in log.began_) == sorted(
        ["bm25", "bm25/bm25", "inner", "inner/bm25", "inner/bm25/bm25", "inner/fusion", "fusion"]
    )
    assert log.found["fusion"] == {1: ["cats"], 2: ["hens"]}
    assert log.found["fusion"] == {at: list(scores(found[at])) for at in (1, 2)}
    assert log.found["bm25"] == log.found["inner"] == {1: ["cats"], 2: ["hens"]}
    assert {tuple(at) for stage, at in log.began_ if "/" not in stage} == {(1, 2)}


def test_an_observer_hears_which_member_failed() -> None:
    log = Log()
    with observing(log), pytest.raises(RuntimeError):
        FusedRetriever({"fine": Table({"a": 1.0}), "broken": Broken({})}).search(["?"])
    assert log.failed_ == ["broken"]
    assert log.found.keys() == {"fine"}


def test_langchain_s_tracing_has_a_run_for_each_member(index: HybridIndex) -> None:
    from langchain_core.callbacks import BaseCallbackHandler

    class Names(BaseCallbackHandler):
        def __init__(self) -> None:
            self.names: list[str] = []
            self.chains: list[str] = []

        def on_chain_start(self, *_: Any, name: str | None = None, **__: Any) -> None:
            self.chains.append(str(name))

        def on_retriever_start(self, *_: Any, name: str | None = None, **__: Any) -> None:
            self.names.append(str(name))

    handler = Names()
    fused = FusedRetriever({"mine": index, "theirs": Words()})
    retriever = langchain_hybridge.HybridgeRetriever.from_index(fused)
    retriever.invoke("cats", config={"callbacks": [handler]})
    assert {"mine", "mine/bm25", "mine/fusion", "theirs", "fusion"} <= set(handler.names)
    assert handler.chains == ["mine/encode"]


def test_it_is_evaluated_with_the_time_of_each_member() -> None:
    fused = FusedRetriever({"mine": BM25Retriever(PETS), "theirs": Words()})
    queries, qrels = {"1": "cats", "2": "eggs"}, {"1": {"cats": 1}, "2": {"hens": 1}}
    result = evaluate({"fused": fused, "mine": BM25Retriever(PETS)}, queries, qrels, ["RR@3"])
    assert result.mean("fused", "RR@3") == 1.0
    assert {"mine", "theirs", "fusion"} <= result.stage_costs("fused").keys()


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, copy.copy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_finds_what_the_original_finds(copied: Any) -> None:
    fused = FusedRetriever(
        {"mine": BM25Retriever(PETS), "german": BM25Retriever(PETS, analyzer="german")},
        fusion=ConvexCombination("min-max", completes=False),
        weights={"mine": 3, "german": 1},
        depth={"mine": 2, "german": 3},
    )
    again = copied(fused)
    assert (
        repr(again)
        == repr(fused)
        == ("FusedRetriever(mine: BM25Retriever, german: BM25Retriever; min-max)")
    )
    assert again.search(["cats", "dogs sleep"]) == fused.search(["cats", "dogs sleep"])


def test_a_member_of_parents_names_the_child_in_the_trace() -> None:
    bm25 = BM25Retriever([Passage("d#1", "Cats sleep.", {"parent": "d"})])
    [[hit]] = FusedRetriever({"docs": ParentRetriever(bm25)}).search(["cats"])
    assert hit.passage.id == "d"
    entry = hit.stage("docs")
    assert entry is not None
    assert entry.passage == "d#1"
