"""What is tried, and what is left out because it makes no difference."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.errors import InvalidInputError
from hybridge.fusion import FUSIONS, RRF, ConvexCombination
from hybridge.tuning import Setting, Space

START = Setting(ConvexCombination(), {"bm25": 0.5, "dense": 0.5}, 100, k1=1.2, b=0.75)
EVERYTHING = ["blend", "k1", "b", "rerank_depths", "rerank_blends"]


def values(settings: Any, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(setting.value(name) for name in names) for setting in settings]


def test_by_default_every_fusion_weight_and_depth_is_tried_together() -> None:
    tried = list(Space().fused(START, 10))
    assert len(tried) == len(set(tried)) == 4 * (9 * len(FUSIONS) + 2 + 1)
    assert {setting.depth for setting in tried} == {20, 50, 100, 200}
    assert {setting.fusion.name for setting in tried} == set(FUSIONS)


def test_a_fusion_without_weights_is_tried_once_and_a_stage_alone_with_one_fusion() -> None:
    space = Space(fusion=["rrf", "min-max", "dbsf"], weights=[0, 0.4, 1], depth=[50])
    assert values(space.fused(START, 10), "fusion", "weights") == [
        ("rrf k=60", None),
        ("min-max", 0.0),
        ("min-max", 0.4),
        ("min-max", 1.0),
        ("dbsf", 0.4),
    ]


def test_depths_that_a_search_cannot_tell_apart_are_one() -> None:
    space = Space(fusion=["rrf"], depth=[20, 50, 100, 200])
    assert values(space.fused(START, 100), "depth") == [(100,), (200,)]


def test_an_empty_list_leaves_the_parameter_as_it_is() -> None:
    space = Space(fusion=[], weights=[], depth=[], k1=[], b=[0.5]).within(EVERYTHING, "")
    assert list(space.fused(START, 10)) == [START]
    assert values(space.reweighed(START), "k1", "b") == [(1.2, 0.5)]
    none = Space(blend=[], k1=[], b=[], rerank_depths=[], rerank_blends=[])
    assert [*none.reweighed(START), *none.blended(START)] == []
    assert values(none.reranked(START, 30, 0.4, 10), "rerank_depths", "rerank_blends") == [
        (30, 0.4)
    ]


def test_k1_and_b_are_tried_together_and_the_blend_alone() -> None:
    space = Space(k1=[1, 2], b=[0, 1], blend=[0, 0.5])
    assert values(space.reweighed(START), "k1", "b") == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert values(space.blended(START), "blend") == [(0.0,), (0.5,)]
    assert list(space.weighed(Setting(RRF(), None, 100))) == []


def test_rerankers_get_fewer_and_fewer_and_without_a_share_one_depth_is_enough() -> None:
    space = Space(rerank_depths=[5, 20, 50], rerank_blends=[0, 0.5])
    once = list(space.reranked(START, 50, 0.5, 10))
    assert values(once, "rerank_depths", "rerank_blends") == [
        (10, 0.0),
        (10, 0.5),
        (20, 0.5),
        (50, 0.5),
    ]
    twice = space.reranked(once[2], 50, 0.5, 10)
    assert [setting.rerank_depths for setting in twice] == [(20, 10), (20, 10), (20, 20)]
    shallow = Setting(
        ConvexCombination("min-max", completes=False),
        None,
        10,
        rerank_depths=(15,),
        rerank_blends=(1.0,),
    )
    assert [s.rerank_depths for s in Space(rerank_depths=[50]).reranked(shallow, 50, 0.5, 10)] == [
        (15, 15)
    ]


def test_usual_values_are_tried_where_the_retriever_has_such_a_thing() -> None:
    assert Space().within([], "").k1 == ()
    filled = Space().within(EVERYTHING, "")
    assert filled.k1 == (0.6, 0.9, 1.2, 1.5, 2.0)
    assert filled.b == (0.3, 0.5, 0.75, 0.9)
    assert filled.blend == (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    assert filled.rerank_depths == (10, 20, 50, 100)
    assert filled.rerank_blends == tuple(tenth / 10 for tenth in range(11))
    assert Space(k1=[2]).within(["k1", "b"], "").k1 == (2,)
    assert Space(k1=[]).within([], "").k1 == ()


def test_values_for_what_is_not_there_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"k1 cannot be tuned here: it has none"):
        Space(k1=[0.9]).within(["blend"], "it has none")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fusion": "convex"}, "fusion of a Space must be a list"),
        ({"fusion": ["convexe"]}, "there is no fusion 'convexe'"),
        ({"weights": [0.5, 1.5]}, "each of weights must be a number from 0 to 1, not 1.5"),
        ({"weights": None}, "weights of a Space must be a list"),
        ({"depth": [0]}, "each depth must be a whole number"),
        ({"depth": 100}, "depth of a Space must be a list"),
        ({"blend": [-0.1]}, "each blend must be"),
        ({"k1": [0]}, "k1 must be above 0"),
        ({"b": [1.1]}, "b must be from 0 to 1"),
        ({"rerank_depths": [2.5]}, "each of rerank_depths"),
        ({"rerank_blends": [2]}, "each of rerank_blends"),
    ],
)
def test_bad_values_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Space(**values)
