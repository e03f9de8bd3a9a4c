"""Conditions in a query hold for every stage, against brute force over the texts."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridge import (
    BM25,
    BM25Retriever,
    CallableEncoder,
    Dense,
    FusedRetriever,
    Hit,
    HybridIndex,
    LateInteraction,
    Passage,
    Pipeline,
    explain,
)
from hybridge.errors import InvalidInputError
from hybridge.filters import Eq, Filter, IdIn, TextPhrase
from hybridge.index.cached_search import CachedSearch
from hybridge.observation import observing
from hybridge.passages import JSON
from hybridge.protocols import Retriever
from hybridge.query_syntax import parse
from hybridge.reranking import TextReranker
from hybridge.tuning.target import Target

from .conftest import DIMENSION, word_vectors
from .test_late import WordTokens

# Each with its stem, or None for a stop word.
STEMS = {
    "pump": "pump",
    "pumps": "pump",
    "pumping": "pump",
    "seal": "seal",
    "sealed": "seal",
    "shaft": "shaft",
    "valve": "valv",
    "valves": "valv",
    "leak": "leak",
    "of": None,
    "the": None,
}
WORDS = [*STEMS]


def _corpus() -> list[Passage]:
    chance = random.Random(5)
    texts = [", ".join(chance.choices(WORDS, k=chance.randrange(1, 9))) for _ in range(60)]
    return [
        Passage(f"p{i:02}", text.capitalize(), {"even": i % 2 == 0}) for i, text in enumerate(texts)
    ]


PASSAGES = _corpus()


def has(passage: Passage, phrase: str) -> bool:
    """Brute force: the phrase's words in a row, by stem, and stop words as they are."""
    text = [STEMS[word] or word for word in re.findall("[a-z]+", passage.text.lower())]
    asked = [STEMS[word] or word for word in phrase.split()]
    return any(text[i : i + len(asked)] == asked for i in range(len(text)))


def passing(query: str, passages: Sequence[Passage] = PASSAGES) -> set[str]:
    parsed = parse(query)
    return {
        passage.id
        for passage in passages
        if all(has(passage, phrase) for phrase in parsed.required)
        and not any(has(passage, phrase) for phrase in parsed.excluded)
    }


_PHRASE = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
_PART = st.tuples(st.sampled_from(["", "+", "-"]), _PHRASE, st.booleans()).map(
    lambda part: f'{part[0]}"{part[1]}"' if part[2] else f"{part[0]}{part[1]}"
)
QUERY = st.tuples(st.sampled_from(WORDS), st.lists(_PART, max_size=3)).map(
    lambda parts: " ".join([parts[0], *parts[1]])
)

ARRANGEMENTS: dict[str, dict[str, Any]] = {
    "embedded, bm25s": {"lexical": "bm25s"},
    "embedded, qdrant": {"lexical": "qdrant"},
    "client": {"url": ":memory:"},
}


def created(arrangement: dict[str, Any], **options: Any) -> HybridIndex:
    words = CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")
    index = HybridIndex.create(encoder=words, **arrangement, **options)
    index.add(PASSAGES)
    return index


@pytest.fixture(scope="module", params=ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def index(request: pytest.FixtureRequest) -> Iterator[HybridIndex]:
    with created(request.param, late_interaction=WordTokens()) as index:
        yield index


@dataclass(frozen=True)
class ByText(Filter):
    """A user's filter: the conditions of a query by brute force."""

    query: str

    def matches(self, passage: Passage) -> bool:
        return bool(passing(self.query, [passage]))

    def to_dict(self) -> dict[str, JSON]:
        raise NotImplementedError


def alike(some: Sequence[Sequence[Hit]], others: Sequence[Sequence[Hit]]) -> bool:
    """Test for the same scores, where qdrant-client in memory differs in the last digits."""
    return [scores(hits) for hits in some] == [pytest.approx(scores(hits)) for hits in others]


def scores(hits: Sequence[Hit]) -> dict[str, float]:
    return {hit.passage.id: hit.score for hit in hits}


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


_EACH = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@_EACH
@given(query=QUERY)
def test_every_stage_holds_to_the_conditions(index: HybridIndex, query: str) -> None:
    expected = passing(query)
    everything = len(PASSAGES)
    [hits] = index.search([query], everything, query_syntax=True)
    # The dense stage finds whatever passes.
    assert set(ids(hits)) == expected
    text, condition = parse(query).text, parse(query).condition(index.analyzer)
    # The same answer, score for score, as with a filter that reads the texts.
    assert alike([hits], index.search([text], everything, where=ByText(query)))
    for stage in index.stages.values():
        [found] = stage.search([text], everything, where=condition)
        assert set(ids(found)) <= expected
    [words] = index.search(
        [query], everything, query_syntax=True, weights={"bm25": 1, "dense": 0}, blend=0
    )
    bm25 = BM25Retriever(PASSAGES, query_syntax=True)
    [alone] = bm25.search([query], everything)
    assert set(ids(alone)) == set(ids(words))
    shared = {STEMS[word] for word in re.findall("[a-z]+", text)} - {None}
    assert set(ids(alone)) == {
        p.id for p in PASSAGES if p.id in expected and any(has(p, stem) for stem in _with(shared))
    }


def _with(stems: set[str | None]) -> list[str]:
    return [word for word, stem in STEMS.items() if stem in stems]


@_EACH
@given(query=QUERY)
def test_conditions_come_on_top_of_the_filter(index: HybridIndex, query: str) -> None:
    [hits] = index.search([query], len(PASSAGES), where={"even": True}, query_syntax=True)
    even = {p.id for p in PASSAGES if p.metadata["even"]}
    assert set(ids(hits)) == passing(query) & even


@_EACH
@given(queries=st.lists(QUERY, max_size=40))
def test_queries_of_several_conditions_are_searched_together(
    index: HybridIndex, queries: list[str]
) -> None:
    together = index.search(queries, 60, query_syntax=True)
    assert alike(together, [index.search([query], 60, query_syntax=True)[0] for query in queries])


def test_a_query_without_operators_is_searched_as_ever(index: HybridIndex) -> None:
    queries = ["pumps of the seal", "valve-seal", "", "leak - shaft", 'a 6" pump']
    everything = len(PASSAGES)
    assert alike(
        index.search(queries, everything, query_syntax=True), index.search(queries, everything)
    )


def test_operators_are_text_unless_asked_for(index: HybridIndex) -> None:
    [hits] = index.search(["pump -pump"], len(PASSAGES))
    assert len(hits) == len(PASSAGES)
    assert alike([hits], index.search(["pump -pump"], len(PASSAGES), query_syntax=False))


@pytest.mark.parametrize("query", ["-pump", '-"shaft seal" -leak'])
def test_only_exclusions_are_refused(index: HybridIndex, query: str) -> None:
    with pytest.raises(InvalidInputError, match="only excludes"):
        index.search(["pump", query], query_syntax=True)
    with pytest.raises(InvalidInputError, match="only excludes"):
        BM25Retriever(PASSAGES, query_syntax=True).search([query])
    with pytest.raises(InvalidInputError, match="only excludes"):
        FusedRetriever({"index": index}, query_syntax=True).search([query])


def test_the_tuned_index_and_its_async_form(index: HybridIndex) -> None:
    tuned = index.tuned(query_syntax=True)
    expected = index.search(["pump -seal"], 60, query_syntax=True)
    assert tuned.query_syntax
    assert not index.tuned().query_syntax
    assert alike(tuned.search(["pump -seal"], 60), expected)
    assert alike(asyncio.run(tuned.asearch(["pump -seal"], 60)), expected)
    assert alike(asyncio.run(index.asearch(["pump -seal"], 60, query_syntax=True)), expected)
    with pytest.raises(InvalidInputError, match="query_syntax must be True or False"):
        index.search(["pump"], query_syntax="yes")  # type: ignore[arg-type]


def test_the_vectors_of_the_caller_stay_with_their_query(index: HybridIndex) -> None:
    queries = ["pump -seal", "valve", "leak -seal", "+shaft valve"]
    vectors = word_vectors([parse(query).text for query in queries])
    found = index.search(queries, 60, query_syntax=True, vectors=vectors)
    assert alike(found, index.search(queries, 60, query_syntax=True))


def test_events_are_of_the_queries_as_they_came(index: HybridIndex) -> None:
    seen: dict[str, list[int]] = {}

    class Positions:
        wants_hits = True

        def began(self, stage: str, queries: Sequence[int]) -> None:
            seen.setdefault(stage, []).extend(queries)

        def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
            assert {0, 1, 2} >= set(hits)

        def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
            raise AssertionError from error

    with observing(Positions()):
        index.search(["pump -seal", "valve", "leak -seal"], query_syntax=True)
    assert seen["encode"] == [0, 1, 2]
    assert {"bm25", "dense", "fusion"} <= seen.keys()
    # One event for the two queries of one condition.
    assert all(positions == [0, 2, 1] for stage, positions in seen.items() if stage != "encode")


def test_conditions_follow_writes(index: HybridIndex) -> None:
    new = Passage("new", "a zeppelin's shaft seal", {})
    try:
        for _ in range(2):  # looked up, and from the cache
            assert index.search(["+zeppelin seal"], query_syntax=True) == [[]]
        index.add([new])
        [found] = index.search(['+zeppelin "shaft seal"'], query_syntax=True)
        assert ids(found) == ["new"]
        [found] = index.search(["seal -zeppelin"], 100, query_syntax=True)
        assert "new" not in ids(found)
        index.add([Passage("new", "a balloon", {})])
        assert index.search(["+zeppelin seal"], query_syntax=True) == [[]]
        [found] = index.search(["seal -zeppelin"], 100, query_syntax=True)
        assert "new" in ids(found)
    finally:
        index.delete(["new"])
    assert index.search(["+balloon seal"], query_syntax=True) == [[]]


def test_a_phrase_is_looked_up_among_terms(index: HybridIndex) -> None:
    where = TextPhrase("shaft seal") & ~TextPhrase("leaks") & Eq("even", True)
    found = index._stages.resolved(where)
    expected = [IdIn([p.id for p in PASSAGES if has(p, word)]) for word in ("shaft seal", "leak")]
    assert found == expected[0] & ~expected[1] & Eq("even", True)
    # Stop words and other analyzers' words are in no terms.
    other = TextPhrase("shaft seal", "german")
    assert index._stages.resolved(other) == other


def test_without_bm25_words_are_those_of_no_language() -> None:
    words = CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")
    with HybridIndex.create(stages=[Dense(words)]) as index:
        index.add(PASSAGES)
        [hits] = index.search(["+pump seal"], 100, query_syntax=True)
        texts = [re.findall("[a-z]+", hit.passage.text.lower()) for hit in hits]
        assert texts
        assert all("pump" in text for text in texts)
        assert len(hits) == sum("pump" in re.findall("[a-z]+", p.text.lower()) for p in PASSAGES)
        assert TextPhrase("pump", None if index is None else "english") != parse("+pump").condition(
            index._stages.condition_reader[0]
        )


def test_of_several_bm25_stages_the_first_reads_the_words() -> None:
    german = BM25("german", name="german")
    with HybridIndex.create(stages=[german, BM25(name="english")]) as index:
        index.add(PASSAGES)
        condition = parse("+pumping seal").condition(german.analyzer)
        assert index.search(["+pumping seal"], 100, query_syntax=True) == index.search(
            ["pumping seal"], 100, where=condition
        )
        assert condition is not None
        found = index.search(["+pumping seal"], 100, query_syntax=True)[0]
        assert set(ids(found)) == {p.id for p in PASSAGES if condition.matches(p)}


class Reads(TextReranker):
    """A reranker that keeps the queries it got."""

    def __init__(self) -> None:
        super().__init__("reads")
        self.queries: list[str] = []

    def _score(self, queries: Any, texts: Any) -> list[list[float]]:
        self.queries += queries
        return [[-float(len(text)) for text in some] for some in texts]


def test_rerankers_read_plain_text(index: HybridIndex) -> None:
    query = '"shaft seal" -leak pumps'
    for retriever in (
        index.tuned(query_syntax=True),
        BM25Retriever(PASSAGES, query_syntax=True),
        FusedRetriever({"index": index}, query_syntax=True),
        Pipeline(index.tuned(query_syntax=True)),
    ):
        reads = Reads()
        pipeline = Pipeline(retriever, reads)
        [hits] = pipeline.search([query], 100)
        assert alike([hits], asyncio.run(pipeline.asearch([query], 100)))
        assert {*reads.queries} == {"shaft seal pumps"}
        assert pipeline.query_syntax
        assert set(ids(hits)) <= passing(query)
    plain = Reads()
    Pipeline(index, plain).search([query])
    assert {*plain.queries} == {query}


def test_members_of_a_fused_retriever_get_plain_text_and_a_filter(index: HybridIndex) -> None:
    class Member:
        def __init__(self) -> None:
            self.got: list[Any] = []

        def search(self, queries: Any, k: int = 10, *, where: Any = None) -> Any:
            self.got.append((list(queries), where))
            return [[] for _ in queries]

        async def asearch(self, queries: Any, k: int = 10, *, where: Any = None) -> Any:
            return self.search(queries, k, where=where)

    member = Member()
    fused = FusedRetriever({"index": index, "member": member}, query_syntax=True)
    queries = ["pump -seal", "valve", "", "leak -seal"]
    hits = fused.search(queries, 100, where={"even": True})
    even = Eq("even", True)
    assert member.got == [
        (["pump", "leak"], even & ~TextPhrase("seal")),
        (["valve"], even),
    ]
    keep = {p.id for p in PASSAGES if p.metadata["even"]}
    for query, found in zip(queries, hits, strict=True):
        assert set(ids(found)) == (passing(query) & keep if query else set())
    assert alike(asyncio.run(fused.asearch(queries, 100, where={"even": True})), hits)
    assert fused.tuned().query_syntax
    assert not fused.tuned(query_syntax=False).query_syntax
    assert not FusedRetriever({"index": index}).query_syntax


def test_cached_searches_find_the_same(index: HybridIndex) -> None:
    queries = ["pump -seal", "valve", " ", '"shaft seal" leak', "leak -seal"]
    cached = CachedSearch(index, queries, Eq("even", True), query_syntax=True)
    expected = index.search(queries, 60, where=Eq("even", True), query_syntax=True)
    assert alike(cached.search(60), expected)


def test_tuning_reads_operators_where_the_retriever_does(index: HybridIndex) -> None:
    queries = ["pump -seal", "+valve leak", "shaft"]
    fused: Retriever = FusedRetriever({"a": index, "b": index.bm25}, query_syntax=True)
    for retriever in (index.tuned(query_syntax=True), fused):
        target = Target.of(retriever)
        expected = retriever.search(queries, 60)
        found = target.cached(queries).search(60, **target.options(target.default))
        assert alike(found, expected)
        assert alike(target.build(target.default).search(queries, 60), expected)
        assert getattr(target.build(target.default), "query_syntax", False)


def test_late_interaction_alone_holds_to_them() -> None:
    with HybridIndex.create(stages=[BM25(), LateInteraction(WordTokens())]) as index:
        index.add(PASSAGES)
        [hits] = index.search(["pump -seal"], 100, query_syntax=True)
        assert set(ids(hits)) <= passing("pump -seal")
        assert hits


@pytest.mark.parametrize("arrangement", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_conditions_are_on_what_is_searched(arrangement: dict[str, Any]) -> None:
    titled = [Passage("a", "It leaks.", {"title": "Shaft seal"}), Passage("b", "A shaft, sealed.")]
    words = CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")
    template = "{title}\n{text}"
    with HybridIndex.create(encoder=words, search_text=template, **arrangement) as index:
        index.add(titled)
        bm25 = BM25Retriever(titled, search_text=template, query_syntax=True)
        for retriever in (
            index.tuned(query_syntax=True),
            bm25,
            FusedRetriever({"all": index}, query_syntax=True),
            FusedRetriever({"words": index.bm25}, query_syntax=True),
        ):
            for query, expected in (
                ('"shaft seal"', ["a", "b"]),
                ('"shaft seal it"', ["a"]),
                ("+leak shaft", ["a"]),
                ("shaft -leak", ["b"]),
            ):
                [hits] = retriever.search([query])
                assert sorted(ids(hits)) == expected
        # A filter of one's own is on the text, unless it says otherwise.
        [hits] = index.search(["shaft"], where=TextPhrase("shaft seal"))
        assert ids(hits) == ["b"]
        where = TextPhrase("shaft seal", search_text=index.search_text)
        assert sorted(ids(index.search(["shaft"], where=where)[0])) == ["a", "b"]
        assert explain(index.tuned(query_syntax=True), "+leaking shaft", "b").missed == (
            "the query excludes it by +leaking"
        )


def test_plain_text_is_not_read_again(index: HybridIndex) -> None:
    query = 'shaft "-sealed" valve'  # a sign in quotes is text
    bm25 = BM25Retriever(PASSAGES, query_syntax=True)
    members: Mapping[str, Any] = {"index": index.tuned(query_syntax=True), "bm25": bm25}
    for name, member in members.items():
        fused = FusedRetriever({name: member}, query_syntax=True)
        nested = FusedRetriever({"inner": fused}, query_syntax=True)
        for each in (member, fused, nested, Pipeline(fused)):
            [hits] = each.search([query], 100)
            assert set(ids(hits)) == passing('shaft "sealed" valve') != set()


def test_plain_text_stays_plain_when_its_spelling_is_corrected() -> None:
    passages = [Passage("1", "how the shaft turns"), Passage("2", "the shaft"), Passage("3", "how")]
    bm25 = BM25Retriever(passages)
    fused = FusedRetriever({"bm25": bm25}, query_syntax=True)
    right, wrong = (fused.search([f"+how {word} turns"])[0] for word in ("shaft", "shfat"))
    assert {hit.passage.id: hit.score for hit in wrong} == {
        hit.passage.id: hit.score for hit in right
    }
    [alone] = BM25Retriever(passages, query_syntax=True).search(["+how shfat turns"])
    assert [hit.trace[-1].score for hit in alone] == [hit.trace[0].score for hit in wrong]


def test_members_that_search_different_texts_are_asked_of_the_text_alone() -> None:
    titled = BM25Retriever(
        [Passage("1", "a shaft", {"title": "Pumps"}), Passage("2", "a pump shaft", {"title": "x"})],
        search_text=lambda passage: f"{passage.metadata['title']} {passage.text}",
    )
    untitled = BM25Retriever([Passage("3", "a pump and a shaft"), Passage("4", "a shaft")])
    both = FusedRetriever({"titled": titled, "untitled": untitled}, query_syntax=True)
    [hits] = both.search(["shaft +pump"])
    assert set(ids(hits)) == {"2", "3"}
    for alike in ({"one": titled}, {"one": titled, "other": titled}):
        [hits] = FusedRetriever(alike, query_syntax=True).search(["shaft +pump"])
        assert set(ids(hits)) == {"1", "2"}
