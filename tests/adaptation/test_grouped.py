"""Questions that vary together count as one, and those that do not as themselves."""

from __future__ import annotations

import numpy as np
import pytest

from hybridge.adaptation.grouped import compare_groups
from hybridge.evaluation.significance import compare

RANDOM = np.random.default_rng(0)
BEFORE, AFTER = RANDOM.random((2, 12))


def test_without_groups_it_is_the_usual_comparison() -> None:
    found = compare_groups(BEFORE, AFTER, np.arange(12), "m")

    values = {
        name: {"m": {str(i): float(value) for i, value in enumerate(each)}}
        for name, each in (("before", BEFORE), ("after", AFTER))
    }
    assert [found] == compare(values, "before", ["m"], correction=None)


def test_copies_of_questions_make_nothing_surer() -> None:
    once = compare_groups(BEFORE, AFTER, np.arange(12), "m")
    groups = np.tile(np.arange(12), 9)

    copied = compare_groups(np.tile(BEFORE, 9), np.tile(AFTER, 9), groups, "m")
    apart = compare_groups(np.tile(BEFORE, 9), np.tile(AFTER, 9), np.arange(108), "m")

    assert copied.difference == pytest.approx(once.difference)
    assert copied.interval == pytest.approx(once.interval)
    assert copied.p == pytest.approx(once.p)
    assert apart.p < 0.5 * once.p


def test_the_difference_is_that_of_all_questions() -> None:
    groups = np.array([0] * 7 + [1, 2, 3, 4, 4])

    found = compare_groups(BEFORE, AFTER, groups, "m")

    assert found.difference == pytest.approx(float((AFTER - BEFORE).mean()))
