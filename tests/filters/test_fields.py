from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.errors import InvalidInputError
from hybridge.filters.fields import lookup, parse_field, spell_field


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("year", ("year",)),
        ("author.name", ("author", "name")),
        ('"a.b"', ("a.b",)),
        ('"a.b".c', ("a.b", "c")),
        ('c."a.b"', ("c", "a.b")),
        ('""', ("",)),
        ('a.""', ("a", "")),
        ('"say ""hi"""', ('say "hi"',)),
        ('5" disk', ('5" disk',)),
        ("authors[].name", ("authors", ..., "name")),
        ('"a.b"[].c[][]', ("a.b", ..., "c", ..., ...)),
        ('"authors[]".name', ("authors[]", "name")),
        (("authors[]", "name"), ("authors[]", "name")),
        (("authors", ..., "name"), ("authors", ..., "name")),
        ("a[0]", ("a[0]",)),
        ("a]", ("a]",)),
        ("with space", ("with space",)),
        ("$price", ("$price",)),
        (("a.b",), ("a.b",)),
        (("", '"'), ("", '"')),
    ],
)
def test_names_are_paths(field, path):
    assert parse_field(field) == path
    assert parse_field(spell_field(path)) == path


@pytest.mark.parametrize(
    "field",
    [
        *["", ".", "a.", ".a", "a..b", '"a', '"a"b', "[]", "a.[]", "[].a", '"a"[]b', "\udc80"],
        *[(), ("a", 1), 3, None, ["a"], (...,), (..., "a")],
    ],
)
def test_no_field_name(field):
    with pytest.raises(InvalidInputError, match=r"no field name|surrogate"):
        parse_field(field)


KEY = st.text(st.sampled_from('ab."$ é\\[]'))


@given(KEY, st.lists(KEY | st.just(...)))
def test_every_path_can_be_spelled(first, others):
    path = (first, *others)
    assert parse_field(spell_field(path)) == path


def test_a_spelling_never_looks_like_an_operator():
    assert spell_field(("$or",)) == '"$or"'


def test_lookup_descends_into_objects_and_where_asked_into_lists():
    metadata = {"a": {"b": {"c": 1}}, "list": [{"b": 1}, 2, {"b": [3]}, [{"b": 4}]], "none": None}
    metadata |= {"a.b": 2, "text": "xy"}
    assert lookup(metadata, ("a", "b", "c")) == [1]
    assert lookup(metadata, ("a", "b")) == [{"c": 1}]
    assert lookup(metadata, ("a.b",)) == [2]
    assert lookup(metadata, ("none",)) == [None]
    assert lookup(metadata, ("list", ..., "b")) == [1, [3]]
    assert lookup(metadata, ("list", ..., "b", ...)) == [3]
    assert lookup(metadata, ("list", ..., ..., "b")) == [4]
    assert lookup(metadata, ("list",)) == [metadata["list"]]
    for missing in (("list", "b"), ("text", "x"), ("none", "b"), ("a", "x"), ("x",), ("a", ...)):
        assert lookup(metadata, missing) == []
