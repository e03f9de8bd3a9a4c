"""Files of every kind, written as their own programs write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from hybridge.passages import Passage
from hybridge.readers import read_passages


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(*paths: str | Path, **options: Any) -> tuple[list[Passage], dict[str, str]]:
    """The passages, and the reason of each file that was skipped, by its name."""
    skipped: dict[str, str] = {}
    passages = list(
        read_passages(paths, on_skip=lambda path, why: skipped.update({path.name: why}), **options)
    )
    return passages, skipped


def told(passages: Sequence[Passage], *keys: str) -> list[tuple[Any, ...]]:
    """Of each passage the values of some metadata keys, and its text."""
    return [(*(p.metadata.get(key) for key in keys), p.text) for p in passages]


def pdf(*pages: str, outline: Sequence[tuple[str, int]] = (), trailer: bytes = b"") -> bytes:
    """A PDF in Helvetica with one line of text a line; the outline has titles and page indices."""
    bodies: list[bytes] = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>"
        % (b" ".join(b"%d 0 R" % (4 + 2 * n) for n in range(len(pages))), len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, page in enumerate(pages):
        shown = b"".join(b"(%s) Tj T* " % line.encode("latin-1") for line in page.splitlines())
        stream = b"BT /F1 12 Tf 14 TL 72 720 Td " + shown + b"ET"
        bodies.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (5 + 2 * number)
        )
        bodies.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    if outline:
        first = len(bodies) + 2
        last = first + len(outline) - 1
        bodies[0] = bodies[0].replace(b">>", b"/Outlines %d 0 R >>" % (first - 1))
        bodies.append(b"<< /Type /Outlines /First %d 0 R /Last %d 0 R >>" % (first, last))
        for place, (title, page) in enumerate(outline, start=first):
            following = b"/Next %d 0 R" % (place + 1) if place < last else b""
            bodies.append(
                b"<< /Title (%s) /Parent %d 0 R /Dest [%d 0 R /Fit] %s >>"
                % (title.encode("latin-1"), first - 1, 4 + 2 * page, following)
            )
    data, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return data + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R %s >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, table, len(bodies) + 1, trailer, len(data))
    )


def archive(path: Path, entries: Mapping[str, str | bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w") as opened:
        for name, content in entries.items():
            opened.writestr(name, content)
    return path
