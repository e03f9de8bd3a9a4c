"""The room beside a query, and pieces that share half."""

from __future__ import annotations

from pathlib import Path

import pytest
from sentence_transformers import CrossEncoder

from hybridge.cross_encoder.windows import room_beside, room_for_pair, windows_sharing_half
from hybridge.encoders.tokens import TokenCounter


@pytest.fixture(scope="module")
def model(tiny: Path) -> CrossEncoder:
    return CrossEncoder(str(tiny), device="cpu")


@pytest.mark.parametrize(("query", "room"), [("w1", 28), ("w1 " * 15, 14), ("w1 " * 100, 14)])
def test_the_room_is_what_the_query_and_three_marks_leave(
    model: CrossEncoder, query: str, room: int
) -> None:
    counter = TokenCounter(model.tokenizer)
    assert room_for_pair(model.max_seq_length, counter) == 29
    assert room_beside(32, counter, query) == room  # half of 29 where the query leaves less


def test_windows_share_half_and_the_last_ends_with_the_text(model: CrossEncoder) -> None:
    counter = TokenCounter(model.tokenizer)
    assert windows_sharing_half(counter, "w0 w1  w2 w3 w4 w5 w6", 4) == [
        "w0 w1  w2 w3",
        "w2 w3 w4 w5",
        "w3 w4 w5 w6",
    ]
    assert windows_sharing_half(counter, "w0 w1 w2", 1) == ["w0", "w1", "w2"]
    assert windows_sharing_half(counter, " w0 w1 ", 2) == [" w0 w1 "]
