"""A scope of an index answers as an index that holds only what is inside."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridge import (
    CallableEncoder,
    Hit,
    HybridIndex,
    Passage,
    Pipeline,
    evaluate,
    explain,
    explain_search,
    tune,
)
from hybridge.diversity import DiverseRetriever
from hybridge.errors import ClosedError, InvalidInputError, ReadOnlyError
from hybridge.filters import And, Eq, Filter, as_filter
from hybridge.index import ScopedIndex
from hybridge.lexical import BM25Parameters
from hybridge.spelling import corrected_query
from hybridge.stages import BM25, Dense, LateInteraction, OpenStage, Stage, StageStorage
from hybridge.testing import RetrieverConformance
from hybridge.tuning import Space

from ..explanation.conftest import WordTokens

EXAMPLES = int(os.environ.get("HYBRIDGE_SCOPE_EXAMPLES", "12"))
SCOPE = {"tenant": "a"}

# What both tenants have, and what one of them alone has: words, fields, and kinds of values.
SHARED = ["apple", "apples", "pear", "green", "orchard", "the", "of", "ladder"]
OWN = {"a": ["harbour", "crane", "XR-500"], "b": ["protein", "harbor", "cranes", "kubernetes"]}
QUERIES = [
    *["apple", "aple of the orchad", "harbuor crane", "proteen", "kubernetes ladder", "xr500"],
    *["harbor", "cranez", '"green apple" pear', "+apple -ladder", "pear", "the", "ladder ladder"],
]
WHERES: list[Any] = [
    *[None, {"tenant": "b"}, {"year": {"$gte": 2}}, {"secret": True}, {"acl[].group": "crew"}],
    *[{"$not": {"tenant": "a"}}, {"year": "2"}, {"$text": {"$contains": "apple"}}, {}],
]

ENGINES: dict[str, dict[str, Any]] = {
    "bm25s": {"lexical": "bm25s"},
    "qdrant": {"lexical": "qdrant"},
}


@st.composite
def passages_of(draw: st.DrawFn, tenant: str, first: int) -> list[Passage]:
    texts = st.lists(st.sampled_from(SHARED + OWN[tenant]), max_size=6).map(" ".join)
    found = []
    for i, text in enumerate(draw(st.lists(texts, max_size=6))):
        metadata: dict[str, Any] = {"tenant": tenant, "year": draw(st.integers(0, 4))}
        if tenant == "b":
            metadata["secret"] = True
        elif draw(st.booleans()):
            metadata["acl"] = [{"group": draw(st.sampled_from(["crew", "office"]))}]
        found.append(Passage(f"p{first + 2 * i}", text, metadata))
    return found


def alike(one: Any, other: Any) -> bool:
    """Compare answers of any kind, numbers up to what an engine rounds."""
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        names = [field.name for field in dataclasses.fields(one)]
        return type(one) is type(other) and all(
            alike(getattr(one, name), getattr(other, name)) for name in names
        )
    if isinstance(one, np.ndarray):
        return one.shape == other.shape and np.allclose(one, other, atol=1e-6)
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) < 1e-6 or (one != one and other != other)
    return bool(one == other)


def outcome(call: Callable[[], Any]) -> Any:
    """Return what a call returns or raises."""
    try:
        return call()
    except (InvalidInputError, ReadOnlyError) as error:
        return type(error).__name__, str(error)


def observations(
    index: HybridIndex, query: str, where: Any, k: int, ids: Sequence[str]
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield every verb of an index, by name."""
    tuned = index.tuned(weights={"bm25": 0.7, "dense": 0.3}, query_syntax=True)
    other = BM25Parameters(k1=0.9, b=0.4)
    late = index.late_interaction
    yield "len", lambda: len(index)
    yield "iteration", lambda: sorted(index, key=lambda passage: passage.id)
    yield "get", lambda: index.get(ids)
    yield "matching", lambda: sorted(index.matching(where or {}), key=lambda each: each.id)
    yield "search", lambda: index.search([query, ""], k, where=where)
    yield "unspelt", lambda: index.search([query], k, where=where, spelling=False)
    yield "asearch", lambda: asyncio.run(index.asearch([query], k, where=where))
    yield "blend", lambda: index.search([query], k, where=where, blend=0.8, fusion="rrf")
    yield "tuned", lambda: tuned.search([query], k, where=where)
    yield "diverse", lambda: DiverseRetriever(index).search([query], k, where=where)
    yield "explain_search", lambda: explain_search(tuned, query, k, where=where)
    for name, stage in index.stages.items():
        yield f"search by {name}", lambda stage=stage: stage.search([query], k, where=where)
        yield f"score by {name}", lambda stage=stage: stage.score([query], [ids])
        yield f"explain {name}", lambda stage=stage: explain_search(stage, query, k, where=where)
    if index.bm25.definition.settings["lexical"] == "bm25s":
        yield "bm25=", lambda: index.search([query], k, where=where, bm25=other)
    for id_ in ids:
        yield f"explain {id_}", lambda id_=id_: explain(tuned, query, id_, k=k, where=where)
        yield f"score {id_}", lambda id_=id_: index.dense.score([query], [[id_]])
        yield f"vectors {id_}", lambda id_=id_: index.dense.vectors([id_])
        if late is not None:
            hit = Hit(Passage(id_, "any"), 1.0)
            yield f"rerank {id_}", lambda hit=hit: late.rerank([query], [[hit]])
    vector = index.encoder.encode_queries([query])
    yield "by vector", lambda: index.dense.search_vectors(vector, 20, where=where)


class Pair:
    """An index of both tenants, and one of the first tenant alone.

    BM25 of the second is always in arrays: the weights of sparse vectors depend on a collection's
    history, by up to 2 %.
    """

    def __init__(self, encoder: CallableEncoder, **options: Any) -> None:
        self.whole, self.alone = (
            HybridIndex.create(
                stages=[BM25(lexical=lexical), Dense(encoder), LateInteraction(WordTokens())],
                **{name: value for name, value in options.items() if name != "lexical"},
            )
            for lexical in (options["lexical"], "bm25s")
        )
        # Made before the passages: it follows what is written.
        self.strict = self.whole.scoped(SCOPE, statistics="scope")
        self.loose = self.whole.scoped(SCOPE)

    def fill(self, inside: Sequence[Passage], outside: Sequence[Passage]) -> None:
        for index, passages in ((self.whole, [*inside, *outside]), (self.alone, inside)):
            index.delete(where=And())
            index.add(passages)
        # An index remembers words of deleted passages; this one is to have none.
        self.alone._stages.opened["bm25"].invalidate()

    def close(self) -> None:
        self.whole.close()
        self.alone.close()


@pytest.fixture(scope="module", params=ENGINES.values(), ids=ENGINES)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    from .conftest import DIMENSION, word_vectors

    encoder = CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")
    made = Pair(encoder, **request.param)
    yield made
    made.close()


asked = {
    "inside": passages_of("a", 0),
    "outside": passages_of("b", 1),
    "query": st.sampled_from(QUERIES),
    "where": st.sampled_from(WHERES),
    "k": st.integers(1, 4),
}
many = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.mark.engine
@many
@given(**asked)
def test_nothing_observable_depends_on_what_is_outside(
    pair: Pair,
    inside: list[Passage],
    outside: list[Passage],
    query: str,
    where: Any,
    k: int,
) -> None:
    pair.fill(inside, outside)
    ids = [passage.id for passage in (*inside[:2], *outside[:2])] + ["nowhere"]
    narrowed = pair.whole.scoped(SCOPE, statistics="scope").scoped({"year": {"$lte": 4}})
    seen = [dict(observations(index, query, where, k, ids)) for index in (pair.strict, narrowed)]
    for name, call in observations(pair.alone, query, where, k, ids):
        expected = outcome(call)
        for observed in seen:
            if name in observed:
                found = outcome(observed[name])
                assert alike(found, expected), (name, found, expected)


@pytest.mark.engine
@many
@given(**asked)
def test_with_the_statistics_of_the_index_only_bm25_depends_on_it(
    pair: Pair,
    inside: list[Passage],
    outside: list[Passage],
    query: str,
    where: Any,
    k: int,
) -> None:
    pair.fill(inside, outside)
    ids = [passage.id for passage in (*inside[:2], *outside[:2])] + ["nowhere"]
    seen = dict(observations(pair.loose, query, where, k, ids))
    for name, call in observations(pair.alone, query, where, k, ids):
        # By vectors alone, or by no score.
        if name.split()[0] in ("len", "iteration", "get", "matching", "vectors", "by", "rerank"):
            assert alike(outcome(seen[name]), outcome(call)), name
    # The spelling is that of what is inside; the search that of the index, with both filters.
    [alone] = pair.alone.search([query], 9, where=where)
    read = corrected_query(alone) or query
    joined = And(Eq("tenant", "a"), as_filter(where) or And())
    found = pair.loose.search([query], k, where=where)
    expected = pair.whole.search([read], k, where=joined, spelling=False)
    assert corrected_query(found[0]) == corrected_query(alone)
    assert [(hit.passage, hit.score) for hit in found[0]] == [
        (hit.passage, pytest.approx(hit.score, abs=1e-6)) for hit in expected[0]
    ]


# ------------------------------------------------------------------ by hand


INSIDE = [
    Passage("1", "Green apple tart", {"tenant": "a", "year": 2020}),
    Passage("3", "Blue car door", {"tenant": "a", "year": 2021}),
]
OUTSIDE = [
    Passage("2", "Red apple pie", {"tenant": "b", "owner": "eve"}),
    Passage("4", "Protein of a car", {"tenant": "b", "owner": "eve"}),
]


ARRANGEMENTS: list[dict[str, Any]] = [
    {"lexical": "bm25s"},
    {"lexical": "qdrant"},
    {"url": ":memory:", "lexical": "qdrant"},
    {"url": ":memory:", "lexical": "bm25s"},
]


@pytest.fixture(params=ARRANGEMENTS, ids=str)
def index(request: pytest.FixtureRequest, words: CallableEncoder) -> Iterator[HybridIndex]:
    with HybridIndex.create(encoder=words, **request.param) as made:
        made.add([*INSIDE, *OUTSIDE])
        yield made


@pytest.fixture
def scope(index: HybridIndex) -> ScopedIndex:
    return index.scoped(SCOPE)


def test_a_filter_narrows_and_never_widens(scope: ScopedIndex) -> None:
    def found(where: Any) -> list[str]:
        [hits] = scope.search(["apple"], where=where)
        assert asyncio.run(scope.asearch(["apple"], where=where)) == [hits]
        return sorted(hit.passage.id for hit in hits)

    assert found(None) == ["1", "3"]
    assert found({"year": 2021}) == ["3"]
    assert found({"tenant": "b"}) == []
    assert found({"$or": [{"tenant": "b"}, {"year": 2020}]}) == ["1"]


def test_ranks_are_among_what_is_inside(index: HybridIndex) -> None:
    """Outside, a shorter passage has the word too."""
    assert index.bm25.search(["car"])[0][0].passage.id == "4"
    for statistics in ("index", "scope"):
        scope = index.scoped(SCOPE, statistics=statistics)
        for retriever in (scope.bm25, scope):
            [[hit]] = retriever.search(["car"], k=1)
            first = hit.stage("bm25")
            assert first is not None
            assert (hit.passage.id, first.rank) == ("3", 1)


def test_what_is_outside_is_unknown(scope: ScopedIndex) -> None:
    assert scope.get(["1", "2", "9"]) == [INSIDE[0], None, None]
    assert len(scope) == 2
    assert sorted(passage.id for passage in scope) == ["1", "3"]
    for id_ in ("2", "9"):
        with pytest.raises(InvalidInputError, match=f"^there is no passage '{id_}' in this index$"):
            scope.bm25.score(["apple"], [[id_]])
        with pytest.raises(InvalidInputError, match=f"^no passage has the id '{id_}' here: "):
            explain(scope, "apple", id_)


def test_of_bm25_the_statistics_of_the_index_or_of_the_scope(index: HybridIndex) -> None:
    # Lucene's idf of a word that two of four passages have, and one of two; the three words of each
    # passage inside are its average length, and with those outside 2.5 is: "of a" are no terms.
    for statistics, idf, average in (("index", np.log(2), 2.75), ("scope", np.log(2), 3.0)):
        scope = index.scoped(SCOPE, statistics=statistics)
        [[score]] = scope.bm25.score(["apple"], [["1"]])
        assert score == pytest.approx(idf / (1 + 1.2 * (0.25 + 0.75 * 3 / average)), abs=1e-6)
    scoped = index.scoped(SCOPE, statistics="scope").bm25
    [[rare]] = scoped.score(["door"], [["3"]])  # in one of two, as above
    assert rare == pytest.approx(np.log(2) / 2.2, abs=1e-6)
    [[rare]] = index.scoped(SCOPE).bm25.score(["door"], [["3"]])  # in one of four
    assert rare == pytest.approx(np.log(1 + 3.5 / 1.5) / (1 + 1.2 * (0.25 + 0.75 * 3 / 2.75)))


def test_only_words_inside_correct_a_query(index: HybridIndex, scope: ScopedIndex) -> None:
    assert corrected_query(index.search(["protien"])[0]) == "protein"
    assert corrected_query(scope.search(["protien"])[0]) is None
    assert corrected_query(scope.search(["aplpe"])[0]) == "apple"


def test_a_scope_follows_what_is_written(index: HybridIndex) -> None:
    scopes = [index.scoped(SCOPE, statistics=which) for which in ("index", "scope")]

    def found(query: str) -> list[list[str]]:
        return [[hit.passage.id for hit in scope.bm25.search([query])[0]] for scope in scopes]

    assert found("kiwi") == [[], []]
    index.add([Passage("5", "Kiwi", {"tenant": "a"})])
    assert found("kiwi") == [["5"], ["5"]]
    index.update_metadata(["5"], {"tenant": "b"})
    assert found("kiwi") == [[], []]
    index.update_metadata(["5"], {"tenant": "a"})
    assert found("kiwi") == [["5"], ["5"]]
    index.set_synonyms([["kiwi", "actinidia"]])
    assert found("actinidia") == [["5"], ["5"]]
    index.delete(["5"])
    assert found("kiwi") == [[], []]
    assert [len(scope) for scope in scopes] == [2, 2]


def test_a_scope_follows_the_stages_of_its_index(
    index: HybridIndex, scope: ScopedIndex, words: CallableEncoder
) -> None:
    index.add_stage(Dense(words, name="second"))
    assert list(scope.stages) == ["bm25", "dense", "second"]
    assert {hit.passage.id for hit in scope.stages["second"].search(["pie"])[0]} == {"1", "3"}
    index.remove_stage("second")
    assert list(scope.stages) == ["bm25", "dense"]
    assert {hit.passage.id for hit in scope.search(["pie"])[0]} == {"1", "3"}


def test_a_scope_only_reads_and_says_what_writes(index: HybridIndex, scope: ScopedIndex) -> None:
    assert scope.is_read_only
    calls: list[Callable[[], Any]] = [
        lambda: scope.add([Passage("9", "text")]),
        lambda: scope.delete(where={}),
        lambda: scope.delete(["1"]),
        lambda: scope.update_metadata(["1"], {}),
        lambda: scope.set_synonyms(None),
        lambda: scope.add_stage(BM25(name="second")),
        lambda: scope.replace_stage("bm25", BM25("german")),
        lambda: scope.remove_stage("dense"),
        scope.optimize,
        scope.copy_to,
        scope.reindex,
        scope.snapshot,
        scope.snapshots,
    ]
    for call in calls:
        with pytest.raises(ReadOnlyError, match="only reads: add, delete and change by the index"):
            call()
    assert list(index.stages) == ["bm25", "dense"]
    scope.refresh()
    scope.close()
    assert (len(scope), len(index)) == (2, 4)
    index.close()
    with pytest.raises(ClosedError):
        scope.search(["apple"])


def test_a_warning_names_only_fields_inside(
    scope: ScopedIndex, caplog: pytest.LogCaptureFixture
) -> None:
    for field in ("owner", "nowhere"):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert scope.search(["apple"], where={field: "eve"}) == [[]]
        [message] = caplog.messages
        assert message.endswith(
            f"no passage has the field '{field}', so no condition on it holds. "
            "Known fields: 'tenant', 'year'"
        )


def test_a_warning_of_a_narrower_scope_names_only_fields_inside(
    index: HybridIndex, caplog: pytest.LogCaptureFixture
) -> None:
    said = []
    for field in ("owner", "ownr"):  # the first is a field of passages outside
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert len(index.scoped(SCOPE).scoped({field: "eve"})) == 0
        said.append([message.replace(field, "…") for message in caplog.messages])
    assert said[0] == said[1]
    assert said[0][0].endswith("Known fields: 'tenant', 'year'")
    assert all("owner" not in message for message in said[1])


def test_info_is_of_what_is_inside(scope: ScopedIndex) -> None:
    info = scope.info()
    assert info["passages"] == 2
    assert info["read_only"] is True
    assert "server" not in info


def test_bad_scopes_are_refused(index: HybridIndex, scope: ScopedIndex) -> None:
    with pytest.raises(InvalidInputError, match=r"a scope needs a filter"):
        index.scoped(None)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="statistics must be 'index' or 'scope', not 'own'"):
        index.scoped(SCOPE, statistics="own")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="no operator"):
        scope.scoped({"year": {"$over": 1}})


def test_a_scope_of_a_scope_keeps_its_statistics(index: HybridIndex) -> None:
    narrowed = index.scoped(SCOPE, statistics="scope").scoped({"year": 2020})
    assert (len(narrowed), narrowed.statistics) == (1, "scope")
    assert narrowed.scoped({"year": 2021}, statistics="index").statistics == "index"
    assert len(narrowed.scoped({"tenant": "b"})) == 0


def test_a_scope_is_tuned_measured_and_reranked_like_an_index(index: HybridIndex) -> None:
    scope = index.scoped(SCOPE)
    queries, qrels = {"q": "apple", "r": "car"}, {"q": {"1": 1}, "r": {"3": 1}}
    evaluation = evaluate({"scope": scope}, queries, qrels, ["nDCG@10"])
    assert evaluation.mean("scope", "nDCG@10") == 1.0
    space = Space(fusion=["min-max"], weights=[0.2, 0.8], depth=[10])
    tuned = tune(scope, queries, qrels, space=space, folds=2, progress=False).apply()
    assert {hit.passage.id for hit in tuned.search(["apple pie"])[0]} <= {"1", "3"}
    hits = Pipeline(scope).search(["car"])[0]
    assert {hit.passage.id for hit in hits} == {"1", "3"}


def test_a_scope_survives_a_pickle(tmp_path: Path) -> None:
    from hybridge import SentenceTransformerEncoder

    encoder = SentenceTransformerEncoder()
    with HybridIndex.create(tmp_path / "index", encoder=encoder) as index:
        index.add([*INSIDE, *OUTSIDE])
        scope = index.scoped(SCOPE, statistics="scope")
        again = pickle.loads(pickle.dumps(scope))
        assert (again.scope, again.statistics) == (Eq("tenant", "a"), "scope")
        assert sorted(passage.id for passage in again) == ["1", "3"]


@pytest.mark.parametrize("statistics", ["index", "scope"])
class TestConformance(RetrieverConformance):
    """The rules of every retriever."""

    scores = False

    @pytest.fixture(autouse=True)
    def _give(self, words: CallableEncoder, statistics: Any) -> Iterator[None]:
        self._words, self._statistics = words, statistics
        self._opened: list[HybridIndex] = []
        yield
        for index in self._opened:
            index.close()

    def build(self, passages: list[Passage]) -> ScopedIndex:
        index = HybridIndex.create(encoder=self._words)
        self._opened.append(index)
        outside = [Passage(f"{each.id} outside", each.text) for each in passages]
        index.add([*passages, *outside])
        where: Filter = ~as_filter({"$id": [each.id for each in outside]})  # type: ignore[operator]
        return index.scoped(where, statistics=self._statistics)


class Lengths(Stage):
    """A stage that keeps the lengths of texts beside the store: the longest first."""

    kind = "lengths"
    name = "lengths"
    identity = "lengths"

    def to_config(self) -> Mapping[str, Any]:
        return {}

    @classmethod
    def restored(cls, record: Any, override: Any = None, stages: Sequence[Stage] = ()) -> Lengths:
        return cls()

    def open(self, storage: StageStorage) -> OpenLengths:
        return OpenLengths(storage)


class OpenLengths(OpenStage):
    def __init__(self, storage: StageStorage) -> None:
        super().__init__(storage)
        self.lengths: dict[int, float] = {}

    def upsert(self, passages: Sequence[Passage], prepared: Any) -> None:
        self.lengths |= {self._storage.store.point(p.id): float(len(p.text)) for p in passages}

    def encode(self, queries: Sequence[str]) -> Sequence[str]:
        return queries

    def begin(self, encoded: Sequence[str]) -> _SearchLengths:
        return _SearchLengths(self, len(encoded))

    def passing(self, where: Filter | None) -> Iterator[int]:
        return iter(self.lengths if where is None else self._storage.store.matching(where))


class _SearchLengths:
    def __init__(self, stage: OpenLengths, count: int) -> None:
        self._stage, self._count = stage, count

    def top(self, depth: int, where: Filter | None) -> list[dict[int, float]]:
        lengths = self._stage.lengths
        order = sorted(self._stage.passing(where), key=lambda point: -lengths[point])[:depth]
        return [{point: lengths[point] for point in order} for _ in range(self._count)]

    def exact(self, points: Sequence[Any]) -> list[dict[int, float]]:
        return [{point: self._stage.lengths[point] for point in some} for some in points]


def test_a_stage_of_another_package_finds_what_is_inside(words: CallableEncoder) -> None:
    with HybridIndex.create(stages=[Lengths(), Dense(words)]) as index:
        index.add([*INSIDE, *OUTSIDE])
        scope = index.scoped(SCOPE)
        assert [hit.passage.id for hit in scope.stages["lengths"].search(["any"])[0]] == ["1", "3"]
        [hits] = scope.search(["any"], where={"year": 2021})
        assert [(hit.passage.id, hit.stage("lengths") is not None) for hit in hits] == [("3", True)]
        index.add([Passage("5", "The longest text of all", SCOPE)])
        assert scope.stages["lengths"].search(["any"])[0][0].passage.id == "5"
        assert explain(scope, "any", "3").stages["lengths"].score == 13.0
