"""Word documents: headings, lists, tables and notes, and the ones that cannot be read."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import docx

from .conftest import read, told

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


def test_passages_stand_under_their_headings(folder: Path) -> None:
    document = docx.Document()
    document.add_heading("The Guide", level=0)
    document.add_paragraph("Welcome to it.")
    document.add_heading("Install", level=1)
    document.add_paragraph("First of all.")
    document.add_paragraph("one", style="List Bullet")
    document.add_paragraph("two", style="List Bullet")
    document.add_heading("Use", level=2)
    document.add_paragraph("Then use it.")
    document.save(str(folder / "a.docx"))
    passages, skipped = read("a.docx", size=40)
    assert skipped == {}
    assert told(passages, "title") == [
        ("The Guide", "The Guide\n\nWelcome to it."),
        ("Install", "Install\n\nFirst of all.\n\n* one\n* two"),
        ("Use", "Use\n\nThen use it."),
    ]


def test_tables_are_read_and_pictures_are_not(folder: Path) -> None:
    document = docx.Document()
    document.add_picture(BytesIO(PIXEL))
    table = document.add_table(rows=2, cols=2)
    for row, cells in enumerate([("Name", "Age"), ("Ann", "31")]):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    document.save(str(folder / "a.docx"))
    [passage], _ = read("a.docx")
    assert [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in passage.text.split("\n")
    ] == [
        ["Name", "Age"],
        ["---", "---"],
        ["Ann", "31"],
    ]


def test_an_empty_document_has_no_text(folder: Path) -> None:
    docx.Document().save(str(folder / "a.docx"))
    assert read("a.docx") == ([], {"a.docx": "no text in it"})
