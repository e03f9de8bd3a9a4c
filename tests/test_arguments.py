"""Wrong arguments are named, and the message says what to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from hybridge.arguments import (
    as_vectors,
    check_count,
    check_ids,
    check_passages,
    check_queries,
    check_share,
    check_texts,
)
from hybridge.errors import InvalidInputError
from hybridge.passages import Passage


@pytest.mark.parametrize(
    ("check", "example"),
    [
        (check_queries, r'queries must be a list, not one {}: write search\(\["..."\]\)$'),
        (check_texts, r'texts must be a list, not one {}: write \["..."\]$'),
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


def test_any_sequence_of_strings_is_listed() -> None:
    assert check_texts(("a", "", "ü 漢字 😀")) == ["a", "", "ü 漢字 😀"]
    assert check_texts([]) == []


def test_a_bare_string_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"a list, not one string: write \[\"\.\.\.\"\]"):
        check_texts("text")


def test_something_else_than_a_string_is_named_with_its_place() -> None:
    with pytest.raises(InvalidInputError, match="number 1 is of type int"):
        check_texts(["a", 2])  # type: ignore[list-item]


def test_a_lone_surrogate_is_named_with_its_place() -> None:
    with pytest.raises(InvalidInputError, match="text 1 holds a lone surrogate at character 2"):
        check_texts(["fine", "ab\ud800"])


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 2], [3, 4]],
        [(1.0, 2.0), (3.0, 4.0)],
        np.array([[1, 2], [3, 4]], dtype=np.float64),
        np.array([[1, 3], [2, 4]], dtype=np.float32).T,
        [np.array([1, 2], dtype=np.int8), [3.0, 4.0]],
    ],
)
def test_vectors_become_one_array_of_float32(rows: object) -> None:
    vectors = as_vectors(rows, ["a", "b"])
    assert vectors.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous


def test_the_result_is_a_new_array() -> None:
    rows = np.ones((1, 2), dtype=np.float32)
    as_vectors(rows, ["a"])[0, 0] = 5
    assert rows.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0]], "1 vectors for 2 texts"),
        ([[1.0], [1.0], [1.0]], "3 vectors for 2 texts"),
        (None, "NoneType instead of a list of vectors"),
        (np.float32(1), "float32 instead of a list of vectors"),
        ([1.0, 2.0], r"shape \(\) of float64 instead of a list of numbers for text 0, 'first'"),
        ([[1.0], [[1.0]]], r"shape \(1, 1\) .* for text 1, 'second'"),
        ([[1.0], ["x"]], "<U1 instead of a list of numbers for text 1, 'second'"),
        ([[1.0], [True]], "bool instead of a list of numbers for text 1"),
        ([[1.0], [[1.0], [2.0, 3.0]]], "no vector for text 1, 'second'"),
        ([[1.0, 2.0], [1.0]], "length 1 instead of 2 for text 1, 'second'"),
        ([[1.0], [float("nan")]], "NaN or infinity for text 1, 'second'"),
        ([[float("-inf")], [1.0]], "NaN or infinity for text 0, 'first'"),
        ([[1.0], [1e300]], "NaN or infinity for text 1, 'second'"),
    ],
)
def test_what_is_no_vector_is_named_with_its_text(rows: object, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        as_vectors(rows, ["first", "second"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0]], "1 vectors for 2 texts"),
        ([[1.0], [1.0], [1.0]], "3 vectors for 2 texts"),
        ([1.0, 2.0], r"shape \(\) of float64 instead of a list of numbers for text 0, 'first'"),
        ([[[1.0]], [[1.0]]], r"shape \(1, 1\) .* for text 0, 'first'"),
        ([["x"], ["y"]], "<U1 instead of a list of numbers for text 0"),
        ([[True], [False]], "bool instead of a list of numbers for text 0"),
        ([[1.0], [float("nan")]], "NaN or infinity for text 1, 'second'"),
        ([[float("-inf")], [1.0]], "NaN or infinity for text 0, 'first'"),
        ([[1.0], [1e300]], "NaN or infinity for text 1, 'second'"),
    ],
)
def test_so_it_is_in_an_array(rows: list[Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        as_vectors(np.array(rows), ["first", "second"])


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_arrays_that_are_not_what_they_seem() -> None:
    with pytest.raises(InvalidInputError, match=r"shape \(1, 2\) of float64"):
        as_vectors(np.matrix([[1.0, 2.0], [3.0, 4.0]]), ["a", "b"])
    masked = np.ma.MaskedArray([[1.0], [np.inf]], [[False], [True]])
    with pytest.raises(InvalidInputError, match="NaN or infinity for text 1, 'b'"):
        as_vectors(masked, ["a", "b"])


@pytest.mark.parametrize("rows", [[[1.0, 2.0]], np.array([[1.0, 2.0]])], ids=["list", "array"])
def test_every_vector_has_the_dimension(rows: Any) -> None:
    assert as_vectors(rows, ["a"], 2).shape == (1, 2)
    with pytest.raises(InvalidInputError, match="length 2 instead of 3 for text 0"):
        as_vectors(rows, ["a"], 3)


def test_a_long_text_is_shown_short() -> None:
    with pytest.raises(InvalidInputError) as error:
        as_vectors([[float("nan")]], ["x" * 10_000])
    assert len(str(error.value)) < 250


def test_texts_are_called_what_they_are() -> None:
    for wrong, message in [("text", r"queries .* search\("), (["a", 2], "queries must be strings")]:
        with pytest.raises(InvalidInputError, match=message):
            check_texts(wrong, "queries")  # type: ignore[arg-type]
