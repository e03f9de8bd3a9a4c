"""Document frequencies follow what is stored."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.errors import CorruptIndexError, IndexNotFoundError
from hybridge.lexical.files import save_arrays
from hybridge.vectors.frequencies import Frequencies

vectors = st.lists(
    st.sets(st.integers(1, 6)).map(
        lambda numbers: ([0, *sorted(numbers)], [float(len(numbers)), *([0.5] * len(numbers))])
    ),
    max_size=8,
)


@given(kept=vectors, gone=vectors)
def test_what_was_removed_counts_no_longer(
    kept: list[tuple[list[int], list[float]]], gone: list[tuple[list[int], list[float]]]
) -> None:
    used = Frequencies()
    used.add(gone)
    used.add(kept)
    used.remove(gone)
    assert used.points == len(kept)
    lengths = [len(indices) - 1 for indices, _ in kept]
    assert used.average_length == pytest.approx(sum(lengths) / len(kept) if kept else 0.0)
    having = [sum(number in indices for indices, _ in kept) for number in range(1, 8)]
    idf = [2 * math.log(1 + (len(kept) - n + 0.5) / (n + 0.5)) for n in having]
    numbers, values = used.weigh((list(range(1, 8)), [2.0] * 7))
    assert (numbers, values) == (list(range(1, 8)), pytest.approx(idf))


def test_they_come_back_from_a_file(tmp_path: Path) -> None:
    saved = Frequencies()
    saved.add([([0, 7, 2**32 - 1], [2.0, 0.5, 0.5]), ([], [])])
    saved.save(tmp_path / "frequencies.npz")
    found = Frequencies.load(tmp_path / "frequencies.npz")
    assert (found.points, found.average_length) == (2, 1.0)
    query = ([7, 8, 2**32 - 1], [1.0, 1.0, 1.0])
    assert found.weigh(query) == saved.weigh(query)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError):
        Frequencies.load(tmp_path / "missing.npz")
    save_arrays(tmp_path / "other.npz", {"points": 1})
    with pytest.raises(CorruptIndexError, match="no frequencies"):
        Frequencies.load(tmp_path / "other.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:40])
    with pytest.raises(CorruptIndexError, match="truncated"):
        Frequencies.load(tmp_path / "cut.npz")
