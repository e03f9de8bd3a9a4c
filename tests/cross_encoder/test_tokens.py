"""Texts are measured as the model's tokenizer does, and windows are what words make of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import CrossEncoder

from hybridge.cross_encoder.tokens import Ruler

TEXTS = ["w1", "w2 w3", "", " w1  w2 ", "w4 " * 100]


@pytest.fixture(scope="module")
def model(tiny: Path) -> CrossEncoder:
    return CrossEncoder(str(tiny), device="cpu")


@pytest.fixture(scope="module")
def ruler(model: CrossEncoder) -> Ruler:
    return Ruler(model)


def test_lengths_are_counted_without_the_marks(ruler: Ruler) -> None:
    assert ruler.lengths(TEXTS) == dict(zip(TEXTS, (1, 2, 0, 2, 100), strict=True))
    assert ruler.lengths([]) == {}


def test_the_models_tokenizer_is_left_as_it_is(model: CrossEncoder, ruler: Ruler) -> None:
    model.predict([("w1", "w2 " * 100)])
    before = model.tokenizer.backend_tokenizer.to_str()
    assert '"truncation":{' in before
    ruler.lengths(TEXTS)
    ruler.windows("w1 " * 9, 4)
    assert model.tokenizer.backend_tokenizer.to_str() == before


def test_threads_that_measure_while_others_predict_are_told_the_truth(
    model: CrossEncoder, ruler: Ruler
) -> None:
    texts = [f"{'w1 ' * n}" for n in range(1, 60)]
    expected = dict(zip(texts, range(1, 60), strict=True))

    def work(turn: int) -> dict[str, int]:
        if turn % 2:
            model.tokenizer(texts, padding=True, truncation=True, max_length=9)
            return expected
        return ruler.lengths(texts)

    with ThreadPoolExecutor(8) as pool:
        assert all(lengths == expected for lengths in pool.map(work, range(200)))


@pytest.mark.parametrize(("query", "room"), [("w1", 28), ("w1 " * 15, 14), ("w1 " * 100, 14)])
def test_the_room_is_what_the_query_and_three_marks_leave(
    ruler: Ruler, query: str, room: int
) -> None:
    assert ruler.room_beside(query) == room  # of 32; half of 29 where the query would leave less


def test_windows_share_half_and_the_last_ends_with_the_text(ruler: Ruler) -> None:
    assert ruler.windows("w0 w1  w2 w3 w4 w5 w6", 4) == [
        "w0 w1  w2 w3",
        "w2 w3 w4 w5",
        "w3 w4 w5 w6",
    ]
    assert ruler.windows("w0 w1 w2", 1) == ["w0", "w1", "w2"]


def test_a_short_text_is_its_own_window(ruler: Ruler) -> None:
    for text in ("w0 w1", " w0 w1 ", ""):
        assert ruler.windows(text, 2) == [text]


@given(count=st.integers(0, 60), size=st.integers(1, 20))
def test_windows_are_those_of_the_words(ruler: Ruler, count: int, size: int) -> None:
    words = [f"w{n % 50}" for n in range(count)]
    windows = [window.split() for window in ruler.windows(" ".join(words), size)]
    if count <= size:
        assert windows == [words]
        return
    assert all(len(window) == size for window in windows)
    # Laid at steps of half a window, cut at the end, they rebuild the text.
    step = max(1, size // 2)
    starts = [min(step * n, count - size) for n in range(len(windows))]
    assert windows == [words[start : start + size] for start in starts]
    assert starts[-1] == count - size
    assert len(set(starts)) == len(starts)
