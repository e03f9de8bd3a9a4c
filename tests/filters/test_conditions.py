from __future__ import annotations

import datetime as dt

import pytest

from hybridge.errors import InvalidInputError
from hybridge.filters import (
    Contains,
    Eq,
    Exists,
    In,
    Ne,
    Not,
    NotIn,
    TextContains,
    TextMatch,
    TextMatchInsensitive,
)
from hybridge.passages import Passage


def matches(condition, value):
    return condition.matches(Passage("p1", "text", {"f": value}))


@pytest.mark.parametrize(
    ("operand", "matching", "others"),
    [
        ("a", ["a", ["a", "b"], ["b", None, "a"]], ["A", "ab", ["ab"], [["a"]], {"a": "a"}, None]),
        (1, [1, 1.0, ["x", 1]], ["1", True, [True], 2, None, {}]),
        (0, [0, -0.0], [False, "", None, []]),
        (2.5, [2.5, [2.5]], [2, "2.5"]),
        (2**53 + 1, [2**53 + 1], [2**53, float(2**53)]),
        (True, [True, [False, True]], [1, 1.0, "true", "True"]),
        (False, [False], [0, None, "", []]),
        (None, [None, [None], [1, None]], [[], {}, "", 0, False, [[None]], "null"]),
        ("", [""], [[], None, " "]),
        ("2020-01-01", ["2020-01-01"], ["2020-01-01T00:00:00"]),
        ("é", ["é"], ["e\u0301"]),
    ],
)
def test_equality_in_all_its_spellings(operand, matching, others):
    for value in matching:
        assert matches(Eq("f", operand), value)
        assert matches(In("f", ["other", operand]), value)
        assert not matches(Ne("f", operand), value)
        assert not matches(NotIn("f", ["other", operand]), value)
    for value in others:
        assert not matches(Eq("f", operand), value)
        assert not matches(In("f", ["other", operand]), value)
        assert matches(Ne("f", operand), value)
        assert matches(NotIn("f", ["other", operand]), value)


def test_a_missing_field_meets_no_condition_and_every_negation():
    missing = Passage("p1", "text", {"other": 1})
    for condition in (
        Eq("f", None),
        In("f", [None, 1]),
        Exists("f"),
        TextMatch("f", ""),
        TextMatchInsensitive("f", ""),
    ):
        assert not condition.matches(missing)
        assert Not(condition).matches(missing)


def test_in_nothing_matches_nothing():
    assert not matches(In("f", []), None)
    assert not matches(In("f", []), [])


def test_in_takes_any_collection():
    assert matches(In("f", {"a", "b"}), "b")
    assert matches(In("f", ("a", 1)), 1)


def test_contains_is_equality():
    assert Contains("f", 1) == Eq("f", 1)


def test_nested_fields():
    passage = Passage("p1", "text", {"author": {"name": "Ada"}, "a.b": 1, "list": [{"x": 1}]})
    assert Eq("author.name", "Ada").matches(passage)
    assert Eq(("author", "name"), "Ada").matches(passage)
    assert Eq('"a.b"', 1).matches(passage)
    assert not Eq("a.b", 1).matches(passage)
    assert not Exists("list.x").matches(passage)


@pytest.mark.parametrize("value", ["", 0, False, "x", [None], [[]], {}, {"a": None}])
def test_these_exist(value):
    assert matches(Exists("f"), value)


@pytest.mark.parametrize("value", [None, []])
def test_these_are_empty(value):
    assert not matches(Exists("f"), value)


def test_text_is_found_anywhere_in_a_string():
    assert matches(TextMatch("f", "b c"), "ab cd")
    assert matches(TextMatch("f", "b"), ["a", 1, "abc"])
    assert matches(TextMatch("f", "%.*"), "100%.*")
    assert matches(TextMatch("f", ""), "")
    assert not matches(TextMatch("f", "B"), "abc")
    assert not matches(TextMatch("f", "1"), 1)
    assert not matches(TextMatch("f", "a"), {"a": "a"})


def test_text_is_found_in_any_case():
    assert matches(TextMatchInsensitive("f", "STRASSE"), ["die Straße"])
    assert matches(TextMatchInsensitive("f", "Éa"), "ÉA")
    assert not matches(TextMatchInsensitive("f", "e"), "é")
    assert TextMatchInsensitive("f", "a") != TextMatch("f", "a")


def test_the_passages_own_text_is_no_field():
    passage = Passage("p1", "Error E-42 in the pump", {"text": "nothing"})
    assert TextContains("E-42").matches(passage)
    assert not TextContains("e-42").matches(passage)
    assert TextContains("e-42", ignore_case=True).matches(passage)
    assert not TextContains("nothing").matches(passage)
    assert TextMatch("text", "nothing").matches(passage)
    assert len({TextContains("a"), TextContains("a"), TextContains("a", ignore_case=True)}) == 2


def test_conditions_on_a_list_of_objects_look_for_an_element_each():
    metadata = {"acl": [{"group": "crew", "kind": "r"}, {"group": "staff", "kind": ["w", "x"]}, 3]}
    passage = Passage("p1", "", metadata)
    assert Eq("acl[].group", "crew").matches(passage)
    assert (Eq("acl[].group", "crew") & Eq("acl[].kind", "w")).matches(passage)
    assert Ne("acl[].group", "pilots").matches(passage)
    assert not Ne("acl[].group", "crew").matches(passage)
    assert Eq("acl[]", 3).matches(passage)
    assert not Eq("acl.group", "crew").matches(passage)
    assert not Eq("acl[].group", "crew").matches(Passage("p2", "", {"acl": {"group": "crew"}}))


@pytest.mark.parametrize(
    ("acl", "exists"),
    [
        ([{"g": 0}], True),
        ([{"g": None}, {"g": False}], True),
        ([{"g": []}, {"g": ["a"]}], True),
        ([{"g": None}, {"g": []}, {}, 1], False),
        ([], False),
        ({"g": 1}, False),
    ],
)
def test_a_key_of_objects_exists_where_one_of_them_holds_something(acl, exists):
    assert Exists("acl[].g").matches(Passage("p1", "", {"acl": acl})) is exists


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Eq("", 1), "no field name"),
        (lambda: Eq("f", [1]), "Eq on 'f': .*a list needs In"),
        (lambda: Eq("f", dt.timedelta(1)), "Eq on 'f': .* no value to compare with"),
        (lambda: In("a.b", "abc"), r"In on 'a.b': needs a list"),
        (lambda: In("f", [[1]]), "In on 'f'"),
        (lambda: In("f", [float("nan")]), "not a JSON number"),
        (lambda: TextMatch("f", 1), "TextMatch on 'f': needs a string, not 1"),
        (lambda: TextMatchInsensitive("f", None), "TextMatchInsensitive on 'f'"),
        (lambda: TextContains(""), "TextContains: needs text to look for, not ''"),
        (lambda: TextContains(None), "TextContains: needs text to look for, not None"),
        (lambda: TextContains("\ud800"), "lone surrogate"),
    ],
)
def test_what_cannot_be_compared_is_named(build, message):
    with pytest.raises(InvalidInputError, match=message):
        build()


def test_equality_and_hash_tell_types_apart():
    assert Eq("f", 1) != Eq("f", True)
    assert Eq("f", 1) == Eq("f", 1.0)
    assert In("f", [0]) != In("f", [False])
    assert Eq("f", "a") != TextMatch("f", "a")
    assert Eq("a.b", 1) == Eq(("a", "b"), 1) != Eq('"a.b"', 1)
    assert len({Eq("f", 1), Eq("f", 1.0), Eq("f", True), Eq("f", "1")}) == 3


def test_frozen_and_independent_of_the_callers_list():
    values = ["a"]
    condition = In("f", values)
    values.append("b")
    assert not matches(condition, "b")
    with pytest.raises(AttributeError):
        condition.values = ("b",)
