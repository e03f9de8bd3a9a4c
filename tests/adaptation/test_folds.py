"""Folds of questions: nothing that two of them share is on both sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hybridge.adaptation.folds import divided_apart, linked
from hybridge.errors import InvalidInputError

judged = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(0, 2), min_size=1, max_size=3)
many = st.dictionaries(st.text("xyz", min_size=1, max_size=4), judged, min_size=1, max_size=15)


@given(many)
def test_queries_are_linked_by_chains_of_shared_passages(
    qrels: dict[str, dict[str, int]],
) -> None:
    queries = list(qrels)
    share = np.array(
        [
            [
                one == other
                or any(qrels[other].get(id_, 0) > 0 for id_, n in qrels[one].items() if n > 0)
                for other in queries
            ]
            for one in queries
        ]
    )
    # All chains, by the powers of the matrix of neighbours.
    reached = np.linalg.matrix_power(share.astype(float), len(queries)) > 0
    groups = linked(queries, qrels)
    assert np.array_equal(groups[:, None] == groups[None, :], reached)
    assert sorted(set(groups.tolist())) == list(range(groups.max() + 1))


@given(many, st.integers(2, 5), st.integers(0, 99))
def test_a_group_is_in_one_fold(qrels: dict[str, dict[str, int]], folds: int, seed: int) -> None:
    groups = linked(list(qrels), qrels)
    assume(groups.max() + 1 >= folds)
    fold_of = divided_apart(groups, folds, seed)
    per_fold = [len(set(groups[fold_of == fold].tolist())) for fold in range(folds)]
    assert sum(per_fold) == groups.max() + 1
    assert max(per_fold) - min(per_fold) <= 1
    assert np.array_equal(fold_of, divided_apart(groups, folds, seed))


def test_too_few_groups() -> None:
    with pytest.raises(InvalidInputError, match=r"4 queries in 2 groups .* into 3 folds"):
        divided_apart(np.array([0, 1, 0, 1]), 3, 0)
