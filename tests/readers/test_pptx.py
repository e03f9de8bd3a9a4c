"""Presentations: slides, their titles, tables, groups and notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pptx
from pptx.util import Inches

from .conftest import read, told

BOX = (Inches(1), Inches(1), Inches(4), Inches(1))


def slide(presentation: Any, title: str, body: str) -> Any:
    added = presentation.slides.add_slide(presentation.slide_layouts[1])
    added.shapes.title.text = title
    added.placeholders[1].text = body
    return added


def test_each_passage_knows_its_slide_and_its_title(folder: Path) -> None:
    presentation = pptx.Presentation()
    slide(presentation, "Whales", "They are mammals.\nThey sing.")
    slide(presentation, "", "")
    slide(presentation, "Bread", "")
    noted = slide(presentation, "Salt", "It is white.")
    noted.notes_slide.notes_text_frame.text = "Tell the joke."
    presentation.save(str(folder / "a.pptx"))
    passages, skipped = read("a.pptx")
    assert skipped == {}
    assert told(passages, "slide", "title") == [
        (1, "Whales", "Whales\n\nThey are mammals.\nThey sing."),
        (3, None, "Bread"),
        (4, "Salt", "Salt\n\nIt is white.\n\nNotes: Tell the joke."),
    ]


def test_tables_and_groups_are_read(folder: Path) -> None:
    presentation = pptx.Presentation()
    added = presentation.slides.add_slide(presentation.slide_layouts[6])
    table = added.shapes.add_table(2, 2, *BOX).table
    for row, cells in enumerate([("Name", "Age"), ("Ann", "31")]):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    group = added.shapes.add_group_shape()
    group.shapes.add_textbox(*BOX).text_frame.text = "In a group."
    presentation.save(str(folder / "a.pptx"))
    [passage], _ = read("a.pptx")
    assert passage.text == "Name | Age\nAnn | 31\n\nIn a group."
    assert passage.metadata["slide"] == 1


def test_an_empty_presentation_has_no_text(folder: Path) -> None:
    pptx.Presentation().save(str(folder / "a.pptx"))
    assert read("a.pptx") == ([], {"a.pptx": "no text in it"})
