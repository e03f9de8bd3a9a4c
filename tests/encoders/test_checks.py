"""Nothing unsound goes into an encoder, and nothing unsound comes out of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hybridge.encoders.checks import as_vectors, check_texts, unit_length
from hybridge.errors import InvalidInputError


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


def test_unit_length_scales_and_leaves_zero_alone() -> None:
    vectors = np.array([[3, 4], [0, 0], [-2, 0]], dtype=np.float32)
    scaled = unit_length(vectors)
    np.testing.assert_allclose(scaled, [[0.6, 0.8], [0, 0], [-1, 0]], rtol=1e-6)
    assert vectors.tolist() == [[3, 4], [0, 0], [-2, 0]]
