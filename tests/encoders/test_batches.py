"""Batches: every text once, neighbours in length together, and a bar with `progress`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.encoders.batches import encode_batches, nonblank_batches

TEXTS = st.lists(st.text(alphabet="ab \n", max_size=8), max_size=20)


@given(TEXTS, st.integers(1, 5))
def test_every_nonblank_text_is_in_one_batch(texts: list[str], size: int) -> None:
    batches = list(nonblank_batches(texts, size))
    indices = [index for batch in batches for index in batch]
    assert sorted(indices) == [index for index, text in enumerate(texts) if text.strip()]
    assert all(len(batch) == size for batch in batches[:-1])
    lengths = [len(texts[index]) for index in indices]
    assert lengths == sorted(lengths, reverse=True)


@pytest.mark.parametrize("progress", [True, False])
def test_results_go_to_their_indices(progress: bool, capfd: pytest.CaptureFixture[str]) -> None:
    found = encode_batches([[2, 0], [1]], lambda batch: [10 * i for i in batch], progress=progress)
    assert found == {0: 0, 1: 10, 2: 20}
    assert ("Encoding: 100%" in capfd.readouterr().err) is progress


def test_a_missing_result_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        encode_batches([[0, 1]], lambda batch: [0])
