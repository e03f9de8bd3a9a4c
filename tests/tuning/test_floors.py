"""Calibration: the minimum is where Youden's index is greatest within the loss that is allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.errors import InvalidInputError
from hybridge.tuning import calibrate_floor

# A query's number is its cosine with the passages, which are all alike but for "far".
VECTORS = {"near": [1.0, 0.0], "far": [-1.0, 0.0]}


def vectors(texts: Sequence[str]) -> list[list[float]]:
    def one(text: str) -> list[float]:
        cosine = float(text)
        return [cosine, (1 - cosine**2) ** 0.5]

    return [VECTORS.get(text) or one(text) for text in texts]


@pytest.fixture
def index() -> Iterator[HybridIndex]:
    encoder = CallableEncoder(vectors, dimension=2, identity="cosines")
    with HybridIndex.create(encoder=encoder) as index:
        index.add([Passage("p", "near"), Passage("f", "far")])
        yield index


def asked(cosines: Sequence[float]) -> tuple[dict[str, str], Mapping[str, Mapping[str, int]]]:
    queries = {f"q{n}": str(cosine) for n, cosine in enumerate(cosines)}
    return queries, {query: {"p": 1} for query in queries}


@pytest.mark.engine
def test_the_minimum_is_half_way_between_what_it_parts(index: HybridIndex) -> None:
    queries, qrels = asked([0.5, 0.6, 0.7, 0.8])
    found = calibrate_floor(index, "dense", queries, qrels, ["0.1", "0.2", "0.3"])
    assert found.chosen is not None
    assert (found.chosen.nothing, found.chosen.lost) == (1.0, 0.0)
    assert found.floor == {"dense": pytest.approx(0.4)}
    assert (found.auc, found.answered, found.unanswerable) == (1.0, 4, 3)
    floored = found.apply()
    lists = floored.search(["0.5", "0.3"])
    assert [[hit.passage.id for hit in hits] for hits in lists] == [["p"], []]
    assert "100.0 % of 3 questions without an answer find nothing" in str(found)


@pytest.mark.engine
def test_no_more_is_lost_than_allowed(index: HybridIndex) -> None:
    answers = [0.2, 0.45, *np.linspace(0.5, 0.9, 18).round(3).tolist()]
    queries, qrels = asked(answers)
    off_topic = ["0.1", "0.3", "0.4", "0.42", "0.47", "0.48"]
    # Up to 0.2 the first finds nothing; losing 0.2, four do; losing 0.45 as well, all.
    for most, minimum, nothing, lost in (
        (0.0, 0.15, 1 / 6, 0.0),
        (0.05, 0.435, 4 / 6, 0.05),
        (0.1, 0.49, 1.0, 0.1),
        (1.0, 0.49, 1.0, 0.1),
    ):
        found = calibrate_floor(index, "dense", queries, qrels, off_topic, max_loss=most)
        assert found.chosen is not None
        assert found.chosen.minimum == pytest.approx(minimum, abs=1e-6)
        assert (found.chosen.nothing, found.chosen.lost) == pytest.approx((nothing, lost))
    first, last = found.points[0], found.points[-1]
    assert (first.nothing, first.lost) == (0.0, 0.0)
    assert last.nothing == 1.0
    assert [point.minimum for point in found.points] == sorted(p.minimum for p in found.points)


@pytest.mark.engine
def test_a_list_is_as_good_as_its_best_hit(index: HybridIndex) -> None:
    queries, _ = asked([0.5, 0.6, 0.7, 0.8])
    qrels = {query: {"f": 1} for query in queries}  # the far one, of cosine -0.5 to -0.8
    off_topic = ["0.1", "0.2", "0.3"]
    each = calibrate_floor(index, "dense", queries, qrels, off_topic)
    assert each.chosen is None
    assert "cannot be told apart (area under the curve 0.000" in each.verdict
    with pytest.raises(InvalidInputError, match="cannot be told apart"):
        each.apply()
    whole = calibrate_floor(index, "dense", queries, qrels, off_topic, of="list")
    assert whole.floor == {"dense": pytest.approx(0.4)}
    lists = whole.apply().search(["0.5", "0.3"])
    assert [{hit.passage.id for hit in hits} for hits in lists] == [{"p", "f"}, set()]


@pytest.mark.engine
def test_what_is_not_valid_is_refused(index: HybridIndex) -> None:
    queries, qrels = asked([0.5])
    with pytest.raises(InvalidInputError, match="'fusion' scores depend on the list"):
        calibrate_floor(index, "fusion", queries, qrels, ["0.1"])
    with pytest.raises(InvalidInputError, match="no question without an answer"):
        calibrate_floor(index, "dense", queries, qrels, [])
    with pytest.raises(InvalidInputError, match="none of 1 questions is answered"):
        calibrate_floor(index, "dense", queries, {"q0": {"other": 1}}, ["0.1"])
    with pytest.raises(InvalidInputError, match="max_loss must be a number from 0 to 1"):
        calibrate_floor(index, "dense", queries, qrels, ["0.1"], max_loss=3)
    with pytest.raises(InvalidInputError, match='each "hit" or of the "list"'):
        calibrate_floor(index, "dense", queries, qrels, ["0.1"], of="all")  # type: ignore[arg-type]
