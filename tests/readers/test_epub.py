"""Books: chapters in their order, and the ones with a lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import archive, read, told

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/>
</rootfiles></container>"""
PACKAGE = """<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Of Whales</dc:title></metadata>
<manifest>
<item id="b" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="c" href="cover.xhtml" media-type="application/xhtml+xml"/>
<item id="p" href="picture.svg" media-type="image/svg+xml"/>
</manifest>
<spine><itemref idref="c"/><itemref idref="a"/><itemref idref="b"/><itemref idref="p"/></spine>
</package>"""
PAGE = """<?xml version="1.0" encoding="utf-8"?>
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body>{}</body></html>"""
BOOK = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OEBPS/book.opf": PACKAGE,
    "OEBPS/cover.xhtml": "<html><body></body></html>",
    "OEBPS/text/one.xhtml": PAGE.format("<h1>Song</h1><p>They sing, Ünal says.</p>"),
    "OEBPS/text/two b.xhtml": PAGE.format(
        "<h1>Food</h1><p>They eat.</p><h2>Krill</h2><p>Small.</p>"
    ),
}
ENCRYPTION = """<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"
xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData><enc:CipherData>
<enc:CipherReference URI="{}"/></enc:CipherData></enc:EncryptedData></encryption>"""


def test_chapters_come_in_the_order_of_the_spine(folder: Path) -> None:
    archive(folder / "a.epub", BOOK)
    passages, skipped = read("a.epub", size=22)
    assert skipped == {}
    assert told(passages, "book", "chapter", "title") == [
        ("Of Whales", 1, "Song", "Song\n\nThey sing, Ünal says."),
        ("Of Whales", 2, "Food", "Food\n\nThey eat."),
        ("Of Whales", 2, "Krill", "Krill\n\nSmall."),
    ]


def test_a_book_with_a_lock_is_skipped(folder: Path) -> None:
    lock = {"META-INF/encryption.xml": ENCRYPTION.format("OEBPS/text/one.xhtml")}
    archive(folder / "a.epub", BOOK | lock)
    assert read("a.epub") == ([], {"a.epub": "encrypted"})


def test_encrypted_fonts_are_no_lock(folder: Path) -> None:
    lock = {"META-INF/encryption.xml": ENCRYPTION.format("OEBPS/font.otf")}
    archive(folder / "a.epub", BOOK | lock)
    assert len(read("a.epub")[0]) == 2


@pytest.mark.parametrize(
    "missing", ["META-INF/container.xml", "OEBPS/book.opf", "OEBPS/text/one.xhtml"]
)
def test_a_book_that_lacks_a_part_is_skipped_as_a_whole(folder: Path, missing: str) -> None:
    archive(folder / "a.epub", {name: text for name, text in BOOK.items() if name != missing})
    passages, skipped = read("a.epub")
    assert passages == []
    assert missing in skipped["a.epub"]
