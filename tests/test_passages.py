"""What a passage holds, and what it refuses."""

from __future__ import annotations

import copy
from collections import OrderedDict
from types import MappingProxyType
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.errors import InvalidInputError
from hybridge.passages import Passage, unique_passages

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def nested(levels: int, wrap: Any) -> dict[str, Any]:
    """Metadata of so many levels, itself counted."""
    value: Any = "core"
    for _ in range(levels - 1):
        value = wrap(value)
    return {"key": value}


@given(st.dictionaries(st.text(), json_values, max_size=3))
def test_metadata_is_kept_as_it_was_whatever_becomes_of_the_callers(
    metadata: dict[str, Any],
) -> None:
    before = copy.deepcopy(metadata)
    passage = Passage("p1", "text", metadata)
    assert metadata == before
    ruin(metadata)
    assert passage.metadata == before


def ruin(value: Any) -> None:
    """Empty every list and dict in a value."""
    if isinstance(value, list | dict):
        for item in list(value.values() if isinstance(value, dict) else value):
            ruin(item)
        value.clear()


def test_a_change_deep_in_the_callers_lists_and_dicts_does_not_reach_the_passage() -> None:
    metadata: dict[str, Any] = {"tags": ["a", {"deep": [1]}], "author": {"name": "Ann"}}
    passage = Passage("p1", "text", metadata)
    metadata["tags"][1]["deep"].append(object())
    metadata["tags"].append("b")
    metadata["author"]["name"] = "Bob"
    assert passage.metadata == {"tags": ["a", {"deep": [1]}], "author": {"name": "Ann"}}


def test_other_mappings_become_dicts() -> None:
    passage = Passage("p1", "text", MappingProxyType({"deep": OrderedDict(b=1, a=True)}))
    assert repr(passage.metadata) == "{'deep': {'b': 1, 'a': True}}"


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"k": value}])
def test_metadata_is_64_levels_deep_at_most(wrap: Any) -> None:
    assert Passage("p1", "text", nested(64, wrap)).metadata == nested(64, wrap)
    for levels in (65, 126, 100_000):
        with pytest.raises(InvalidInputError, match=r"^passage 'p1': metadata.* more than 64 leve"):
            Passage("p1", "text", nested(levels, wrap))


def test_metadata_that_holds_itself() -> None:
    itself: list[Any] = ["before"]
    itself.append(itself)
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    for metadata in ({"key": itself}, loop):
        with pytest.raises(InvalidInputError, match=r"^passage 'p1': .* holds itself"):
            Passage("p1", "text", metadata)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"a": [{"b": object()}]}, r"passage 'p1': metadata\['a'\]\[0\]\['b'\]: object is not"),
        ({"a": {1: "one"}}, "the key 1 is not a string"),
        ({"a": [float("inf")]}, "inf is not a JSON number"),
        ({"a": 2**63}, "takes 65 bits does not fit 64 bits"),
        ({"a": -(2**63) - 1}, "takes 65 bits does not fit 64 bits"),
        ({"a": 10**5000}, "does not fit 64 bits"),
        ({"a": ["\ud800"]}, "lone surrogate"),
        ({"\ud800": 1}, "lone surrogate"),
        ([("a", 1)], "metadata must be a mapping, not list"),
    ],
)
def test_what_json_cannot_hold(wrong: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Passage("p1", "text", wrong)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, "5"), (0, "0"), (-1, "-1"), (np.int64(7), "7"), (np.str_("a"), "a"), (UUID(int=7), None)],
)
def test_whole_numbers_and_uuids_are_ids_by_their_text(value: Any, expected: str | None) -> None:
    passage = Passage(value, "text")
    assert passage.id == (str(value) if expected is None else expected)
    assert type(passage.id) is str
    with pytest.raises(InvalidInputError, match="comes twice"):
        list(unique_passages([passage, Passage(passage.id, "text")]))


@pytest.mark.parametrize("wrong", ["", None, True, np.bool_(True), 5.0, b"a", ("a",)])
def test_what_is_no_id(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="id must be a non-empty string, a whole number"):
        Passage(wrong, "text")


@pytest.mark.parametrize("wrong", [Passage("p1", "text"), None, 5, "p1"])
def test_what_is_no_list_of_passages(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"write add\(\[passage\]\)"):
        list(unique_passages(wrong))


def test_what_is_no_passage_in_the_list() -> None:
    with pytest.raises(InvalidInputError, match="expected a Passage, not dict"):
        list(unique_passages([Passage("p1", "text"), {"id": "p2"}]))  # type: ignore[list-item]
    with pytest.raises(InvalidInputError, match="'p1' comes twice"):
        list(unique_passages([Passage("p1", "text"), Passage("p1", "text")]))
