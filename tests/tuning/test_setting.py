"""A setting and its values as people read them."""

from __future__ import annotations

from hybridge.fusion import RRF, ConvexCombination
from hybridge.passages import JSON
from hybridge.tuning import Setting
from hybridge.tuning.setting import PARAMETERS

CONFIG: dict[str, JSON] = {"name": "mine"}


def test_values_can_be_printed_and_sorted() -> None:
    setting = Setting(
        ConvexCombination("min-max"),
        {"bm25": 1.0, "dense": 2.0},
        50,
        blend=0.3,
        k1=0.9,
        rerank_depths=(20,),
        rerank_blends=(0.5,),
    )
    assert {name: setting.value(name) for name in PARAMETERS} == {
        "fusion": "convex normalization=min-max",
        "weights": 0.666667,
        "depth": 50,
        "blend": 0.3,
        "k1": 0.9,
        "b": None,
        "rerank_depths": 20,
        "rerank_blends": 0.5,
        "boost_weights": None,
    }


def test_what_is_not_set_is_none_and_two_rerankers_have_two_values() -> None:
    setting = Setting(RRF(), None, 50, rerank_depths=(50, 10), rerank_blends=(1.0, 0.5))
    assert setting.value("weights") is None
    assert setting.value("rerank_depths") == (50, 10)
    assert Setting(RRF(), None, 50).value("rerank_depths") is None


def test_equal_settings_are_one_key() -> None:
    first = Setting(RRF(), {"bm25": 0.5, "dense": 0.5}, 50)
    same = Setting(RRF(), {"dense": 0.5, "bm25": 0.5}, 50)
    other = Setting(RRF(), {"bm25": 0.4, "dense": 0.6}, 50)
    assert len({first, same, other}) == 2


class Mine(ConvexCombination):
    """A fusion of somebody's own: equal by value, without a hash, and what it gives is its own."""

    __hash__ = None  # type: ignore[assignment]

    def to_config(self) -> dict[str, JSON]:
        return CONFIG


def test_a_fusion_without_a_hash_is_a_setting_and_stays_as_it_is() -> None:
    mine = Mine("min-max")
    settings = [Setting(fusion, None, 50) for fusion in (Mine("min-max"), mine, Mine("z-score"))]
    assert len(set(settings)) == 2
    assert [settings[1].value("fusion") for _ in range(2)] == ["mine"] * 2
