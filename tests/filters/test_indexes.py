from __future__ import annotations

import pytest

from hybridge.filters import (
    And,
    Eq,
    Exists,
    Gte,
    IdIn,
    In,
    Lt,
    Not,
    Or,
    TextContains,
    TextMatch,
    TextMatchInsensitive,
    index_fields,
    payload_path,
)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Eq("f", "a"), {"metadata.f": "keyword"}),
        (Eq("f", 1), {"metadata.f": "float"}),
        (Eq("f", 1.5), {"metadata.f": "float"}),
        (Eq("f", True), {"metadata.f": "bool"}),
        (Eq("f", None), {"metadata.f": "bool"}),
        (In("f", ["a", None]), {"metadata.f": "keyword"}),
        (In("f", ["a", 1]), {"metadata.f": "float"}),
        (In("f", []), {}),
        (Gte("f", 1), {"metadata.f": "float"}),
        (Lt("f", "2020-01-01"), {"metadata.f": "datetime"}),
        (Exists("f"), {"metadata.f": "bool"}),
        (TextMatch("f", "a"), {"metadata.f": "keyword"}),
        (TextMatchInsensitive("f", "a"), {}),
        (IdIn(["p1"]), {}),
        (And(), {}),
        (
            Or(Eq("a.b", "x"), Not(And(Exists("c"), Gte("c", 1)))),
            {"metadata.a.b": "keyword", "metadata.c": "float"},
        ),
        (Eq(('"',), 1), {}),
        (Eq("acl[].group", "crew"), {"metadata.acl[].group": "keyword"}),
        (TextContains("E-42"), {}),
    ],
)
def test_what_would_serve(where, expected):
    assert index_fields(where) == expected


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        ("float", {}),
        ("keyword", {}),
        ("datetime", {}),
        ("integer", {}),
        ("text", {}),
        ("bool", {"metadata.f": "float"}),
    ],
)
def test_only_bool_gives_way(existing, expected):
    assert index_fields(Gte("f", 1), {"metadata.f": existing}) == expected
    assert index_fields(Exists("f"), {"metadata.f": existing}) == {}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("year",), "metadata.year"),
        (("a", "b"), "metadata.a.b"),
        (("a.b",), 'metadata."a.b"'),
        (("a b", "c-d_1"), 'metadata."a b".c-d_1'),
        (("",), 'metadata.""'),
        (("été",), "metadata.été"),
        (("list[]",), 'metadata."list[]"'),
        (("acl", ..., "group"), "metadata.acl[].group"),
        (("a b", ..., ..., "c.d", ...), 'metadata."a b"[][]."c.d"[]'),
        (('"',), None),
        (("a", "\\"), None),
    ],
)
def test_paths_in_the_payload(path, expected):
    assert payload_path(path) == expected


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ((), 'a."b c"'),
        (("meta",), 'meta.a."b c"'),
        (("my meta", "x"), '"my meta".x.a."b c"'),
        (('say "x"',), None),
    ],
)
def test_metadata_may_lie_elsewhere(root, expected):
    assert payload_path(("a", "b c"), root) == expected
