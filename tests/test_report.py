"""One report in three forms: aligned text, tables of rich, and HTML that stands alone."""

from __future__ import annotations

import io
import re
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hybridge.errors import MissingExtraError
from hybridge.report import (
    _CIVIDIS,
    STYLE,
    Block,
    Heat,
    Section,
    Styled,
    Table,
    _colour,
    _luminance,
    highlighted,
    number,
    one_line,
    plain,
    to_fragment,
    to_html,
    to_page,
    to_rich,
    to_text,
)

BAD = "<script>alert('x')</script>&\"[bold]\x1b[31m"
TABLE = Table(["stage", "score"], [["bm25", "12.5"], ["dense", "0.75"]])


def rich_text(section: object, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(section)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


class Tags(HTMLParser):
    """Collects what a browser would see, and insists that tags are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    @property
    def names(self) -> set[str]:
        return {tag for tag, _ in self.seen}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_columns_of_numbers_are_aligned_to_the_right() -> None:
    assert to_text(Section(body=[TABLE])).splitlines() == [
        "stage  score",
        "bm25    12.5",
        "dense   0.75",
    ]
    assert rich_text(Section(body=[TABLE])).splitlines()[1].rstrip() == "bm25    12.5"
    cells = {tag for tag in map(repr, Tags(to_html(Section(body=[TABLE]))).seen) if "'n'" in tag}
    assert cells == {"('th', {'scope': 'col', 'class': 'n'})", "('td', {'class': 'n'})"}


def test_a_titled_section_is_indented_and_sections_nest() -> None:
    section = Section("A", ["one", Section("B", ["two", TABLE])])
    lines = ["A", "  one", "  B", "    two", "    stage  score"]
    assert to_text(section).splitlines()[:5] == lines
    assert [line.rstrip() for line in rich_text(section).splitlines()[:5]] == lines


def test_a_table_without_headings_or_rows() -> None:
    assert to_text(Section(body=[Table((), [["a", "1"], ["bc", "20"]])])) == "a    1\nbc  20"
    assert "<thead" not in to_html(Section(body=[Table((), [["a", "1"]])]))
    empty = Section(body=[Table(["", "a"], [])])
    assert to_text(empty) == "  a"
    assert to_html(empty).endswith(
        '<table><thead><tr><th scope="col"></th><th scope="col">a</th></tr></thead>'
        "<tbody></tbody></table></div>"
    )
    assert rich_text(empty).split() == ["a"]


def test_only_what_is_brief_is_shortened() -> None:
    table = Table(["word"], [[f"{'word' * 50} {row}"] for row in range(12)])
    section = Section("title " * 200, ["line " * 200, table])
    long = to_text(section).splitlines()
    assert len(long) == 15
    assert max(map(len, long)) > 1000
    assert "…" not in to_text(section)
    short = to_text(Section(section.title, section.body, brief=True)).splitlines()
    assert short[-1] == "  … and 4 more"
    assert max(map(len, short)) <= 120
    assert to_text(Section(body=[section], brief=True)).splitlines() == short
    shown = rich_text(Section(section.title, section.body, brief=True), 2000).splitlines()
    assert len(shown) == 15
    assert max(len(line.rstrip()) for line in shown) <= 402


def test_what_is_only_for_html_is_folded_there() -> None:
    section = Section(body=["seen", Section("more", ["hidden"], html_only=True)])
    assert to_text(section) == "seen"
    assert rich_text(section) == "seen\n"
    assert "<details><summary>more</summary><p>hidden</p></details>" in to_html(section)
    untitled = Section(body=[Section(body=["hidden"], html_only=True)])
    assert to_html(untitled).endswith("<p>hidden</p></div>")
    assert "hidden" not in to_text(untitled)


def test_styles_are_seen_in_colour_and_in_html() -> None:
    line = (Styled("p1", "strong"), ": ", Styled("lost", "bad"))
    assert plain(line) == to_text(Section(body=[line])) == "p1: lost"
    assert to_html(Section(body=[line])).endswith(
        '<p><b>p1</b>: <span class="bad">lost</span></p></div>'
    )
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Section(body=[line]))
    assert isinstance(console.file, io.StringIO)
    assert "\x1b[1mp1\x1b[0m: \x1b[31mlost\x1b[0m" in console.file.getvalue()


def test_words_are_highlighted_where_they_are() -> None:
    line = highlighted("<a> & b", ((1, 2), (6, 7)))
    assert plain(line) == "<a> & b"
    assert "&lt;<mark>a</mark>&gt; &amp; <mark>b</mark>" in to_html(Section(body=[line]))


def test_a_narrow_terminal_narrows_the_wide_column() -> None:
    rows = [["stage one", "a long text " * 20]]
    shown = rich_text(Section(body=[Table((), rows, wide=-1)]), 30).splitlines()
    assert max(map(len, shown)) <= 30
    assert shown[0].startswith("stage one  a long text")


@given(st.lists(st.text(max_size=12), min_size=5, max_size=5))
def test_any_text_stays_text(texts: list[str]) -> None:
    title, line, head, cell, name = (f"{BAD}{text}" for text in texts)
    table = Table([head], [[cell]])
    blocks: list[Block] = [(line, Styled(line, "dim")), table, Heat([name], [name], [[0.5]], table)]
    section = Section(title, blocks)
    tags = Tags(to_html(section))
    assert tags.names <= {
        *("div", "style", "h4", "p", "span"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert cell in tags.words
    for shown in (to_text(section), rich_text(section, 200)):
        assert "\x1b" not in shown
        assert "[bold]" in shown
    assert len(to_text(section).splitlines()) == 6
    assert "<script>" not in to_page(section, title)


def test_html_brings_nothing_from_outside_and_no_ground_of_its_own() -> None:
    html = to_html(Section("title", [TABLE]))
    assert "http" not in html
    assert "src=" not in html
    assert set(re.findall(r"[;{](?:color|background):([^;}]*)", html)) == {
        *("inherit", "none"),
        *("#e69f0066", "#0072b2"),  # of marks and bars, which show on both
        *("#000", "#fff"),  # of numbers in a heat map
    }
    page = to_page(Section("title", [TABLE]), "a & b")
    assert page.startswith("<!DOCTYPE html>")
    assert "<title>a &amp; b</title>" in page
    assert "color-scheme:light dark" in page


def test_tables_can_be_read_aloud() -> None:
    heads = [
        attrs.get("scope")
        for tag, attrs in Tags(to_html(Section(body=[TABLE]))).seen
        if tag == "th"
    ]
    assert heads == ["col", "col", "row", "row"]


def test_bars_are_as_long_as_their_numbers() -> None:
    table = Table(["term", "part"], [["a", "2.0"], ["b", "0.5"], ["c", "-1.0"]], bars=True)
    html = to_html(Section(body=[table]))
    assert re.findall(r'width="([\d.]+)em"', html) == [
        "10.00",
        "2.50",
        "0.00",
    ]


def test_heat_frames_the_best_of_each_row() -> None:
    heat = Heat(["a", "b"], ["c", "d"], [[0.1, 0.9], [0.8, 0.2]], TABLE)
    html = to_html(Section(body=[heat]))
    best = re.findall(r'<td class="best [^>]*>([\d.]+)</td>', html)
    assert best == ["0.90", "0.80"]
    assert to_text(Section(body=[heat])) == to_text(Section(body=[TABLE]))
    assert rich_text(Section(body=[heat])) == rich_text(Section(body=[TABLE]))
    names = ["n"] * 100
    for large in (Heat(names, names, [[0.0] * 100] * 100, TABLE), Heat([], [], [], TABLE)):
        assert to_html(Section(body=[large])) == to_html(Section(body=[TABLE]))


def test_ink_can_be_read_on_every_colour() -> None:
    for step in range(101):
        ground = _luminance(*_colour(step / 100))
        ink = 0.0 if ground > 0.179 else 1.0
        light, dark = max(ground, ink), min(ground, ink)
        assert (light + 0.05) / (dark + 0.05) >= 4.5
    assert _colour(0.0) == _CIVIDIS[0]
    assert _colour(1.0) == _CIVIDIS[-1]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short", "short"),
        ("two\n\n  lines\tof it", "two lines of it"),
        ("one two three, fourteen", "one two three …"),
        ("evil \x1b[31mred\x07 text", "evil [31mred text"),
        ("[bold]kept[/bold]", "[bold]kept[/bold]"),
        ("antidisestablishmentarian", "antidisestablish…"),
        ("", ""),
    ],
)
def test_one_line_is_short_and_harmless(text: str, shown: str) -> None:
    assert one_line(text, 17) == shown


@given(st.text(), st.integers(min_value=2, max_value=30))
def test_one_line_is_never_too_long(text: str, length: int) -> None:
    assert len(one_line(text, length)) <= length


def test_numbers() -> None:
    assert (number(1.23456), number(2, 1), number(None, 2)) == ("1.235", "2.0", "–")


def test_without_rich_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(MissingExtraError, match=r"hybridge\[cli\]"):
        to_rich(Section(body=["line"]))


def test_notebooks_get_both_forms() -> None:
    section = Section("title", [TABLE])
    bundle = section._repr_mimebundle_(include=None, exclude=None)
    assert bundle == {"text/plain": str(section), "text/html": section._repr_html_()}


def test_a_fragment_is_the_html_without_any_style() -> None:
    heat = Heat(["a"], ["b", "c"], [[0.1, 0.9]], TABLE)
    section = Section("title", [Table(["term", "part"], [["a", "2.0"]], bars=True), heat])
    fragment = to_fragment(section)
    assert "style" not in fragment
    assert to_html(section).replace(f"<style>{STYLE}</style>", "") == fragment
