"""Every operator, condition and nesting of LlamaIndex's filters, against brute force."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

import hybridge
from hybridge import CallableEncoder, HybridIndex
from hybridge.errors import InvalidInputError
from hybridge.filters import And, Eq, Gte
from llama_index.retrievers.hybridge import BM25Retriever, HybridgeRetriever
from llama_index.retrievers.hybridge.filters import where_of
from llama_index.retrievers.hybridge.nodes import passages_of

# Brute force, written from what `where_of` promises


def looked_up(metadata: dict[str, Any], key: str) -> list[Any]:
    """What is under a key as it stands, and under it as a path; [] where nothing is."""
    inner: Any = metadata
    for part in key.split("."):
        inner = inner.get(part, []) if isinstance(inner, dict) else []
    return [metadata.get(key, []), inner]


def alike(one: Any, other: Any) -> bool:
    """Whether two JSON values are one: True is no 1, but 2.0 is 2."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return type(one) not in (list, dict) and one == other


def moment(value: Any) -> datetime | None:
    try:
        read = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def ordered(operator: FilterOperator, element: Any, bound: Any) -> bool:
    if isinstance(bound, str):
        element, bound = moment(element), moment(bound)
        if element is None:
            return False
    elif isinstance(element, bool) or not isinstance(element, int | float):
        return False
    match operator:
        case FilterOperator.GT:
            return bool(element > bound)
        case FilterOperator.GTE:
            return bool(element >= bound)
        case FilterOperator.LT:
            return bool(element < bound)
        case _:
            return bool(element <= bound)


def holds(operator: FilterOperator, found: Any, value: Any) -> bool:
    """Whether an operator that asks for something finds it in what is in a field."""
    elements = found if isinstance(found, list) else [found]
    match operator:
        case FilterOperator.EQ | FilterOperator.CONTAINS:
            return any(alike(each, value) for each in elements)
        case FilterOperator.IN | FilterOperator.ANY:
            return any(alike(each, wanted) for each in elements for wanted in value)
        case FilterOperator.ALL:
            return all(any(alike(each, wanted) for each in elements) for wanted in value)
        case FilterOperator.TEXT_MATCH:
            return any(isinstance(each, str) and value in each for each in elements)
        case FilterOperator.TEXT_MATCH_INSENSITIVE:
            return any(
                isinstance(each, str) and value.casefold() in each.casefold() for each in elements
            )
        case _:
            return any(ordered(operator, each, value) for each in elements)


OPPOSITES = {FilterOperator.NE: FilterOperator.EQ, FilterOperator.NIN: FilterOperator.IN}


def passes(given: MetadataFilter | MetadataFilters, metadata: dict[str, Any]) -> bool:
    if isinstance(given, MetadataFilters):
        answers = [passes(part, metadata) for part in given.filters]
        if not answers:
            return True
        match given.condition:
            case FilterCondition.OR:
                return any(answers)
            case FilterCondition.NOT:
                return not any(answers)
            case _:
                return all(answers)
    fields = looked_up(metadata, given.key)
    if given.operator is FilterOperator.IS_EMPTY:
        return all(found is None or found in ("", []) for found in fields)
    asked = OPPOSITES.get(given.operator, given.operator)
    return any(holds(asked, found, given.value) for found in fields) is (asked is given.operator)


# Random metadata and filters, small enough to meet

KEYS = ["a", "b", "a.b", "b.a.c", "year", "", ".", "naïve key"]
WORDS = ["", "law", "Law", "lawful", "STRASSE", "straße", "1", "True"]
DATES = ["2020-01-01", "2020-01-01T00:00:00+01:00", "2020-06-30T12:00:00", "1999-12-31"]
NUMBERS = [-1, 0, 1, 2, 2.0, 0.5, 0.1 + 0.2, 0.3, 2**53 + 1, -1e300, 1e-30]
SCALARS = st.sampled_from([None, True, False, *WORDS, *DATES, *NUMBERS])
VALUES = SCALARS | st.lists(SCALARS | st.lists(SCALARS, max_size=1), max_size=3)
METADATA = st.dictionaries(
    st.sampled_from(KEYS),
    VALUES
    | st.dictionaries(
        st.sampled_from(["a", "b", "c"]),
        VALUES | st.dictionaries(st.just("c"), VALUES, max_size=1),
        max_size=2,
    ),
    max_size=4,
)
COMPARED = [FilterOperator.GT, FilterOperator.GTE, FilterOperator.LT, FilterOperator.LTE]
LISTED = [FilterOperator.IN, FilterOperator.NIN, FilterOperator.ANY, FilterOperator.ALL]


def values(operator: FilterOperator) -> st.SearchStrategy[Any]:
    """Values that an operator can take."""
    if operator in COMPARED:
        return st.sampled_from([*NUMBERS, *DATES])
    if operator in LISTED:
        kinds = [WORDS + DATES, [n for n in NUMBERS if isinstance(n, int)]]
        kinds.append([n for n in NUMBERS if isinstance(n, float)])
        return st.one_of(*(st.lists(st.sampled_from(kind), max_size=3) for kind in kinds))
    if operator in (FilterOperator.TEXT_MATCH, FilterOperator.TEXT_MATCH_INSENSITIVE):
        return st.sampled_from([*WORDS, "a", "SS", "2020"])
    return st.sampled_from([None, *WORDS, *DATES, *NUMBERS])


SINGLE = st.sampled_from(FilterOperator).flatmap(
    lambda operator: st.builds(
        MetadataFilter,
        key=st.sampled_from(KEYS),
        operator=st.just(operator),
        value=values(operator),
    )
)
FILTERS = st.recursive(
    SINGLE,
    lambda inner: st.builds(
        MetadataFilters,
        filters=st.lists(inner, max_size=3),
        condition=st.none() | st.sampled_from(FilterCondition),
    ),
    max_leaves=6,
)


def node(at: int, metadata: dict[str, Any]) -> TextNode:
    return TextNode(
        id_=f"{at:02}",
        text="a word",
        metadata=metadata,
        excluded_embed_metadata_keys=list(metadata),
    )


@pytest.fixture(scope="module", params=["edge", "memory"])
def emptied(request: pytest.FixtureRequest) -> Iterator[HybridIndex]:
    """One index for all examples, so that payload indexes of earlier filters are in the way."""
    encoder = CallableEncoder(
        lambda texts: np.ones((len(texts), 2)), dimension=2, identity="all alike"
    )
    url = ":memory:" if request.param == "memory" else None
    with HybridIndex.create(url=url, encoder=encoder) as made:
        yield made


@settings(max_examples=150, deadline=None)
@given(st.lists(METADATA, min_size=1, max_size=8), FILTERS)
def test_filters_pass_what_brute_force_passes(
    emptied: HybridIndex, metadata: list[dict[str, Any]], filters: Any
) -> None:
    nodes = [node(at, each) for at, each in enumerate(metadata)]
    expected = {each.node_id for each in nodes if passes(filters, each.metadata)}
    passages = passages_of(nodes)
    where = where_of(filters)
    assert where is not None
    assert {each.id for each in passages if where.matches(each)} == expected
    emptied.delete(where={})
    emptied.add(passages)
    for searched in (emptied, emptied.dense, emptied.bm25, hybridge.BM25Retriever(passages)):
        retriever = HybridgeRetriever(searched, similarity_top_k=20, filters=filters)
        found = retriever.retrieve("word")
        assert {each.node.node_id for each in found} == expected


SINGLES = [None, True, False, *WORDS, *DATES, *NUMBERS]
PAIRS = [list(pair) for pair in combinations(SINGLES, 2)]
FIELDS: list[Any] = [*SINGLES, *PAIRS, [], [""], ["", "law", 1], [["law"]], {"b": "law"}]
# All there is to meet, which chance alone would take long to bring together.
MEETING: list[dict[str, Any]] = [
    {},
    *({"a": field} for field in FIELDS),
    *({"a": {"b": field}, "a.b": other} for field in SINGLES for other in ("law", 1, [])),
]


def taken(operator: FilterOperator) -> list[Any]:
    """Values that an operator can take, each of which some field has."""
    if operator in COMPARED:
        return [*NUMBERS, *DATES]
    if operator in LISTED:
        return [[], ["law"], ["law", "Law"], ["1", ""], [1], [1, 2, 0], [2.0, 0.5]]
    if operator in (FilterOperator.TEXT_MATCH, FilterOperator.TEXT_MATCH_INSENSITIVE):
        return [*WORDS, "a", "SS", "2020"]
    return [None, *WORDS, *DATES, *NUMBERS]


@pytest.mark.parametrize("operator", FilterOperator)
def test_each_operator_on_each_kind_of_field_is_brute_force_s(operator: FilterOperator) -> None:
    passages = passages_of([node(at, each) for at, each in enumerate(MEETING)])
    for key in ("a", "a.b"):
        for value in taken(operator):
            filters = MetadataFilter(key=key, operator=operator, value=value)
            where = where_of(MetadataFilters(filters=[filters]))
            assert where is not None
            found = [where.matches(each) for each in passages]
            assert found == [passes(filters, each) for each in MEETING], (key, value)


def test_engines_find_in_each_kind_of_field_what_brute_force_does(emptied: HybridIndex) -> None:
    emptied.delete(where={})
    emptied.add(passages_of([node(at, each) for at, each in enumerate(MEETING)]))

    @settings(max_examples=80, deadline=None)
    @given(FILTERS, st.sampled_from([emptied, emptied.bm25, emptied.dense]))
    def check(filters: Any, searched: Any) -> None:
        [hits] = searched.search(["word"], len(MEETING), where=where_of(filters))
        expected = {f"{at:02}" for at, each in enumerate(MEETING) if passes(filters, each)}
        assert {hit.passage.id for hit in hits} == expected

    check()


@pytest.mark.parametrize("operator", FilterOperator)
def test_every_operator_tells_nodes_apart(operator: FilterOperator) -> None:
    """Lest the test above compare what is alike anyway."""
    value: Any = "law"
    if operator in COMPARED:
        value = 1
    elif operator in LISTED:
        value = ["law", "art"]
    metadata = [{"a": each} for each in (["law", "art"], 0, 1, 2, "art", "lawful", "", None)]
    nodes = [node(at, each) for at, each in enumerate([*metadata, {}])]
    filters = MetadataFilters(filters=[MetadataFilter(key="a", value=value, operator=operator)])
    bm25 = BM25Retriever.from_nodes(nodes, filters=filters, similarity_top_k=20)
    found = [each.node.node_id for each in bm25.retrieve("word")]
    assert found == [each.node_id for each in nodes if passes(filters, each.metadata)]
    assert 0 < len(found) < len(nodes)


def one(key: str, operator: FilterOperator, value: Any) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([FilterOperator.EQ, FilterOperator.NE, FilterOperator.IS_EMPTY]), max_size=3
    ),
    st.sampled_from(FilterCondition),
    st.dictionaries(st.sampled_from("ab"), st.sampled_from(["law", "art", "", 1]), max_size=2),
)
def test_llamaindex_itself_agrees_where_it_has_an_answer(
    operators: list[FilterOperator], condition: FilterCondition, metadata: dict[str, Any]
) -> None:
    filters = MetadataFilters(
        filters=[MetadataFilter(key="a", value="law", operator=each) for each in operators],
        condition=condition,
    )
    theirs = build_metadata_filter_fn(lambda _: metadata, filters)("any")
    [passage] = passages_of([node(0, metadata)])
    where = where_of(filters)
    assert where is not None
    assert where.matches(passage) is theirs


def test_a_key_may_look_into_a_list_of_objects() -> None:
    nodes = [
        node(0, {"acl": [{"group": "crew", "kind": "r"}, {"group": "staff", "kind": ""}]}),
        node(1, {"acl": [{"group": "pilots", "kind": ""}]}),
        node(2, {"acl": {"group": "crew"}}),
    ]
    passages = passages_of(nodes)
    for operator, value, expected in (
        (FilterOperator.EQ, "crew", [0]),
        (FilterOperator.NE, "crew", [1, 2]),
        (FilterOperator.ANY, ["pilots", "staff"], [0, 1]),
        (FilterOperator.ALL, ["crew", "staff"], [0]),
        (FilterOperator.TEXT_MATCH, "ilot", [1]),
    ):
        where = where_of(one("acl[].group", operator, value))
        assert where is not None
        assert [at for at, each in enumerate(passages) if where.matches(each)] == expected
    empty = where_of(one("acl[].kind", FilterOperator.IS_EMPTY, None))
    assert empty is not None
    assert [empty.matches(each) for each in passages] == [False, True, True]


# What else is a filter


def test_a_filter_may_be_written_in_each_way() -> None:
    recent = MetadataFilter(key="year", value=2020, operator=FilterOperator.GTE)
    assert where_of(MetadataFilters(filters=[recent])) == And(Gte("year", 2020))
    assert where_of(recent) == And(Gte("year", 2020))  # type: ignore[arg-type]
    assert where_of({"year": {"$gte": 2020}}) == Gte("year", 2020)
    assert where_of(Eq("topic", "law")) == Eq("topic", "law")
    assert where_of(None) is None


def test_operators_and_conditions_may_be_assigned_as_strings() -> None:
    """Pydantic makes enums of them only where a filter is made."""
    filters = MetadataFilters(
        filters=[MetadataFilter(key=key, value=1) for key in "ab"], condition=FilterCondition.AND
    )
    filters.filters[0].operator = ">="  # type: ignore[union-attr, assignment]
    filters.condition = "or"  # type: ignore[assignment]
    where = where_of(filters)
    assert where is not None
    [higher, neither] = passages_of([node(0, {"a": 2}), node(1, {"a": 0})])
    assert where.matches(higher)
    assert not where.matches(neither)
    filters.filters[0].value = "x"  # type: ignore[union-attr]
    with pytest.raises(InvalidInputError, match="'>=' on 'a'"):
        where_of(filters)


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        (FilterOperator.EQ, ["law"]),
        (FilterOperator.NE, [1]),
        (FilterOperator.CONTAINS, ["law"]),
        (FilterOperator.EQ, float("nan")),
        (FilterOperator.GT, float("inf")),
        (FilterOperator.GT, "later"),
        (FilterOperator.LTE, None),
        (FilterOperator.GTE, [1]),
        (FilterOperator.LT, ""),
        (FilterOperator.IN, "law"),
        (FilterOperator.NIN, 3),
        (FilterOperator.ANY, None),
        (FilterOperator.ALL, "law"),
        (FilterOperator.TEXT_MATCH, 3),
        (FilterOperator.TEXT_MATCH, None),
        (FilterOperator.TEXT_MATCH_INSENSITIVE, ["law"]),
        (FilterOperator.EQ, 2**63),
        (FilterOperator.TEXT_MATCH, "\ud800"),
    ],
    ids=str,
)
def test_a_value_that_an_operator_cannot_take_is_an_error_that_names_both(
    operator: FilterOperator, value: Any
) -> None:
    filters = one("a.key", operator, value)
    with pytest.raises(InvalidInputError, match=rf"'{operator.value}' on 'a\.key'") as caught:
        where_of(MetadataFilters(filters=[filters], condition=FilterCondition.NOT))
    assert isinstance(caught.value, ValueError)


def test_operators_and_conditions_that_there_are_not_are_named() -> None:
    filters = one("topic", FilterOperator.EQ, "law")
    filters.filters[0].operator = "nearly"  # type: ignore[union-attr, assignment]
    with pytest.raises(InvalidInputError, match=r"'nearly' on 'topic'.*text_match_insensitive"):
        where_of(filters)
    filters = one("topic", FilterOperator.EQ, "law")
    filters.condition = "xor"  # type: ignore[assignment]
    with pytest.raises(InvalidInputError, match=r"'xor' is no condition.*\['and', 'or', 'not'\]"):
        where_of(filters)
    with pytest.raises(InvalidInputError, match="function"):
        where_of(lambda node: True)  # type: ignore[arg-type]


def test_every_operator_that_llamaindex_has_is_known() -> None:
    """A new version's new operator is an error until somebody says what it means."""
    for operator in FilterOperator:
        value: Any = ["1"] if operator in LISTED else "2020-01-01"
        assert where_of(one("x", operator, value)) is not None


def test_is_empty_says_that_it_has_no_spelling() -> None:
    where = where_of(one("x", FilterOperator.IS_EMPTY, None))
    assert where is not None
    with pytest.raises(InvalidInputError, match="is_empty"):
        where.to_dict()


def test_nodes_that_do_not_pass_do_not_come_with_score_0() -> None:
    """As LlamaIndex's own BM25Retriever has it: 83 of 100."""
    nodes = [node(at, {"even": at % 2}) for at in range(20)]
    bm25 = BM25Retriever.from_nodes(
        nodes, similarity_top_k=20, filters=one("even", FilterOperator.EQ, 0)
    )
    found = bm25.retrieve("word")
    assert len(found) == 10
    assert all(each.node.metadata["even"] == 0 and (each.score or 0) > 0 for each in found)


def test_the_document_of_a_node_is_filtered_by_the_key_that_llamaindex_gives_it() -> None:
    node_ = TextNode(id_="x", text="a word", metadata={"doc_id": "of one's own"})
    bm25 = BM25Retriever.from_nodes([node_])
    assert bm25.with_options(filters=one("doc_id", FilterOperator.EQ, "None")).retrieve("word")
    assert not bm25.with_options(filters=one("doc_id", FilterOperator.EQ, "x")).retrieve("word")
