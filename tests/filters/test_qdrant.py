"""Memory, Qdrant Edge under every kind of index, and the client agree with one brute force.

The brute force reads the plain dict form and knows nothing of the package but the rules it states.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
import qdrant_edge as edge
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models

from hybridge.filters import (
    Contains,
    Eq,
    Exists,
    Filter,
    Gte,
    IdIn,
    In,
    Lt,
    Ne,
    Not,
    Or,
    Pushed,
    Strictness,
    TextContains,
    TextMatch,
    TextMatchInsensitive,
    as_filter,
    index_fields,
    to_edge,
    to_rest,
)
from hybridge.filters.floats import stand_in
from hybridge.passages import Passage, point_id, point_number

UUID = "00000000-0000-0000-0000-000000000001"
NUMBERS = [0, 1, 2, -1, 1.0, 2.0, 2.5, -0.0, 1577836800, 2**53 - 1, 0.3, -1e-10]
HUGE = [2**53, 2**53 + 1, float(2**53), -(2**53) - 1, 2**63 - 1, float(2**63), -(2**63)]
# Floats that Qdrant moves to a neighbour, and neighbours of short ones.
LONG = [0.1 + 0.2, 2020.0000000000002, 1.9999999999999998, 4000000000000010.0, 2.0**52 + 1]
LONG += [-0.30000000000000004, 1.0000000000000002e-10, 9.999999999999999e-11, 8.700000000000001e-10]
LONG += [5e-324, 3.2875e259, 1e300, -1e-300, 1.7976931348623157e308, -1.7976931348623157e308]
DRAWN = [random.Random(n).random() for n in range(7)]
DRAWN += [1.7e9 + 1e8 * share for share in DRAWN]  # the likes of time.time()
DATES = [
    "2020-01-01",
    "2020-01-01T00:00:00Z",
    "2020-01-01T01:00:00+01:00",
    "2020-01-01T00:00:00.000001",
    "2020-01-01 12:30",
    "1969-07-20T20:17:40-0500",
    "9999-12-31T23:59:59Z",
]
STRINGS = ["", "a", "A", "ab", "aB c", "1", "true", "null", "é", "e\u0301", "ß", "日本", "😀", UUID]
STRINGS += [UUID.replace("-", ""), "2020-13-01", "2020-01-01T00:00Z", "a\x00b", "%_.*"]
SCALARS = [None, True, False, *NUMBERS, *HUGE, *LONG, *DRAWN, *DATES, *STRINGS]
EACH = ["l[].x", "l[]", 'n.l[]."a.b"[].x', '"a b"[][].x', "f[].x", "f.x"]
FIELDS = ["f", "g", "n.x", *EACH, '"a.b"', '"q""x"', '"back\\slash"']
# Of lists, the keys of their elements come after "[]".
PATHS: list[tuple[str | None, ...]] = [("f",), ("g",), ("n", "x"), ("l", None, "x"), ("l", None)]
PATHS += [("n", "l", None, "a.b", None, "x"), ("a b", None, None, "x"), ("f", None, "x")]
PATHS += [("f", "x"), ("a.b",), ('q"x',), ("back\\slash",)]
TEXTS = ["", "text", "Error E-42 in the pump", "e-42", "E 42", "Straße", "a\x00b", "%_.*", "日本"]

# ------------------------------------------------------------------ the brute force


def same(element: Any, operand: Any) -> bool:
    if type(element) in (int, float) and type(operand) in (int, float):
        return Fraction(element) == Fraction(operand)
    return type(element) is type(operand) and element == operand


def when(text: Any) -> datetime | None:
    if not isinstance(text, str) or text[16:] == "Z":  # a zone without seconds
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def ordered(element: Any, bound: Any) -> int | None:
    if isinstance(bound, str):
        moment, limit = when(element), when(bound)
        return None if moment is None or limit is None else (moment > limit) - (moment < limit)
    if type(element) not in (int, float):
        return None
    return (Fraction(element) > Fraction(bound)) - (Fraction(element) < Fraction(bound))


def values(value: Any, path: tuple[str | None, ...]) -> Iterator[Any]:
    """Yield the values at the end of a path, one for every element of the lists on the way."""
    if not path:
        yield value
    elif path[0] is None:
        for item in value if isinstance(value, list) else ():
            yield from values(item, path[1:])
    elif isinstance(value, dict) and path[0] in value:
        yield from values(value[path[0]], path[1:])


def elements(found: list[Any]) -> list[Any]:
    return [one for value in found for one in (value if isinstance(value, list) else [value])]


OPERATORS: dict[str, Callable[[list[Any], Any], bool]] = {
    "$eq": lambda found, x: any(same(e, x) for e in found),
    "$ne": lambda found, x: not any(same(e, x) for e in found),
    "$contains": lambda found, x: any(same(e, x) for e in found),
    "$in": lambda found, xs: any(same(e, x) for e in found for x in xs),
    "$nin": lambda found, xs: not any(same(e, x) for e in found for x in xs),
    "$gt": lambda found, x: any(ordered(e, x) == 1 for e in found),
    "$gte": lambda found, x: any(ordered(e, x) in (0, 1) for e in found),
    "$lt": lambda found, x: any(ordered(e, x) == -1 for e in found),
    "$lte": lambda found, x: any(ordered(e, x) in (0, -1) for e in found),
    "$text_match": lambda found, x: any(isinstance(e, str) and x in e for e in found),
    "$text_match_insensitive": lambda found, x: any(
        isinstance(e, str) and x.casefold() in e.casefold() for e in found
    ),
}


def brute_force(where: dict[str, Any], passage: Passage) -> bool:
    for key, value in where.items():
        if key == "$and":
            holds = all(brute_force(part, passage) for part in value)
        elif key == "$or":
            holds = any(brute_force(part, passage) for part in value)
        elif key == "$not":
            holds = not brute_force(value, passage)
        elif key == "$id":
            holds = passage.id in value
        elif key == "$text":
            holds = all(in_text(symbol, operand, passage) for symbol, operand in value.items())
        else:
            found = list(values(passage.metadata, PATHS[FIELDS.index(key)]))
            holds = True
            for symbol, operand in value.items():
                if symbol == "$exists":
                    # Null itself is empty; a list that holds null is not.
                    there = any(value is not None and value != [] for value in found)
                    holds = holds and operand is there
                else:
                    holds = holds and OPERATORS[symbol](elements(found), operand)
        if not holds:
            return False
    return True


def in_text(symbol: str, operand: Any, passage: Passage) -> bool:
    if symbol == "$not":
        return not all(in_text(inner, one, passage) for inner, one in operand.items())
    if symbol == "$text_match_insensitive":
        return operand.casefold() in passage.text.casefold()
    return (operand in passage.text) is not (symbol == "$not_contains")


# ------------------------------------------------------------------ the passages and the engines


def documents() -> list[Passage]:
    chance = random.Random(7)

    def value() -> Any:
        draw = chance.random()
        if draw < 0.7:
            return chance.choice(SCALARS)
        if draw < 0.9:
            return [value() for _ in range(chance.randrange(4))]
        return {key: value() for key in chance.sample(["x", "f", "y"], chance.randrange(3))}

    def objects(key: str) -> Any:
        some = [{key: value()} if chance.random() < 0.8 else value() for _ in range(3)]
        return some[: chance.randrange(4)] if chance.random() < 0.8 else value()

    def metadata() -> dict[str, Any]:
        made = {key: value() for key in ("f", "g", "a.b", 'q"x', "back\\slash", "text")}
        made["l"] = objects("x")
        made["a b"] = [objects("x"), objects("x")]
        nested = {"x": value(), "l": [{"a.b": objects("x")}, {"a.b": objects("x")}, value()]}
        made["n"] = value() if chance.random() < 0.3 else nested
        return {key: made[key] for key in made if chance.random() < 0.8}

    made = [{"f": scalar} for scalar in SCALARS] + [{"f": [scalar]} for scalar in SCALARS]
    made += [{"f": v} for v in ([], [[]], [None, "a"], {}, {"x": 1}, [{"x": 1}], [["a"]], [[1]])]
    made += [metadata() for _ in range(150)]
    return [Passage(f"passage {n}", chance.choice(TEXTS), one) for n, one in enumerate(made)]


PASSAGES = documents()
# By what stands for an id in Edge and in the client.
IDS = {str(name(p.id)): p.id for p in PASSAGES for name in (point_number, point_id)}


class Edge:
    """A shard that holds the passages, and answers as the docstring of `qdrant` says."""

    def __init__(self, path: str, indexes: dict[str, str]) -> None:
        self.indexes: dict[str, str] = {}
        config = edge.EdgeConfig(
            vectors={"v": edge.EdgeVectorParams(8, edge.Distance.Dot)},
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=1),
        )
        self.shard = edge.EdgeShard.create(path, config)
        points = [edge.Point(point_number(p.id), {"v": [1.0] * 8}, stored(p)) for p in PASSAGES]
        self.shard.update(edge.UpdateOperation.upsert_points(points))
        self.create(indexes)

    def create(self, indexes: dict[str, str]) -> None:
        for path, kind in indexes.items():
            schema = getattr(edge.PayloadSchemaType, kind.capitalize())
            self.shard.update(edge.UpdateOperation.create_field_index(path, schema))
            self.indexes[path] = kind

    def pushed(self, where: Filter) -> Pushed[edge.Filter]:
        return to_edge(where, self.indexes)

    def scroll(self, pushed: Pushed[edge.Filter]) -> set[str]:
        request = edge.ScrollRequest(
            limit=len(PASSAGES), filter=pushed.filter, with_payload=False, with_vector=False
        )
        scrolled = {IDS[str(record.id)] for record in self.shard.scroll(request)[0]}
        search = edge.QueryRequest(
            query=edge.Query.Nearest([1.0] * 8, using="v"),
            filter=pushed.filter,
            limit=len(PASSAGES),
            params=edge.SearchParams(exact=True),
        )
        assert {IDS[str(point.id)] for point in self.shard.query(search)} == scrolled
        return scrolled


class LazyEdge(Edge):
    def pushed(self, where: Filter) -> Pushed[edge.Filter]:
        self.create(index_fields(where, self.indexes))
        assert index_fields(where, self.indexes) == {}
        return super().pushed(where)


class Client:
    def __init__(self) -> None:
        self.client = QdrantClient(":memory:")
        self.client.create_collection(
            "c", vectors_config={"v": models.VectorParams(size=1, distance=models.Distance.DOT)}
        )
        points = [
            models.PointStruct(id=str(point_id(p.id)), vector={"v": [1.0]}, payload=payload(p))
            for p in PASSAGES
        ]
        self.client.upsert("c", points)

    def pushed(self, where: Filter) -> Pushed[dict[str, Any]]:
        return to_rest(where)

    def scroll(self, pushed: Pushed[dict[str, Any]]) -> set[str]:
        chosen = models.Filter.model_validate(pushed.filter)
        records = self.client.scroll(
            "c", limit=len(PASSAGES), scroll_filter=chosen, with_payload=False
        )[0]
        return {IDS[str(record.id)] for record in records}


def payload(passage: Passage) -> dict[str, Any]:
    return {"id": passage.id, "text": passage.text, "metadata": dict(passage.metadata)}


def stored(passage: Passage) -> dict[str, Any]:
    text = json.dumps(payload(passage))
    return dict(json.loads(text, parse_float=lambda digits: stand_in(float(digits))))


KINDS = ["keyword", "float", "datetime", "bool", "text", "uuid"]
SPELLED = ["metadata.f", "metadata.g", "metadata.n.x", 'metadata."a.b"', "metadata.l[].x"]
SPELLED += ['metadata.n.l[]."a.b"[].x', "metadata.l[]"]


@pytest.fixture(scope="module")
def engines(tmp_path_factory) -> Iterator[dict[str, Any]]:
    def path() -> str:
        return str(tmp_path_factory.mktemp("shard"))

    built: dict[str, Any] = {"client": Client(), "edge": Edge(path(), {})}
    built["lazy"] = LazyEdge(path(), {})
    for kind in KINDS:
        built[kind] = Edge(path(), dict.fromkeys(SPELLED, kind))
    for kind in ("keyword", "float", "datetime"):  # an optimized segment has other indexes
        built[f"optimized {kind}"] = Edge(path(), dict.fromkeys(SPELLED, kind))
        assert built[f"optimized {kind}"].shard.optimize()
    yield built
    for name, engine in built.items():
        if name != "client":
            engine.shard.close()
    built["client"].client.close()


def check(where: Filter, expected: set[str], engines: dict[str, Any]) -> dict[str, bool]:
    """Every engine lets through what is expected, and only that where it claims to be exact."""
    exact = {}
    for name, engine in engines.items():
        pushed = engine.pushed(where)
        passing = engine.scroll(pushed)
        if pushed.exact:
            assert passing == expected, name
        else:
            assert passing >= expected, name
            rest = [p.id for p in PASSAGES if p.id in passing and where.matches(p)]
            again = engine.pushed(IdIn(rest))
            assert again.exact
            assert engine.scroll(again) == expected, name
        exact[name] = pushed.exact
    return exact


# ------------------------------------------------------------------ they agree


SCALAR = st.sampled_from(SCALARS)
TEXT = st.sampled_from(["", "a", "B", "b c", "é", "É", "SS", "2020", "0000", "\x00", "%"])
BOUND = st.sampled_from([*NUMBERS, *HUGE, *LONG, *DRAWN, *DATES])
OPERATION = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne", "$contains"]), SCALAR),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(SCALAR, max_size=4)),
    st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), BOUND),
    st.tuples(st.just("$exists"), st.booleans()),
    st.tuples(st.sampled_from(["$text_match", "$text_match_insensitive"]), TEXT),
)
LEAF = st.one_of(
    *[
        st.builds(
            lambda field, operations: {field: dict(operations)},
            st.sampled_from(FIELDS[:4] * 4 + FIELDS),
            st.lists(OPERATION, min_size=1, max_size=2),
        )
    ]
    * 6,
    st.builds(
        lambda wrap, symbol, text: {"$text": {wrap: {symbol: text}} if wrap else {symbol: text}},
        st.sampled_from(["", "$not"]),
        st.sampled_from(["$contains", "$not_contains", "$text_match", "$text_match_insensitive"]),
        st.sampled_from(["E-42", "e-42", "t", "SS", "\x00", "%", "日"]),
    ),
    st.builds(
        lambda ids: {"$id": ids},
        st.lists(st.sampled_from([*[p.id for p in PASSAGES], "unknown", "é"]), max_size=5),
    ),
)
WHERE = st.recursive(
    LEAF,
    lambda part: st.one_of(
        st.builds(lambda parts: {"$and": parts}, st.lists(part, max_size=3)),
        st.builds(lambda parts: {"$or": parts}, st.lists(part, max_size=3)),
        st.builds(lambda inner: {"$not": inner}, part),
        st.builds(lambda one, other: {**one, **other}, part, part),
    ),
    max_leaves=5,
)


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(WHERE)
def test_memory_and_engines_agree_with_brute_force(engines, written):
    where = as_filter(written)
    assert where is not None
    expected = {passage.id for passage in PASSAGES if brute_force(written, passage)}
    assert {passage.id for passage in PASSAGES if where.matches(passage)} == expected
    check(where, expected, engines)


# Stored numbers, and what is next to them: short numbers and neighbours by one bit.
NEAR = [
    bound
    for number in [*NUMBERS, *LONG, *DRAWN]
    for bound in (number, float(f"{number:.15g}"), *(math.nextafter(number, x) for x in (-9, 9)))
    if math.isfinite(bound)
]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["$eq", "$gt", "$gte", "$lt", "$lte"]), st.sampled_from(NEAR), st.booleans())
def test_floats_are_compared_to_the_last_bit(engines, symbol, bound, negated):
    written: dict[str, Any] = {"f": {symbol: bound}}
    if negated:
        written = {"$not": written}
    where = as_filter(written)
    assert where is not None
    check(where, {passage.id for passage in PASSAGES if brute_force(written, passage)}, engines)


@settings(max_examples=50, deadline=None)
@given(WHERE)
def test_round_trip(written):
    where = as_filter(written)
    assert where is not None
    assert as_filter(where.to_dict()) == where
    assert hash(as_filter(where.to_dict())) == hash(where)


# ------------------------------------------------------------------ what is exact, and what is not


@pytest.mark.parametrize(
    "where",
    [
        *[Eq("f", scalar) for scalar in SCALARS if scalar not in HUGE + LONG + DRAWN],
        Ne("f", "a"),
        Contains("f", "a"),
        In("f", ["a", 1, 2.5, True, None, UUID]),
        In("f", []),
        Not(In("f", [])),
        Gte("f", 1),
        Lt("f", "2020-01-01"),
        Gte("f", 0.3),
        Exists("f"),
        ~Exists("f"),
        TextMatch("f", "a"),
        Eq("n.x", "a") | ~(Eq('"a.b"', 2) & Exists("g")),
        IdIn(["passage 3", "unknown"]),
        ~IdIn(["passage 3"]),
        Eq("l[].x", "a"),
        ~Eq("l[].x", None) & Exists("l[].x"),
        ~Exists("l[].x"),
        In('n.l[]."a.b"[].x', ["a", 1, True]) | Gte('"a b"[][].x', 1),
        TextContains("E-42"),
        ~TextContains("E-42") | Eq("text", "a"),
    ],
    ids=lambda where: repr(where.to_dict()),
)
def test_what_is_pushed_down_whole(where, engines):
    expected = {passage.id for passage in PASSAGES if where.matches(passage)}
    exact = check(where, expected, engines)
    assert exact["client"]
    assert exact["edge"]


@pytest.mark.parametrize(
    "where",
    [
        TextMatchInsensitive("f", "A"),
        Not(TextMatchInsensitive("f", "A")),
        *[Eq("f", number) for number in HUGE + LONG],
        In("f", ["a", 2**53]),
        In("f", ["a", 0.1 + 0.2]),
        Not(Gte("f", 2**53 + 1)),
        Not(Lt("f", 0.1 + 0.2)),
        Eq(('q"x',), "a"),
        Not(Exists(("back\\slash",))),
        Or(Eq("f", "a"), TextMatchInsensitive("g", "a")),
        TextContains("e-42", ignore_case=True),
        Eq("l[].x", 2**53),
    ],
    ids=lambda where: repr(where.to_dict()),
)
def test_what_is_not_pushed_down_is_said(where, engines):
    expected = {passage.id for passage in PASSAGES if where.matches(passage)}
    assert not any(check(where, expected, engines).values())


def test_what_can_be_pushed_down_narrows_what_cannot(engines):
    where = Eq("f", "a") & TextMatchInsensitive("g", "A") & ~(Exists("n") | Eq("f", 2**60))
    passing = engines["edge"].scroll(engines["edge"].pushed(where))
    assert passing == {p.id for p in PASSAGES if (Eq("f", "a") & ~Exists("n")).matches(p)}
    assert passing < {p.id for p in PASSAGES}


@pytest.mark.parametrize("number", [2**53 + 1, 0.1 + 0.2])
def test_inexact_numbers_are_narrowed_to_their_neighbours(number, engines):
    passing = engines["edge"].scroll(engines["edge"].pushed(Eq("f", number)))
    assert 0 < len(passing) < len(PASSAGES) / 4


@pytest.mark.parametrize(
    ("index", "where"),
    [
        ("float", Lt("f", "2020-01-01")),
        ("integer", Lt("f", "2020-01-01")),
        ("datetime", Gte("f", 1)),
        ("datetime", Eq("f", 1)),
        ("datetime", In("f", ["a", 1])),
        ("uuid", Eq("f", UUID)),
    ],
)
def test_an_index_of_the_wrong_kind_is_not_asked(index, where):
    indexes = {"metadata.f": index}
    for push in (to_edge, to_rest):
        assert push(where).exact
        assert not push(where, indexes).exact
        assert not push(Not(where), indexes).exact
        assert push(where, {"metadata.g": index}).exact


@pytest.mark.parametrize(
    ("where", "served"),
    [
        (Eq("f", "a"), {"keyword"}),
        (In("f", ["a", "b"]), {"keyword"}),
        (Eq("f", True), {"bool"}),
        (Eq("f", 1), {"float", "integer"}),
        (Gte("f", 1.5), {"float", "integer"}),
        (Lt("f", "2020-01-01"), {"datetime"}),
        (Exists("f"), {"keyword", "float", "integer", "datetime", "bool"}),
        (Eq("f", None), {"keyword", "float", "integer", "datetime", "bool"}),
        (In("f", ["a", 1]), set()),
    ],
)
def test_a_collection_in_strict_mode_is_asked_by_indexes_of_the_type_alone(where, served):
    strict = Strictness(needs_index=True)
    for kind in ("keyword", "float", "integer", "datetime", "bool"):
        pushed = to_rest(where, {"metadata.f": kind}, strictness=strict)
        assert pushed.exact is (kind in served)
        assert pushed.exact is to_rest(Not(where), {"metadata.f": kind}, strictness=strict).exact
        others = to_rest(where & IdIn(["x"]), {"metadata.f": kind}, strictness=strict)
        assert "has_id" in json.dumps(others.filter)  # what can be decided, is
    assert not to_rest(where, {"metadata.g": "keyword"}, strictness=strict).exact


def test_long_conditions_are_parted_in_strict_mode():
    strict = Strictness(condition_size=2)
    words = to_rest(In("f", ["a", "b", "c"]), strictness=strict)
    matches = [{"key": "metadata.f", "match": {"any": some}} for some in (["a", "b"], ["c"])]
    assert words == Pushed({"must": [{"should": matches}]}, exact=True)
    [named] = to_rest(IdIn(["a", "b", "c"]), strictness=strict).filter["must"]
    assert [len(some["has_id"]) for some in named["should"]] == [2, 1]
    one = Strictness(conditions=1)
    assert to_rest(Eq("f", "a"), strictness=one).exact
    assert to_rest(Eq("f", "a") & Eq("g", "a"), strictness=one) == Pushed({}, exact=False)


def test_lazy_indexes_are_those_of_the_shard(tmp_path):
    engine = LazyEdge(str(tmp_path), {})
    where = Exists("f") & Eq('"a.b"', "x") & Gte("été", 1) & Lt("n.x", "2020-01-01")
    engine.pushed(where)
    engine.pushed(Gte("f", 1) | Eq("n.x", 1))
    schema = engine.shard.info().payload_schema
    kinds = {path: str(info.data_type).rpartition(".")[2].lower() for path, info in schema.items()}
    assert kinds == engine.indexes
    assert kinds == {
        "metadata.f": "float",
        'metadata."a.b"': "keyword",
        "metadata.été": "float",
        "metadata.n.x": "datetime",
    }
    engine.shard.close()


def test_a_filter_of_ones_own_is_left_to_memory(engines):
    class EvenId(Filter):
        def matches(self, passage: Passage) -> bool:
            return int(passage.id.split()[1]) % 2 == 0

        def to_dict(self) -> dict[str, Any]:
            return {}

    where = EvenId() & Eq("f", "a")
    expected = {p.id for p in PASSAGES if where.matches(p)}
    assert not any(check(where, expected, engines).values())
