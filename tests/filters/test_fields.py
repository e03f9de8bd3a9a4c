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
        ("authors[].name", ("authors[]", "name")),
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
    "field", ["", ".", "a.", ".a", "a..b", '"a', '"a"b', (), ("a", 1), 3, None, ["a"], "\udc80"]
)
def test_no_field_name(field):
    with pytest.raises(InvalidInputError, match=r"no field name|surrogate"):
        parse_field(field)


@given(st.lists(st.text(st.sampled_from('ab."$ é\\')), min_size=1).map(tuple))
def test_every_path_can_be_spelled(path):
    assert parse_field(spell_field(path)) == path


def test_a_spelling_never_looks_like_an_operator():
    assert spell_field(("$or",)) == '"$or"'


def test_lookup_descends_into_objects_only():
    metadata = {"a": {"b": {"c": 1}}, "list": [{"b": 1}], "none": None, "a.b": 2, "text": "xy"}
    assert lookup(metadata, ("a", "b", "c")) == 1
    assert lookup(metadata, ("a", "b")) == {"c": 1}
    assert lookup(metadata, ("a.b",)) == 2
    assert lookup(metadata, ("none",)) is None
    for missing in (("list", "b"), ("text", "x"), ("none", "b"), ("a", "x"), ("x",)):
        assert lookup(metadata, missing) == []
