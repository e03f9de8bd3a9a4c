"""Splitting: sizes, headings and which lines are not headings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.errors import InvalidInputError
from hybridge.splitting import PASSAGE_SIZE, Section, last_heading, split_sections, split_text


def test_a_short_text_is_one_passage() -> None:
    [passage] = split_text("Just this.", source="note.txt")
    assert (passage.id, passage.text) == ("note.txt#0", "Just this.")
    assert passage.metadata == {"source": "note.txt", "position": 0}


def test_blank_text_is_no_passage() -> None:
    assert list(split_text(" \n\n ", source="s")) == []


@given(
    st.text(st.sampled_from("ab .\n"), max_size=400),
    st.integers(5, 60),
)
def test_plain_text_is_kept_whole_in_order_and_within_the_size(text: str, size: int) -> None:
    passages = list(split_text(text, source="s", size=size))
    assert all(0 < len(passage.text) <= size for passage in passages)
    assert "".join("".join(p.text.split()) for p in passages) == "".join(text.split())
    assert [passage.id for passage in passages] == [f"s#{n}" for n in range(len(passages))]
    assert [passage.metadata["position"] for passage in passages] == list(range(len(passages)))


MARKDOWN = """# Guide

Welcome to it.

## Install

First line of install.

```bash
# not a heading
pip install it
```

Underlined
----------

Under the line.
"""


def test_markdown_passages_carry_the_heading_they_stand_under() -> None:
    passages = list(split_text(MARKDOWN, source="g.md", markup="markdown", size=45))
    titles = [(passage.metadata["title"], passage.text) for passage in passages]
    assert titles == [
        ("Guide", "Guide\n\nWelcome to it."),
        ("Install", "Install\n\nFirst line of install."),
        ("Install", "Install\n\n```bash\n# not a heading\npip install it\n```"),
        ("Underlined", "Underlined\n\nUnder the line."),
    ]


def test_a_heading_that_is_cut_off_alone_is_carried_by_the_next_passage() -> None:
    text = "# A heading\n\n" + "word " * 20
    first, *rest = split_text(text, source="s", markup="markdown", size=40)
    assert first.id == "s#0"
    assert first.text.startswith("A heading\n\nword word")
    assert all(passage.text.startswith("A heading\n\n") for passage in rest)


def test_text_before_the_first_heading_has_no_title() -> None:
    first, second = split_text("Preface.\n\n# One\n\nText.", source="s", markup="markdown", size=13)
    assert "title" not in first.metadata
    assert second.metadata["title"] == "One"


@pytest.mark.parametrize(
    "text",
    [
        "---\ntitle: Front\nkind: matter\n---\n\nBody.",
        "```\n# comment\n```\n\nBody.",
        "~~~\nTitle\n=====\n~~~\n\nBody.",
        "#hashtag\n\nBody.",
        "- - -\n\nBody.",
        "Body.\n\n---\n",
        "| a |\n---\n\nBody.",
        "```\n# a fence that never closes",
    ],
)
def test_what_only_looks_like_a_markdown_heading(text: str) -> None:
    passages = list(split_text(text, source="s", markup="markdown"))
    assert passages
    assert all("title" not in passage.metadata for passage in passages)


def test_closing_hashes_are_no_part_of_a_title() -> None:
    [passage] = split_text("### Closed ###\n\nText.", source="s", markup="markdown")
    assert passage.metadata["title"] == "Closed"


def test_restructured_text_headings_are_underlined_lines() -> None:
    text = "Calls\n*****\n\nA call calls.\n\nEmulating callable objects\n" + "=" * 26 + "\n\nMore."
    first, second = split_text(text, source="calls", markup="rst", size=60)
    assert (first.metadata["title"], second.metadata["title"]) == (
        "Calls",
        "Emulating callable objects",
    )


def test_a_restructured_text_title_may_have_a_line_above_it_too() -> None:
    [passage] = split_text("=======\n Title\n=======\n\nText.", source="s", markup="rst")
    assert (passage.metadata["title"], passage.text) == ("Title", "Title\n\nText.")


def test_a_restructured_text_table_is_no_heading() -> None:
    [passage] = split_text("====  ====\nA     B\n====  ====\n", source="s", markup="rst")
    assert "title" not in passage.metadata


def test_plain_text_has_no_headings() -> None:
    [passage] = split_text("# One\n\nTwo\n===\n", source="s")
    assert "title" not in passage.metadata


def test_offsets_count_characters_not_bytes() -> None:
    text = "é" * 30 + "\n\n# Später\n\n" + "ü" * 10 + "\n\n" + "ö" * 20
    passages = list(split_text(text, source="s", markup="markdown", size=32))
    assert [passage.metadata.get("title") for passage in passages] == [None, "Später", "Später"]


def test_the_default_size_bounds_passages() -> None:
    passages = list(split_text("A sentence of words. " * 500, source="s"))
    assert len(passages) > 10
    assert PASSAGE_SIZE // 2 < max(len(passage.text) for passage in passages) <= PASSAGE_SIZE


def test_a_pair_of_sizes_says_when_a_passage_is_enough() -> None:
    text = "\n\n".join(["x" * 40] * 10)
    assert len(list(split_text(text, source="s", size=(40, 200)))) == 10
    assert len(list(split_text(text, source="s", size=200))) == 3


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "9", (1,), (1, 2, 3), (9, 3), (0, 5)])
def test_sizes_that_are_none(size: object) -> None:
    with pytest.raises(InvalidInputError, match="size"):
        split_text("text", source="s", size=size)  # type: ignore[arg-type]


def test_an_unknown_markup_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"text, markdown, rst.*'latex'"):
        split_text("text", source="s", markup="latex")  # type: ignore[arg-type]


def test_no_passage_crosses_a_section_and_positions_count_on() -> None:
    sections = [
        Section("One.\n\nTwo.", title="Page", metadata={"page": 1}),
        Section(" \n"),
        Section("# Own\n\nThree.", "markdown", "Above", {"page": 2}),
        Section("Four.\n\n# Later\n\nFive.", "markdown", "Above", {"page": 3}),
    ]
    passages = list(split_sections(sections, source="s", size=9))
    assert [(p.id, p.text, p.metadata.get("title"), p.metadata["page"]) for p in passages] == [
        ("s#0", "Page\n\nOne.", "Page", 1),
        ("s#1", "Page\n\nTwo.", "Page", 1),
        ("s#2", "Own\n\nThree.", "Own", 2),
        ("s#3", "Above\n\nFour.", "Above", 3),
        ("s#4", "Later\n\nFive.", "Later", 3),
    ]


@given(st.text(st.sampled_from("ab \n\té"), max_size=300), st.integers(3, 40), st.integers(1, 9))
def test_lines_are_those_that_the_code_stands_on(text: str, size: int, first: int) -> None:
    section = Section(text, "code", first_line=first)
    lines = text.split("\n")
    for passage in split_sections([section], source="s", size=size):
        start, end = passage.metadata["line"] - first, passage.metadata["last_line"] - first
        assert passage.text in "\n".join(lines[start : end + 1])
        assert passage.text.split("\n")[0] in lines[start]
        assert passage.text.split("\n")[-1] in lines[end]


@given(st.text(st.sampled_from("ab \n"), max_size=300), st.integers(3, 40))
def test_code_is_kept_whole_and_indented(text: str, size: int) -> None:
    passages = list(split_text(text, source="s", markup="code", size=size))
    assert "".join("".join(p.text.split()) for p in passages) == "".join(text.split())


def test_indentation_stays_in_code_and_goes_in_text() -> None:
    text = "a:\n    b\n\n    c"
    assert [p.text for p in split_text(text, source="s", markup="code", size=9)] == [
        "a:\n    b",
        "    c",
    ]
    assert [p.text for p in split_text(text, source="s", size=9)] == ["a:\n    b", "c"]


@pytest.mark.parametrize(
    ("markdown", "last"),
    [("# A\n\n## B\n\ntext", "B"), ("text", None), ("# A\n\n```\n# no\n```", "A"), ("", None)],
)
def test_the_last_heading(markdown: str, last: str | None) -> None:
    assert last_heading(markdown) == last
