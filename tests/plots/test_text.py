"""Text from anywhere is drawn without a warning, and cut where it does not fit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge import Hit, Passage
from hybridge.plots import Picture, rank_flow
from hybridge.plots.text import names, readable, shortened, width_of

HOSTILE = [
    r"$\frac{1}{0$ costs $5 and $6 % \n \\ _^{}",
    "漢字かな交じり文と한국어",
    "🦜🔗 👩‍👩‍👧‍👦 emoji",
    "עברית مرحبا \u202eright to left",
    "zero\u200bwidth\x00\x1b[31mcontrol\r\n\tlines",
    "<b>&amp;</b>" * 40,
    "Zalgo e\u0301\u0323\u0302\u0303" * 5,
    " ",
]


@pytest.mark.parametrize("title", HOSTILE)
def test_any_title_is_drawn_and_saved(
    title: str,
    hits_of: Callable[..., list[Hit]],
    check_tidy: Callable[[Picture], None],
) -> None:
    picture = rank_flow(hits_of({"bm25": ["a", "b"], f"x {title}": ["b", "a"]}, title))
    check_tidy(picture)
    assert picture._bytes("svg")


def test_a_dollar_is_a_dollar(
    hits_of: Callable[..., list[Hit]], texts_of: Callable[..., list[str]]
) -> None:
    picture = rank_flow(hits_of({"bm25": ["a"]}, "$x^2$"))
    assert "$x^2$" in texts_of(picture.figure)
    from matplotlib.text import Text

    found = picture.figure.findobj(Text)
    assert not any(text.get_parse_math() for text in found if "$" in text.get_text())


@settings(deadline=None)
@given(st.text(max_size=60), st.floats(20, 300))
def test_shortened_text_fits(text: str, width: float) -> None:
    for keep_end in (False, True):
        assert width_of(shortened(text, width, keep_end=keep_end)) <= width
    if width_of(readable(text)) <= width:
        assert shortened(text, width) == readable(text)


def test_a_long_text_is_cut_at_either_end() -> None:
    text = "".join(f"{number} " for number in range(100_000))
    assert shortened(text, 100).startswith("0 1 2 3")
    assert shortened(text, 100, keep_end=True).endswith("99998 99999")
    assert width_of(shortened("i" * 1000, 100)) > 95


def test_passages_that_share_a_title_are_told_apart_by_their_ids() -> None:
    long = {"title": "A title that many parts of one very long document have in common"}
    passages = [Passage(f"folder/of/documents/file#{i}", "x", long) for i in (11, 12)]
    first, second = names(passages, 140)
    assert first.startswith("A")
    assert first.endswith("#11")
    assert second.endswith("#12")
    assert max(map(width_of, (first, second))) <= 140


def test_a_title_in_no_font_s_letters_gives_way_to_the_id() -> None:
    unknown = chr(0x10FFFF) * 3
    assert names([Passage("a", "x", {"title": unknown})], 100) == ["a"]
    assert names([Passage("a", "x", {"title": f"{unknown} b"})], 100) == ["□□□ b"]
