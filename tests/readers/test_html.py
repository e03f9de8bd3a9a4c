"""HTML: headings, titles, encodings, and what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import read, write


def test_html_keeps_text_and_drops_scripts_and_styles(folder: Path) -> None:
    html = (
        "<html><head><title>Page</title><style>p {color: red}</style></head><body>"
        "<script>var hidden = 1;</script><h2>snake_case * star</h2><ul><li>One</li></ul>"
        "</body></html>"
    )
    write(folder / "page.html", html)
    [passage], _ = read("page.html")
    assert "## snake_case * star" in passage.text
    assert "* One" in passage.text
    assert "color" not in passage.text
    assert "hidden" not in passage.text


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        ("<title>Page - Site</title>", "<h1>Page</h1><p>Text.</p>", "Page\n\nText."),
        ("<title>Page</title>", "<h2>Part</h2><p>Text.</p>", "Page\n\n## Part\n\nText."),
        ("<title> </title>", "<p>Text.</p>", "Text."),
    ],
)
def test_a_pages_title_is_its_heading_where_it_has_none(
    folder: Path, head: str, body: str, expected: str
) -> None:
    write(folder / "p.html", f"<html><head>{head}</head><body>{body}</body></html>")
    [passage], _ = read("p.html")
    assert passage.text == expected
    assert passage.metadata.get("title", "Text.") == expected.partition("\n")[0]


def test_html_is_decoded_as_it_declares(folder: Path) -> None:
    write(folder / "p.html", '<meta charset="latin-1"><p>café</p>'.encode("latin-1"))
    assert read("p.html")[0][0].text == "café"


def test_the_declaration_of_xhtml_is_no_text(folder: Path) -> None:
    write(folder / "p.xhtml", '<?xml version="1.0" encoding="utf-8"?>\n<html><p>Ünal.</p></html>')
    assert read("p.xhtml")[0][0].text == "Ünal."


def test_a_table_keeps_its_headers(folder: Path) -> None:
    rows = "<tr><td>Name</td><td>Age</td></tr><tr><td>Ann</td><td>31</td></tr>"
    write(folder / "p.html", f"<table>{rows}</table>")
    [passage], _ = read("p.html")
    assert [line.split() for line in passage.text.splitlines()] == [
        ["|", "Name", "|", "Age", "|"],
        ["|", "---", "|", "---", "|"],
        ["|", "Ann", "|", "31", "|"],
    ]
