"""PDF: text and page numbers, and the files that have none to give."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hybridge.readers import read_passages

from .conftest import pdf, read, told, write

ENCRYPTED = (
    b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <" + b"6f" * 32 + b"> /U <" + b"75" * 32
) + b"> >> /ID [<00> <00>]"


def test_each_passage_knows_its_page(folder: Path) -> None:
    write(folder / "a.pdf", pdf("Whales are mammals.", "", "Bread is baked\nin an oven."))
    passages, skipped = read("a.pdf")
    assert skipped == {}
    assert told(passages, "source", "position", "page") == [
        ("a.pdf", 0, 1, "Whales are mammals."),
        ("a.pdf", 1, 3, "Bread is baked\nin an oven."),
    ]
    assert [passage.id for passage in passages] == ["a.pdf#0", "a.pdf#1"]


def test_a_long_page_is_split(folder: Path) -> None:
    write(folder / "a.pdf", pdf("\n".join(f"Line number {n} of it." for n in range(40))))
    passages, _ = read("a.pdf", size=200)
    assert len(passages) > 4
    assert {passage.metadata["page"] for passage in passages} == {1}
    assert all(len(passage.text) <= 200 for passage in passages)


def test_passages_stand_under_the_headings_that_the_outline_names(folder: Path) -> None:
    pages = (
        "Preface text.\n1 Whales\nThey are mammals.\n1.1 Song\nThey sing.",
        "And sing on.\nOf bread and\nof salt\nIt is baked.",
        "Songs of old.\nThe end.",
    )
    outline = [("Whales", 0), ("Song", 0), ("Of bread and of salt", 1), ("Not on the page", 2)]
    write(folder / "a.pdf", pdf(*pages, outline=outline))
    assert told(read("a.pdf")[0], "page", "title") == [
        (1, None, "Preface text."),
        (1, "Whales", "Whales\n\nThey are mammals."),
        (1, "Song", "Song\n\nThey sing."),
        (2, "Song", "Song\n\nAnd sing on."),
        (2, "Of bread and of salt", "Of bread and of salt\n\nIt is baked."),
        (3, "Not on the page", "Not on the page\n\nSongs of old.\nThe end."),
    ]


def test_a_word_that_a_hyphen_breaks_is_whole_again(folder: Path) -> None:
    write(folder / "a.pdf", pdf("They are manip-\nulated by well-\nknown means."))
    [passage], _ = read("a.pdf")
    assert "manipulated" in passage.text.replace("\n", "")


def test_matplotlib_s_pdf_is_read(folder: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.text(0.1, 0.5, "Müller’s figure", fontsize=20)
    figure.savefig(folder / "a.pdf")
    [passage], _ = read("a.pdf")
    assert passage.text == "Müller’s figure"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pdf("", ""), "no text in it: are its pages scanned?"),
        (pdf("Secret.", trailer=ENCRYPTED), "encrypted"),
        (b"%PDF-1.4\nnothing of it", "not a valid PDF"),
        (b"", "not a valid PDF"),
        (b"plain text", "not a valid PDF"),
    ],
)
def test_an_unreadable_file_has_a_reason(folder: Path, data: bytes, reason: str) -> None:
    write(folder / "a.pdf", data)
    write(folder / "b.txt", "Read.")
    passages, skipped = read(".")
    assert [p.text for p in passages] == ["Read."]
    assert list(skipped) == ["a.pdf"]
    assert skipped["a.pdf"].startswith(reason)


def test_many_threads_may_read(folder: Path) -> None:
    for number in range(16):
        write(folder / f"{number}.pdf", pdf(*[f"Page of {number}."] * 20))
    with ThreadPoolExecutor(8) as pool:
        read_ = list(pool.map(lambda n: list(read_passages(folder / f"{n}.pdf")), range(16)))
    assert [[p.text for p in ps] for ps in read_] == [[f"Page of {n}."] * 20 for n in range(16)]
