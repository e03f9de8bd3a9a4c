"""Batches that go to a server together."""

from __future__ import annotations

import numpy as np

from hybridge import Passage
from hybridge.index.write_buffer import Batch, joined


def batch(*ids: str, replaces: bool = True, **rows: object) -> Batch:
    return Batch([Passage(id_, "x") for id_ in ids], rows, replaces)  # type: ignore[arg-type]


def names(batches: list[Batch]) -> list[list[str]]:
    return [[passage.id for passage in each.passages] for each in batches]


def test_batches_are_joined_up_to_a_size_and_in_order() -> None:
    batches = [batch("a", "b"), batch("c"), batch("d"), batch("e"), batch("f")]
    assert names(list(joined(batches, 3))) == [["a", "b", "c"], ["d", "e", "f"]]
    assert names(list(joined(batches, 1))) == [["a", "b"], ["c"], ["d"], ["e"], ["f"]]
    assert list(joined([], 3)) == []


def test_rows_stay_with_their_passages() -> None:
    dense = np.arange(6, dtype=np.float32).reshape(3, 2)
    sparse = [([n], [1.0]) for n in range(3)]
    batches = [
        batch("a", "b", dense=dense[:2], bm25=sparse[:2]),
        batch("c", dense=dense[2:], bm25=sparse[2:]),
    ]
    [one] = joined(batches, 10)
    assert np.array_equal(one.rows["dense"], dense)
    assert one.rows["bm25"] == sparse


def test_changes_and_other_vectors_are_not_joined() -> None:
    dense = np.ones((1, 2), np.float32)
    batches = [
        batch("a", dense=dense),
        batch("b", replaces=False, dense=dense),
        batch("c", replaces=False, dense=dense),
        batch("d", dense=dense),
        batch("e", bm25=[([1], [1.0])]),
        batch("f", bm25=[([1], [1.0])]),
    ]
    made = list(joined(batches, 10))
    assert names(made) == [["a"], ["b"], ["c"], ["d"], ["e", "f"]]
    assert [each.replaces for each in made] == [True, False, False, True, True]
