"""The table of an evaluation: aligned, escaped, marked where a difference is significant."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from hybridge.evaluation import Evaluation


def rated(**values: float) -> dict[str, dict[str, dict[str, float]]]:
    """Ten queries of one value each, a few of them apart, so that nothing is all the same."""
    return {
        name: {
            "nDCG@10": {f"q{n}": value + n / 100 for n in range(10)},
            "R@5": {f"q{n}": (0.5 if n % 2 else 0.25) for n in range(10)},
        }
        for name, value in values.items()
    }


def test_the_table_lines_up() -> None:
    evaluation = Evaluation(
        {
            "bm25": {"nDCG@10": {"q": 0.5}, "R@5": {"q": 1.0}},
            "x": {"nDCG@10": {"q": 0.25}, "R@5": {"q": 0.0}},
        },
        latencies={"bm25": {"q": 0.00123}},
    )
    assert str(evaluation).splitlines() == [
        "      nDCG@10     R@5  p50 ms  p95 ms",
        "bm25   0.5000  1.0000     1.2     1.2",
        "x      0.2500  0.0000       –       –",
    ]
    assert str(Evaluation(evaluation.values)).splitlines()[1] == "bm25   0.5000  1.0000"


def test_differences_that_are_no_chance_are_marked() -> None:
    evaluation = Evaluation(rated(base=0.5, up=0.6, down=0.25, same=0.5), baseline="base")
    head, base, up, down, same, note = str(evaluation).splitlines()
    assert head.split() == ["nDCG@10", "R@5"]
    assert base.split() == ["base", "0.5450", "0.3750"]
    assert up.split() == ["up", "0.6450▲", "0.3750"]
    assert down.split() == ["down", "0.2950▼", "0.3750"]
    assert same.split() == ["same", "0.5450", "0.3750"]
    assert note == (
        "▲ better, ▼ worse than base: p < 0.05, paired permutation test, corrected "
        "(Benjamini–Hochberg)"
    )


def test_that_nothing_is_significant_is_said() -> None:
    *_, note = str(Evaluation(rated(base=0.5, same=0.5), baseline="base")).splitlines()
    assert note.startswith("no difference from base is significant: p < 0.05, paired permutation")


def test_the_marks_are_those_of_compare() -> None:
    evaluation = Evaluation(rated(base=0.5, up=0.51, other=0.4), baseline="base")
    marked = {line.split()[0] for line in str(evaluation).splitlines()[1:-1] if "▲" in line}
    assert marked == {one.retriever for one in evaluation.compare() if one.difference > 0}
    assert all(one.corrected < 0.05 for one in evaluation.compare())


@pytest.mark.parametrize(
    "evaluation",
    [
        Evaluation(rated(base=0.5, up=0.6)),
        Evaluation(rated(base=0.5), baseline="base"),
        Evaluation({"a": {"R@5": {"q": 1.0}}, "b": {"R@5": {"q": 0.0}}}, baseline="a"),
    ],
    ids=["no baseline", "nothing beside it", "one query"],
)
def test_where_nothing_can_be_compared_there_is_no_note(evaluation: Evaluation) -> None:
    assert not set(str(evaluation)) & {"▲", "▼"}
    assert "permutation" not in str(evaluation)


def test_html_is_escaped_and_brings_nothing_from_outside() -> None:
    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.tags: set[str] = set()
            self.cells: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.open.append(tag)
            self.tags.add(tag)
            assert {name for name, _ in attrs} <= {"scope", "class"}

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

        def handle_data(self, data: str) -> None:
            self.cells.append(data)

    name = "<script>alert('x')</script>&"
    values = rated(base=0.5, up=0.6)
    html = Evaluation({name: values["base"], "up": values["up"]}, baseline=name)._repr_html_()
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    tables = {"table", "thead", "tbody", "tr", "th", "td"}
    assert reader.tags == {"div", "style", "p", "span"} | tables
    assert name in reader.cells
    assert "0.6450▲" in reader.cells
    assert "http" not in html
    assert set(re.findall(r"[;{]color:(\w+)", html)) == {"inherit"}  # neither dark nor light


def test_rich_takes_names_as_they_are() -> None:
    screen = Console(file=io.StringIO(), width=60)
    values = rated(base=0.5, up=0.6)
    screen.print(Evaluation({"[bold]a[/]": values["base"], "up": values["up"]}, baseline="up"))
    written = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "[bold]a[/]" in written
    assert "0.5450▼" in written
    assert "▲ better" in written
