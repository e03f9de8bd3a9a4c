"""EPUB books, chapter by chapter."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile

from ..splitting import Section
from .archive import open_archive
from .document import Document, UnreadableError
from .encodings import decode
from .html import html_to_markdown

__all__ = ["read_epub"]

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = {"application/xhtml+xml", "text/html"}


def read_epub(document: Document) -> Iterator[Section]:
    """Yield a section for each document of the book's spine, with its number in ``chapter``.

    Numbers begin at 1. The metadata holds the book's title too, as ``book``. Each document is split
    under its headings.
    """
    with open_archive(document.data) as archive:
        try:
            book, pages = _contents(archive)
            if _encrypted(archive).intersection(pages):
                raise UnreadableError("encrypted")
            texts = [_page(archive, page) for page in pages]
        except (KeyError, ElementTree.ParseError, BadZipFile) as error:
            raise UnreadableError(f"not a valid EPUB ({error})") from error
    titled = {"book": book} if book else {}
    chapter = 0
    for text in texts:
        if text.strip():
            chapter += 1
            yield Section(text, "markdown", metadata={**titled, "chapter": chapter})


def _contents(archive: ZipFile) -> tuple[str, list[str]]:
    """Return the book's title, and its pages' names in the order of reading."""
    root = _parse(archive, _CONTAINER).find(".//{*}rootfile")
    name = "" if root is None else root.attrib["full-path"]
    package = _parse(archive, name)
    items = {item.attrib["id"]: item for item in package.iterfind("{*}manifest/{*}item")}
    folder = posixpath.dirname(name)
    pages = []
    for reference in package.iterfind("{*}spine/{*}itemref"):
        item = items[reference.attrib["idref"]]
        if item.attrib.get("media-type") in _PAGES:
            href = unquote(item.attrib["href"].partition("#")[0])
            pages.append(posixpath.normpath(posixpath.join(folder, href)))
    title = package.find("{*}metadata/{http://purl.org/dc/elements/1.1/}title")
    return "" if title is None else " ".join("".join(title.itertext()).split()), pages


def _encrypted(archive: ZipFile) -> set[str]:
    """Return the names of encrypted files; in a readable book they are fonts at most."""
    if _ENCRYPTION not in archive.namelist():
        return set()
    references = _parse(archive, _ENCRYPTION).iterfind(".//{*}CipherReference")
    return {unquote(each.attrib["URI"]) for each in references}


def _parse(archive: ZipFile, name: str) -> ElementTree.Element:
    return ElementTree.fromstring(archive.read(name))  # noqa: S314 - expat limits entities


def _page(archive: ZipFile, name: str) -> str:
    text, _ = decode(archive.read(name))
    return html_to_markdown(text)
