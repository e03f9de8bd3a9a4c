"""The registry, and what must be true of every fusion that is in it."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping, Sequence
from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.errors import InvalidInputError
from hybridge.fusion import (
    FUSIONS,
    RRF,
    ConvexCombination,
    Fusion,
    from_config,
    get_fusion,
)
from hybridge.passages import JSON

Run = dict[str, float]

OBJECTS: list[Fusion] = [
    *(get_fusion(name) for name in FUSIONS),
    ConvexCombination(normalization="min-max"),
    ConvexCombination(normalization="dbsf"),
    RRF(k=0.5, weighted=True),
]
NORMALIZING = [fusion for fusion in OBJECTS if "rrf" not in fusion.name]
WEIGHTED = [fusion for fusion in OBJECTS if fusion.name != "rrf"]

every_fusion = pytest.mark.parametrize("fusion", OBJECTS, ids=repr)
many_examples = settings(deadline=None, max_examples=60)

# Whole numbers: far enough apart that no rounding can make two of them equal.
scores = st.integers(-500, 500).map(float)
weights = st.integers(1, 50).map(float)


@st.composite
def weighted_runs(draw: st.DrawFn) -> tuple[list[Run], list[float]]:
    """Runs that all score one set of candidates, so that a completing fusion takes them too."""
    candidates = draw(st.lists(st.sampled_from("abcdefghijkl"), min_size=1, unique=True))
    count = draw(st.integers(1, 4))
    runs = [
        {each: draw(scores) for each in draw(st.permutations(candidates))} for _ in range(count)
    ]
    return runs, draw(st.lists(weights, min_size=count, max_size=count))


def known_weights(fusion: Fusion, weights: list[float]) -> list[float] | None:
    return None if fusion.name == "rrf" else weights


def best_first(run: Mapping[str, float]) -> list[str]:
    return sorted(run, key=lambda each: (-run[each], each))


def close(fused: Mapping[str, float]) -> object:
    return pytest.approx(fused, rel=1e-6, abs=1e-9)


@every_fusion
@many_examples
@given(given=weighted_runs())
def test_every_candidate_gets_one_python_float(
    fusion: Fusion, given: tuple[list[Run], list[float]]
) -> None:
    runs, weights = given
    fused = fusion.fuse(runs, known_weights(fusion, weights))
    assert set(fused) == set().union(*runs)
    assert all(type(score) is float for score in fused.values())


@every_fusion
@many_examples
@given(given=weighted_runs())
def test_the_order_of_the_runs_is_irrelevant(
    fusion: Fusion, given: tuple[list[Run], list[float]]
) -> None:
    runs, weights = given
    there = fusion.fuse(runs, known_weights(fusion, weights))
    back = fusion.fuse(runs[::-1], known_weights(fusion, weights[::-1]))
    assert there == back


@every_fusion
@many_examples
@given(given=weighted_runs())
def test_the_order_inside_a_run_is_irrelevant(
    fusion: Fusion, given: tuple[list[Run], list[float]]
) -> None:
    runs, weights = given
    shuffled = [{each: run[each] for each in sorted(run, reverse=True)} for run in runs]
    assert fusion.fuse(runs, known_weights(fusion, weights)) == fusion.fuse(
        shuffled, known_weights(fusion, weights)
    )


@every_fusion
@many_examples
@given(run=st.dictionaries(st.sampled_from("abcdefghijkl"), scores, min_size=1))
def test_a_single_run_keeps_its_order(fusion: Fusion, run: Run) -> None:
    assert best_first(fusion.fuse([run])) == best_first(run)


@pytest.mark.parametrize("fusion", WEIGHTED, ids=repr)
@many_examples
@given(given=weighted_runs(), factor=st.floats(1e-3, 1e3))
def test_only_the_ratios_of_the_weights_matter(
    fusion: Fusion, given: tuple[list[Run], list[float]], factor: float
) -> None:
    runs, weights = given
    assert fusion.fuse(runs, [weight * factor for weight in weights]) == close(
        fusion.fuse(runs, weights)
    )


@pytest.mark.parametrize("fusion", NORMALIZING, ids=repr)
@many_examples
@given(given=weighted_runs(), factor=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
def test_the_unit_of_a_runs_scores_is_irrelevant(
    fusion: Fusion, given: tuple[list[Run], list[float]], factor: float, shift: float
) -> None:
    runs, weights = given
    other = [{each: score * factor + shift for each, score in runs[0].items()}, *runs[1:]]
    assert fusion.fuse(other, weights) == close(fusion.fuse(runs, weights))


@pytest.mark.parametrize("fusion", [RRF(), RRF(weighted=True)], ids=repr)
@many_examples
@given(given=weighted_runs())
def test_only_ranks_matter_to_reciprocal_rank_fusion(
    fusion: Fusion, given: tuple[list[Run], list[float]]
) -> None:
    runs, weights = given
    cubed = [{each: score**3 for each, score in run.items()} for run in runs]
    assert fusion.fuse(cubed, known_weights(fusion, weights)) == fusion.fuse(
        runs, known_weights(fusion, weights)
    )


@every_fusion
def test_a_run_without_candidates_adds_nothing(fusion: Fusion) -> None:
    run = {"a": 3.0, "b": 1.0, "c": 2.0}
    alone, beside = fusion.fuse([run]), fusion.fuse([{}, run, {}])
    # Its weight is not spread over the others: the scores shrink together and the order stays.
    shrunk = 1 if fusion.name == "rrf" else 3
    assert {each: score * shrunk for each, score in beside.items()} == close(alone)


@every_fusion
def test_nothing_fuses_to_nothing(fusion: Fusion) -> None:
    assert fusion.fuse([]) == fusion.fuse([{}]) == fusion.fuse([{}, {}], [1, 1]) == {}


@every_fusion
def test_inputs_are_not_changed(fusion: Fusion) -> None:
    runs: Sequence[Run] = ({"b": 1.0, "a": 3.0}, {"a": 0.5, "b": 0.7})
    weights = [2.0, 2.0]
    before = copy.deepcopy(runs)
    fused = fusion.fuse(runs, weights)
    fused["a"] = 99.0
    assert runs == before
    assert [list(run) for run in runs] == [["b", "a"], ["a", "b"]]
    assert weights == [2.0, 2.0]


@every_fusion
def test_any_hashable_is_a_candidate_and_any_number_a_score(fusion: Fusion) -> None:
    fused = fusion.fuse([{(1, "x"): np.float32(2.0), (2, "y"): np.float32(1.0)}])
    assert best_first(fused) == [(1, "x"), (2, "y")]
    assert all(type(score) is float for score in fused.values())


@every_fusion
def test_a_score_that_is_no_number_is_refused(fusion: Fusion) -> None:
    with pytest.raises(InvalidInputError, match="'b' has the score nan"):
        fusion.fuse([{"a": 1.0, "b": nan}])


@every_fusion
def test_weights_must_fit_the_runs(fusion: Fusion) -> None:
    with pytest.raises(InvalidInputError, match="1 weights for 2 runs"):
        fusion.fuse([{"a": 1.0}, {"a": 2.0}], [1.0])


@every_fusion
def test_a_fusion_survives_json(fusion: Fusion) -> None:
    assert from_config(json.loads(json.dumps(fusion.to_config()))) == fusion


@every_fusion
def test_a_fusion_is_frozen_and_hashable(fusion: Fusion) -> None:
    assert hash(fusion) == hash(copy.deepcopy(fusion))
    assert dataclasses.is_dataclass(fusion)
    with pytest.raises(AttributeError):
        fusion.name = "other"


def test_names_are_what_the_registry_says() -> None:
    assert list(FUSIONS) == ["convex", "min-max", "z-score", "dbsf", "rrf", "weighted-rrf"]
    assert [get_fusion(name).name for name in FUSIONS] == list(FUSIONS)
    assert [name for name in FUSIONS if get_fusion(name).completes] == ["convex"]


def test_the_default_is_the_convex_combination() -> None:
    assert get_fusion() == ConvexCombination()


def test_an_object_is_taken_as_it_is() -> None:
    fusion = RRF(k=7)
    assert get_fusion(fusion) is fusion


@pytest.mark.parametrize("wrong", ["RRF", "", 60, None, RRF, object()])
def test_what_is_no_fusion_is_refused_with_the_choices(wrong: object) -> None:
    with pytest.raises(InvalidInputError, match="weighted-rrf"):
        get_fusion(wrong)


@pytest.mark.parametrize(
    "config",
    [{}, {"name": "nope"}, {"name": ["rrf"]}, {"name": "rrf", "q": 1}, {"name": "rrf", "k": "9"}],
)
def test_a_config_that_describes_no_fusion_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        from_config(config)


@pytest.mark.parametrize(
    ("config", "fusion"),
    [
        ({"name": "convex", "normalization": "z-score"}, ConvexCombination()),
        ({"name": "convex", "normalization": "min-max"}, ConvexCombination("min-max")),
        ({"name": "min-max"}, ConvexCombination("min-max", completes=False)),
        ({"name": "z-score"}, ConvexCombination("z-score", completes=False)),
        ({"name": "dbsf"}, ConvexCombination("dbsf", completes=False)),
        ({"name": "rrf", "k": 60}, RRF()),
        ({"name": "weighted-rrf", "k": 7}, RRF(7, weighted=True)),
    ],
)
def test_what_is_on_disk_is_read_and_written_as_ever(
    config: dict[str, JSON], fusion: Fusion
) -> None:
    assert from_config(config) == fusion
    assert fusion.to_config() == config


def test_a_config_is_not_changed() -> None:
    config = {"name": "rrf", "k": 5}
    from_config(config)
    assert config == {"name": "rrf", "k": 5}


def test_a_new_fusion_is_one_line_in_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loudest(ConvexCombination):
        name = "loudest"

    monkeypatch.setitem(FUSIONS, "loudest", Loudest)
    assert isinstance(get_fusion("loudest"), Loudest)
    assert isinstance(from_config(Loudest().to_config()), Loudest)
