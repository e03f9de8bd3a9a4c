"""The choice: greedy group by group, and never by the queries that it is judged on."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from hybridge.fusion import ConvexCombination
from hybridge.tuning import Setting, Space
from hybridge.tuning.choosing import choose, divided, held_out
from hybridge.tuning.trial_cache import TrialCache, Values

HALVES = {"bm25": 0.5, "dense": 0.5}
START = Setting(ConvexCombination(), HALVES, 100, 0.2, 1.2, 0.75)
SPACE = Space(
    fusion=["convex", "min-max"],
    weights=[0.2, 0.5, 0.8],
    depth=[50, 100],
    blend=[0, 0.3],
    k1=[0.9, 1.2],
    b=[0.4, 0.75],
    rerank_depths=[10, 30],
    rerank_blends=[0, 0.5, 1.0],
)


def test_every_group_gets_its_best() -> None:
    wanted: dict[str, Any] = {
        "fusion": "min-max",
        "weights": 0.8,
        "depth": 50,
        "blend": 0.3,
        "k1": 0.9,
        "b": 0.4,
    }

    def worth(setting: Setting) -> float:
        return sum(setting.value(name) == value for name, value in wanted.items())

    chosen = choose(START, SPACE, 10, worth)
    assert {name: chosen.value(name) for name in wanted} == wanted


def test_of_equals_the_default_stays() -> None:
    assert choose(START, SPACE, 10, lambda setting: 1.0) == START


def test_the_weights_are_tried_again_after_the_blend() -> None:
    def worth(setting: Setting) -> float:
        best = 0.8 if setting.blend == 0.3 else 0.2
        return (setting.value("weights") == best) + 5.0 * (setting.blend == 0.3)

    assert choose(START, SPACE, 10, worth).value("weights") == 0.8


def test_rerankers_come_after_what_is_before_them_and_may_leave_all_as_it_is() -> None:
    default = Setting(
        ConvexCombination("min-max", completes=False),
        HALVES,
        20,
        rerank_depths=(30, 30),
        rerank_blends=(0.5, 0.5),
    )
    asked: list[Setting] = []

    def worth(setting: Setting) -> float:
        asked.append(setting)
        return 10.0 * len(setting.rerank_depths) + sum(setting.rerank_blends)

    chosen = choose(default, SPACE, 10, worth)
    assert chosen.rerank_blends == (1.0, 1.0)
    assert chosen.rerank_depths == (10, 10)
    # What reranks 30 candidates asks for 30, so that smaller depths are 30 anyway.
    assert {s.depth for s in asked if not s.rerank_depths} == {30, 50, 100}
    numbers = [len(setting.rerank_depths) for setting in asked if setting != default]
    assert numbers == sorted(numbers)
    assert choose(default, SPACE, 10, lambda s: float(s == default)) == default


class _Lucky:
    """A bench where each query likes a setting of its own, so that any choice is luck."""

    k = depth = 10

    def __init__(self, queries: int, wins: dict[float, list[int]]) -> None:
        self.queries = {str(number): "?" for number in range(queries)}
        self.target = type("Target", (), {"default": START})
        self.tried: dict[Setting, Values] = {}
        self._wins = wins

    def values(self, setting: Setting) -> Values:
        values = np.zeros(len(self.queries))
        values[self._wins.get(cast("float", setting.value("weights")), [])] = 1.0
        self.tried[setting] = values
        return values


def test_a_query_is_never_judged_by_a_choice_that_saw_it() -> None:
    # Each weight is right for one query alone: without it, another one is chosen.
    lucky = _Lucky(2, {0.2: [0], 0.8: [1]})
    space = Space(fusion=[], weights=[0.2, 0.8], depth=[], blend=[], k1=[], b=[])
    chosen, tried, values = held_out(cast("TrialCache", lucky), space, 2, 0, progress=False)
    assert chosen.value("weights") == 0.2
    assert values.tolist() == [0.0, 0.0]
    assert {setting.value("weights") for setting in tried} == {0.2, 0.5, 0.8}


@pytest.mark.parametrize("folds", [2, 3, 7])
def test_folds_are_as_equal_as_can_be_and_follow_the_seed(folds: int) -> None:
    first, again, other = (divided(40, folds, seed).tolist() for seed in (1, 1, 2))
    assert first == again != other
    sizes = [first.count(fold) for fold in range(folds)]
    assert sum(sizes) == 40
    assert max(sizes) - min(sizes) <= 1
