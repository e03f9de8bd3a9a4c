"""Documents become passages and hits documents, and nobody's metadata is touched on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document

from hybridge import Hit, Passage, StageScore
from hybridge.errors import InvalidInputError
from langchain_hybridge.base import document_of
from langchain_hybridge.documents import (
    SCORE,
    TRACE,
    check_documents,
    documents_of_texts,
    passages_of,
    reranked_document,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
METADATA = st.dictionaries(st.text(max_size=3), JSON, max_size=4)


def containers(value: Any) -> Iterator[int]:
    """The identities of all dicts and lists in a value."""
    if isinstance(value, dict | list):
        yield id(value)
        for item in value.values() if isinstance(value, dict) else value:
            yield from containers(item)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Document("alone"), "not one Document"),
        (None, "not one NoneType"),
        (3, "not one int"),
        (["text"], "not of str"),
        ("text", "not of str"),
        ([Document("fine"), {"page_content": "no"}], "not of dict"),
    ],
)
def test_what_is_no_list_of_documents_is_refused_by_name(value: Any, named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        check_documents(value)


@given(
    st.lists(
        st.tuples(st.none() | st.text("ab", min_size=1), st.none() | st.text("cd", min_size=1)),
        max_size=6,
        unique_by=(lambda pair: pair[0] or object(), lambda pair: pair[1] or object()),
    )
)
def test_ids_that_are_given_go_before_the_documents_own(pairs: list[tuple[Any, Any]]) -> None:
    documents = [Document("text", id=own) for own, _ in pairs]
    passages = passages_of(documents, [id_ for _, id_ in pairs])
    for (own, id_), passage in zip(pairs, passages, strict=True):
        if (expected := id_ or own) is not None:
            assert passage.id == expected
        else:
            assert passage.id


def test_ids_that_are_made_up_sort_in_the_order_of_the_documents() -> None:
    made = [passage.id for some in range(3) for passage in passages_of([Document("x")] * 400)]
    assert made == sorted(set(made))


@pytest.mark.parametrize("bad", ["", True, 1.5, b"id", ["id"]])
def test_an_id_that_is_none_is_not_replaced_by_another(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="id must be a non-empty string"):
        passages_of([Document("text", id="own")], [bad])


@pytest.mark.parametrize(
    ("ids", "named"),
    [(["a"], "1 ids for 2"), (["a", "b", "c"], "3 ids for 2"), ([], "0 ids"), ("ab", "one string")],
)
def test_there_is_one_id_a_document(ids: Any, named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        passages_of([Document("x"), Document("y")], ids)


def test_no_id_comes_twice() -> None:
    with pytest.raises(InvalidInputError, match="'a' comes twice"):
        passages_of([Document("x", id="a"), Document("y")], [None, "a"])


def test_ids_and_documents_may_be_any_iterable() -> None:
    passages = passages_of(map(Document, "xy"), iter(["a", "b"]))
    assert passages == [Passage("a", "x"), Passage("b", "y")]


@pytest.mark.parametrize(
    ("value", "kind"),
    [(b"x", "bytes"), (timedelta(1), "timedelta"), ({1: 2}, "the key 1"), (float("nan"), "nan")],
)
def test_metadata_that_json_cannot_hold_is_named(value: Any, kind: str) -> None:
    document = Document("text", id="a", metadata={"fine": 1, "when": [value]})
    with pytest.raises(InvalidInputError, match=rf"'a'.*'when'.*{kind}"):
        passages_of([document])


@given(METADATA)
def test_passages_do_not_share_metadata_with_documents(metadata: dict[str, Any]) -> None:
    document = Document("text", id="a", metadata=metadata)
    [passage] = passages_of([document])
    assert passage.metadata == metadata
    assert not set(containers(passage.metadata)) & set(containers(document.metadata))


def test_texts_become_documents() -> None:
    assert documents_of_texts(iter("xy"), [{"n": 1}, None], iter(["a", None])) == [  # type: ignore[list-item]
        Document("x", metadata={"n": 1}, id="a"),
        Document("y"),
    ]
    assert documents_of_texts([]) == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("xy",), "list of strings"),
        ((["x", 3],), "list of strings"),
        ((["x", "y"], [{}]), "1 metadatas for 2 texts"),
        ((["x", "y"], None, ["a"]), "1 ids for 2 texts"),
        ((["x", "y"], None, "ab"), "ids must be a list"),
        ((["x", "y"], [{}, {}, {}]), "3 metadatas for 2 texts"),
    ],
)
def test_texts_need_one_of_each(arguments: tuple[Any, ...], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        documents_of_texts(*arguments)


@given(METADATA)
def test_a_hit_s_document_is_its_own(metadata: dict[str, Any]) -> None:
    hit = Hit(Passage("a", "text", metadata), 1.5, (StageScore("bm25", 1, 1.5),))
    document = document_of(hit)
    assert document == Document("text", metadata=metadata, id="a")
    assert not set(containers(document.metadata)) & set(containers(hit.passage.metadata))


def test_scores_and_traces_are_json_under_one_key_each() -> None:
    trace = (StageScore("bm25", 2, 1.5), StageScore("fusion", 1, 0.25))
    document = document_of(Hit(Passage("a", "x", {"n": 1}), 0.25, trace), scores=True, trace=True)
    assert json.loads(json.dumps(document.metadata)) == {
        "n": 1,
        "relevance_score": 0.25,
        "hybridge": {
            "bm25": {"rank": 2, "score": 1.5},
            "fusion": {"rank": 1, "score": 0.25},
        },
    }
    assert (SCORE, TRACE) == ("relevance_score", "hybridge")


def test_a_reranked_document_is_a_copy() -> None:
    lock = Lock()  # which cannot be copied
    earlier = {"bm25": {"rank": 1, "score": 9.0}}
    metadata = {"when": datetime(2020, 1, 1), "lock": lock, "by": [{"name": "Ada"}], TRACE: earlier}
    document = Document("text", id="a", metadata=dict(metadata))
    hit = Hit(Passage("0", "text"), 0.5, (StageScore("judge", 3, 0.5),))
    copy = reranked_document(document, hit, scores=True, trace=True)
    assert document.metadata == metadata
    assert copy.metadata == {
        **metadata,
        "relevance_score": 0.5,
        TRACE: {**earlier, "judge": {"rank": 3, "score": 0.5}},
    }
    assert (copy.id, copy.page_content) == ("a", "text")
    assert not set(containers(copy.metadata)) & set(containers(document.metadata))


def test_a_reranked_document_keeps_its_class_and_needs_no_score() -> None:
    class Page(Document):
        number: int

    page = Page(page_content="text", number=3, metadata={TRACE: "somebody else's"})
    hit = Hit(Passage("0", "text"), 0.5, (StageScore("judge", 1, 0.5),))
    plain = reranked_document(page, hit, scores=False, trace=False)
    assert plain == page
    assert plain is not page
    assert reranked_document(page, hit, scores=False, trace=True).metadata == {
        TRACE: {"judge": {"rank": 1, "score": 0.5}}
    }


def test_a_hit_s_document_is_what_the_constructor_makes() -> None:
    hit = Hit(Passage("a", "text", {"years": [2020]}), 0.5, (StageScore("bm25", 1, 0.5),))
    made = document_of(hit)
    expected = Document(id="a", page_content="text", metadata={"years": [2020]})
    assert made == expected
    assert made.model_dump() == expected.model_dump()
    assert made.model_fields_set == expected.model_fields_set
    assert (repr(made), made.type) == (repr(expected), expected.type)
