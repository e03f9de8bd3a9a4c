"""Clicks corrected for their positions, against a simulation of users; thumbs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridge.errors import InvalidInputError
from hybridge.evaluation import load_clicks, load_thumbs

CSV = "query,passage,position,clicked\nwhy?,p1,1,0\nwhy?,p2,2,1\nwhy?,p3,3,0\n"
TSV = "passage\tclicked\tposition\tquery\tuser\np1\tfalse\t1\twhy?\tx\np2\tTrue\t2\twhy?\ty\n"
EQUAL = [1.0] * 10


def clicks(*shown: tuple[Any, ...], **options: Any) -> Any:
    return load_clicks([("q", *each) for each in shown], **options).qrels["q"]


@pytest.mark.parametrize(
    "source",
    [
        [("why?", "p1", 1, False), ("why?", "p2", 2, True), ("why?", "p3", 3, False)],
        [("why?", "p1", 1, 0), ("why?", "p2", "2", "yes"), (" why? ", "p3", 3.0, 0.0)],
        [("why?", "p1", np.int64(1), np.bool_(False)), ("why?", "p2", np.int64(2), np.int64(1))],
    ],
)
def test_records_in_memory(source: Any) -> None:
    collection = load_clicks(source)
    assert collection.queries == {"why?": "why?"}
    # The second is clicked; the third was looked at with a probability of a third.
    assert collection.qrels == {"why?": {"p1": 0, "p2": 1}}
    assert collection.passages == ()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("clicks.csv", CSV),
        ("clicks.tsv", TSV),
        (
            "clicks.jsonl",
            "".join(
                json.dumps({"query": "why?", "passage": p, "position": k, "clicked": c}) + "\n"
                for p, k, c in [("p1", 1, False), ("p2", 2, True)]
            ),
        ),
    ],
)
def test_files(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert load_clicks(tmp_path / name).qrels == {"why?": {"p1": 0, "p2": 1}}


def test_the_rate_is_clicks_over_expected_looks() -> None:
    # Four times at position 4: one look is expected; two clicks in ten looks, by hand.
    deep = [("p", 4, 0)] * 4
    assert clicks(*deep, ("x", 1, 1)) == {"p": 0, "x": 1}
    assert clicks(*deep[1:], ("x", 1, 1)) == {"x": 1}
    shown = [("p", 1, 1)] * 2 + [("p", 1, 0)] * 8
    assert clicks(*shown, min_rate=0.2) == {"p": 1}
    assert clicks(*shown, ("x", 1, 1), min_rate=0.21) == {"p": 0, "x": 1}


def test_a_click_at_the_end_weighs_more_than_one_on_top() -> None:
    top = [("top", 1, 1)] + [("top", 1, 0)] * 19
    deep = [("deep", 10, 1)] + [("deep", 10, 0)] * 19
    assert clicks(*top, *deep) == {"top": 0, "deep": 1}  # rates of 1/20 and 1/2
    assert clicks(*top, *deep, propensities=EQUAL, min_rate=0.05) == {"top": 1, "deep": 1}


def test_seldom_shown_passages_have_no_judgement() -> None:
    shown = [("p", 1, 1), ("x", 1, 1), ("x", 1, 0), ("y", 1, 0), ("z", 2, 0), ("z", 2, 0)]
    assert clicks(*shown) == {"p": 1, "x": 1, "y": 0, "z": 0}
    assert clicks(*shown, min_impressions=2) == {"x": 1}


def test_clicks_find_what_users_like_and_not_where_it_stood() -> None:
    """A bad passage on top has more clicks than a good one at the end; its rate is lower."""
    random = np.random.default_rng(17)
    liked = {f"p{k}": 0.6 if k in (5, 8) else 0.05 for k in range(1, 11)}
    shown = []
    for _ in range(400):
        for k, (passage, share) in enumerate(liked.items(), start=1):
            clicked = random.random() < 1 / k and random.random() < share
            shown.append((passage, k, clicked))
    expected = {passage: int(share > 0.3) for passage, share in liked.items()}
    assert clicks(*shown, min_rate=0.3) == expected
    counts = {passage: sum(c for p, _, c in shown if p == passage) for passage in liked}
    assert counts["p1"] > 0.3 * counts["p8"]
    raw = clicks(*shown, ("x", 1, 1), propensities=EQUAL, min_rate=0.3)
    assert raw == {**dict.fromkeys(liked, 0), "x": 1}


def test_queries_without_a_click_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    shown = [("why?", "p1", 1, 1), ("who?", "p1", 1, 0), ("when?", "p2", 9, 0)]
    collection = load_clicks(shown, propensities=EQUAL)
    assert collection.queries == {"why?": "why?"}
    [record] = caplog.records
    assert "the clicks: 2 of 3 queries have no relevant passage" in record.getMessage()


def test_position_bias_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    load_clicks([("why?", "p1", 1, 1)])
    load_clicks([{"query": "why?", "passage": "p1", "clicked": True}])
    load_clicks([("why?", "p1", None, 1)], propensities=[1.0])
    assumed, *unknown = (record.getMessage() for record in caplog.records)
    assert "assuming that 1 / position of them look" in assumed
    assert ["clicks without positions" in message for message in unknown] == [True, True]
    caplog.clear()
    load_clicks([("why?", "p1", 1, 1)], propensities=[0.9])
    assert not caplog.records


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (" ,p1,1,1", "'query' must be a text"),
        ("why?,,1,1", "'passage' must be an id"),
        ("why?,p1,0,1", "'position' must be a whole number from 1, not '0'"),
        ("why?,p1,1.5,1", "'position' must be a whole number"),
        ("why?,p1,1,maybe", "'clicked' must be 1 or 0, true or false, not 'maybe'"),
        ("why?,p1,1,", "'clicked' must be 1 or 0"),
        ("why?,p1,1", "expected 4 cells"),
    ],
)
def test_broken_clicks_are_named_with_the_line(tmp_path: Path, row: str, says: str) -> None:
    file = tmp_path / "clicks.csv"
    file.write_text(f"{CSV}{row}\n")
    with pytest.raises(InvalidInputError, match=rf"clicks\.csv, line 5: {says}"):
        load_clicks(file)


def test_numbers_as_pandas_writes_them_beside_gaps(tmp_path: Path) -> None:
    file = tmp_path / "clicks.csv"
    file.write_text("query,passage,position,clicked\nwhy?,a,1.0,0.0\nwhy?,b,2.0,1.0\nwhy?,c,,1.0\n")
    assert load_clicks(file).qrels == {"why?": {"a": 0, "b": 1, "c": 1}}
    file.write_text("query,passage,thumb\nwhy?,a,1.0\nwhy?,b,-1.0\n")
    assert load_thumbs(file).qrels == {"why?": {"a": 1, "b": 0}}


@pytest.mark.parametrize("position", [True, float("nan"), -1, "²"])
def test_other_positions_are_refused(position: object) -> None:
    with pytest.raises(InvalidInputError, match="record 1: 'position' must be"):
        clicks(("p", position, 1))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"propensities": [1, 0]}, "above 0 and at most 1, not 0"),
        ({"propensities": [1.5]}, "not 1.5"),
        ({"propensities": 0.5}, "must be a list, .* not 0.5"),
        ({"propensities": [float("nan")]}, "not nan"),
        ({"propensities": [True]}, "not True"),
        ({"propensities": [1.0]}, "record 2: position 2 has no propensity, there are 1"),
        ({"min_impressions": 0}, "min_impressions must be a whole number"),
        ({"min_rate": 1.5}, "min_rate must be a number from 0 to 1"),
        ({"min_impressions": 5}, "none of 1 queries has a relevant passage"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        clicks(("p", 1, 0), ("x", 2, 1), **options)


def test_no_clicks_at_all(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text("query,passage,position,clicked\n")
    with pytest.raises(InvalidInputError, match="none of 0 queries has a relevant passage"):
        load_clicks(tmp_path / "clicks.csv")
    (tmp_path / "clicks.csv").write_text("why?,p1,1,0\nwhy?,p2,2,1\n")
    with pytest.raises(InvalidInputError, match="line 2: there is no field 'query', only why"):
        load_clicks(tmp_path / "clicks.csv")


@pytest.mark.parametrize(
    ("up", "down"), [(1, -1), ("up", "down"), (True, False), ("+1", "0"), ("👍", "👎"), (1.0, -1.0)]
)
def test_the_majority_of_thumbs_decides(up: object, down: object) -> None:
    votes = [("why?", "a", up), ("why?", "a", up), ("why?", "a", down)]
    votes += [("why?", "b", down), ("why?", "c", up), ("why?", "c", down)]
    collection = load_thumbs(votes)
    assert collection.qrels == {"why?": {"a": 1, "b": 0}}
    assert collection.queries == {"why?": "why?"}
    assert load_thumbs(votes, min_votes=2).qrels == {"why?": {"a": 1}}


def test_thumbs_of_a_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "thumbs.tsv"
    file.write_text("thumb\tquery\tpassage\nup\twhy?\t7\ndown\twho?\t7\n")
    assert load_thumbs(file).qrels == {"why?": {"7": 1}}
    [record] = caplog.records
    assert "thumbs.tsv: 1 of 2 queries have no relevant passage" in record.getMessage()
    file.write_text("thumb\tquery\tpassage\nup\twhy?\t7\n2\twho?\t7\n")
    with pytest.raises(InvalidInputError, match=r"line 3: 'thumb' must be 1 or -1, .* not '2'"):
        load_thumbs(file)
    with pytest.raises(InvalidInputError, match="min_votes must be a whole number"):
        load_thumbs(file, min_votes=0)
