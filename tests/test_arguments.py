"""Wrong arguments are named, and the message says what to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from hybridge.arguments import check_count, check_ids, check_passages, check_queries, check_share
from hybridge.errors import InvalidInputError
from hybridge.passages import Passage


@pytest.mark.parametrize(
    ("check", "example"),
    [
        (check_queries, r'queries must be a list, not one {}: write search\(\["..."\]\)$'),
        (check_ids, r'ids must be a list, not one {}: write \["..."\]$'),
        (check_passages, r"passages must be a list, not one {}: write add\(\[passage\]\)$"),
    ],
)
@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("one", "string"),
        (None, "NoneType"),
        (5, "int"),
        (np.array("p1"), "ndarray"),
        (Passage("p1", "text"), "Passage"),
    ],
)
def test_what_is_no_list(
    check: Callable[[Any], object], example: str, wrong: object, named: str
) -> None:
    with pytest.raises(InvalidInputError, match=example.format(named)):
        check(wrong)


@pytest.mark.parametrize("check", [check_queries, check_ids])
def test_any_iterable_of_strings_is_a_list(check: Callable[[Any], list[str]]) -> None:
    for values in (["a", "b"], ("a", "b"), iter("ab"), {"a": 1, "b": 2}, np.array(["a", "b"])):
        assert check(values) == ["a", "b"]
    for wrong in ([None], [b"a"], [["a"]]):
        with pytest.raises(InvalidInputError, match="must be strings"):
            check(wrong)


def test_ids_may_be_whole_numbers_and_uuids() -> None:
    assert check_ids(["a", 5, np.int64(6), UUID(int=7)]) == ["a", "5", "6", str(UUID(int=7))]
    for wrong in ([True], [5.0], [np.bool_(True)]):
        with pytest.raises(InvalidInputError, match="ids must be strings, whole numbers or UUIDs"):
            check_ids(wrong)


def test_an_error_of_the_iterable_itself_is_not_ours() -> None:
    def fail() -> Any:
        yield "a"
        raise TypeError("of the caller")

    with pytest.raises(TypeError, match="of the caller"):
        check_queries(fail())


def test_passages_are_handed_on_untouched() -> None:
    passages = iter([Passage("p1", "text")])
    assert check_passages(passages) is passages
    assert len(list(passages)) == 1


@pytest.mark.parametrize("wrong", [0, -1, True, 2.5, "7", None, 2**31, 10**30])
def test_counts_outside_the_range(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"depth must .* from 1 to 2147483647, not "):
        check_count(wrong, "depth")


@pytest.mark.parametrize("right", [1, 2**31 - 1])
def test_counts_at_the_ends_of_the_range(right: int) -> None:
    assert check_count(right, "depth") == right


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), "half", True])
def test_a_share_is_from_0_to_1(share: float) -> None:
    with pytest.raises(InvalidInputError, match="blend must be a number from 0 to 1"):
        check_share(share, "blend")
