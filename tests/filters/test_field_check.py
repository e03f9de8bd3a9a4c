"""A filter that no passage can match is warned of once, with a hint."""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.filters import Eq, FieldCheck, Filter, as_filter, some_of
from hybridge.filters.fields import lookup
from hybridge.lexical import BM25Retriever

PASSAGES = [
    Passage(
        f"p{number}",
        "a text",
        {
            "year": 2000 + number,
            "topic": "law",
            "published": "2020-01-01",
            "author": {"name": "Ada", "born": None},
            "acl": [{"group": "crew", "kinds": ["r"]}, {"group": "staff"}],
            "tags": [],
            '"odd" key': True,
            "_hidden": 1,
        },
    )
    for number in range(300)
]
PASSAGES[299] = Passage("p299", "a text", {"rare": 1})

Look = Callable[..., list[str]]


@pytest.fixture
def look(caplog: pytest.LogCaptureFixture) -> Look:
    """Return a function that checks a filter and returns the warnings."""
    check = FieldCheck("the index")
    some = some_of(PASSAGES)

    def warnings(where: Any) -> list[str]:
        caplog.clear()
        chosen = as_filter(where)
        assert chosen is not None
        with caplog.at_level(logging.WARNING, "hybridge.filters"):
            check.look(chosen, some)
        return [record.getMessage() for record in caplog.records]

    return warnings


@pytest.mark.parametrize(
    "where",
    [
        {"year": {"$gte": 2010.5}},
        {"topic": {"$in": ["law", 1]}},
        {"topic": {"$text_match": "a"}},
        {"published": {"$lt": "2021-01-01"}},
        {"published": "2020-01-01"},
        {"author.name": "Bob"},
        {"author": {"$exists": True}},
        {"author.born": 5},
        {"acl[].group": "pilots"},
        {"acl[].kinds": "w"},
        {"acl[].kinds[]": "w"},
        {"acl": {"$exists": False}},
        {"tags": "a"},
        {'"""odd"" key"': False},
        {"rare": 2},
        {"topic": ""},
        {"year": None},
        {"$id": ["nowhere"]},
        {"$text": {"$contains": "nothing"}},
        {},
    ],
)
def test_a_filter_that_can_match_is_no_warning(look: Look, where: dict[str, Any]) -> None:
    assert look(where) == []
    assert look({"$not": where}) == []


@pytest.mark.parametrize(
    ("where", "field", "hint"),
    [
        ({"yaer": 2010}, "'yaer'", "did you mean 'year'?"),
        ({"acl.group": "crew"}, "'acl.group'", "did you mean 'acl[].group'?"),
        ({"author[].name": "Ada"}, "'author[].name'", "did you mean 'author.name'?"),
        ({"metadata.topic": "law"}, "'metadata.topic'", "did you mean 'topic'?"),
        ({"name": "Ada"}, "'name'", "did you mean 'author.name'?"),
        ({'"author.name"': "Ada"}, "'\"author.name\"'", "did you mean 'author.name'?"),
        ({"acl[].gruop": "crew"}, "'acl[].gruop'", "did you mean 'acl[].group'?"),
        ({"page_content": {"$text_match": "a"}}, "'page_content'", None),
        ({"$not": {"$or": [{"xyz": 1}, {"year": 1}]}}, "'xyz'", None),
    ],
)
def test_a_field_that_no_passage_has_is_warned_of_once(
    look: Look, where: dict[str, Any], field: str, hint: str | None
) -> None:
    [message] = look(where)
    assert message.startswith(f"the index: no passage has the field {field}, so no condition")
    assert ("did you mean" in message) is (hint is not None)
    assert hint is None or hint in message
    assert "Known fields: 'year', 'topic', 'published', 'author', 'author.name'" in message
    assert "_hidden" not in message
    assert look(where) == []
    assert look({"$and": [where, {"topic": "law"}]}) == []
    [(name, _)] = where.items()
    assert name.startswith("$") or look({name: {"$gte": "2020-01-01"}}) == []


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"year": "2010"}, "'year' holds numbers like 2000, and is compared with a string"),
        ({"year": {"$gte": "2010-01-01"}}, "numbers like 2000, and is compared with a date"),
        ({"year": {"$text_match": "20"}}, "numbers like 2000, and is compared with a string"),
        ({"year": True}, "numbers like 2000, and is compared with a boolean"),
        ({"topic": 5}, "'topic' holds strings like 'law', and is compared with a number"),
        ({"topic": {"$gte": "2010-01-01"}}, "strings like 'law', and is compared with a date"),
        ({"published": {"$lt": 2020}}, "and is compared with a number"),
        ({"topic": {"$in": [1, True]}}, "is compared with a boolean or a number"),
        ({"acl[].group": 3}, "'acl[].group' holds strings like 'crew'"),
        ({"author": "Ada"}, "'author' holds objects like {'name': 'Ada'"),
    ],
)
def test_a_kind_that_no_value_is_of_is_warned_of_once(
    look: Look, where: dict[str, Any], message: str
) -> None:
    [warning] = look(where)
    assert message in warning
    assert look(where) == []


def test_an_empty_collection_is_looked_at_again_when_it_has_passages(
    caplog: pytest.LogCaptureFixture,
) -> None:
    check, where = FieldCheck("the index"), as_filter({"year": 2010})
    assert where is not None
    check.look(where, some_of([]))
    assert not caplog.records
    check.look(where, some_of([Passage("p1", "text")]))
    assert "no passage has the field 'year'" in caplog.text
    assert "Known fields: none" in caplog.text


def test_invented_fields_are_warned_of_up_to_a_limit(look: Look) -> None:
    count = sum(len(look({f"invented {number}": 1})) for number in range(2_000))
    assert 100 < count <= 1_000


def test_fields_looked_at_before_cost_no_reading() -> None:
    reads: list[int] = []

    def some(limit: int, where: Filter | None) -> Iterator[Passage]:
        reads.append(limit)
        return iter(PASSAGES[:limit] if where is None else [])

    check = FieldCheck("the index")
    for _ in range(3):
        for where in ({"year": 1}, {"topic": "x"}, {"nowhere": 1}):
            chosen = as_filter(where)
            assert chosen is not None
            check.look(chosen, some)
    assert reads == [100, 1]


def test_bm25_in_memory_warns_in_search_and_delete(
    caplog: pytest.LogCaptureFixture,
) -> None:
    retriever = BM25Retriever(PASSAGES)
    assert retriever.search(["text"], where={"acl.group": "pilots"}) == [[]]
    assert retriever.search(["text"], where={"acl.group": "pilots"}) == [[]]
    assert retriever.delete(where={"yaer": 1}) == 0
    first, second = [record.getMessage() for record in caplog.records]
    assert "did you mean 'acl[].group'?" in first
    assert "did you mean 'year'?" in second


KEYS = st.sampled_from(["a", "b", "a.b", "c"])
VALUES = st.recursive(
    st.sampled_from([None, True, 1, "x", "2020-01-01"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=5,
)
PATHS = st.builds(
    lambda first, rest: (first, *rest), KEYS, st.lists(KEYS | st.just(...), max_size=3)
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=3), max_size=3), PATHS)
def test_a_field_is_warned_of_if_and_only_if_no_passage_has_it(
    metadata: list[dict[str, Any]], path: Any
) -> None:
    passages = [Passage(str(number), "text", one) for number, one in enumerate(metadata)]
    handler = logging.handlers.BufferingHandler(1_000)
    logger = logging.getLogger("hybridge.filters.field_check")
    logger.addHandler(handler)
    try:
        FieldCheck("the index").look(Eq(path, "x"), some_of(passages))
    finally:
        logger.removeHandler(handler)
    absent = [
        one.getMessage() for one in handler.buffer if "no passage has the" in one.getMessage()
    ]
    expected = bool(passages) and not any(lookup(one.metadata, path) for one in passages)
    assert len(absent) == expected


@pytest.mark.parametrize("engine", ["folder", "client"])
def test_an_index_warns_of_each_field_once(
    tmp_path: Any, caplog: pytest.LogCaptureFixture, engine: str
) -> None:
    ones = CallableEncoder(lambda texts: [[1.0] for _ in texts], identity="ones")
    where: dict[str, Any] = (
        {"path": tmp_path / "index"} if engine == "folder" else {"url": ":memory:"}
    )
    with HybridIndex.create(**where, encoder=ones) as index:
        index.add(PASSAGES[:3])
        for _ in range(2):
            for found in (index, index.bm25, index.dense):
                assert found.search(["text"], where={"acl.group": "crew"}) == [[]]
        assert index.delete(where={"yaer": 2000}) == 0
        assert len(index.search(["text"], where={"acl[].group": "staff"})[0]) == 3
        absent, misspelt = [record.getMessage() for record in caplog.records]
        assert "no passage has the field 'acl.group'" in absent
        assert "did you mean 'acl[].group'?" in absent
        assert "did you mean 'year'?" in misspelt
        # A passage may bring the field later, and is found then.
        index.add([Passage("p9", "a text", {"yaer": 1})])
        assert [hit.passage.id for hit in index.search(["text"], where={"yaer": 1})[0]] == ["p9"]
