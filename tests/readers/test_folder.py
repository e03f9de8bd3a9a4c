"""Readers: every kind of file, what is reported, what is an error, and ids that stay."""

from __future__ import annotations

import logging
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybridge.errors import InvalidInputError
from hybridge.readers import READERS, read_files, read_passages
from hybridge.readers.document import Document
from hybridge.splitting import Section

from .conftest import read, write


def test_every_kind_of_document(folder: Path) -> None:
    write(folder / "docs/a.txt", "Plain text.")
    write(folder / "docs/b.md", "# Head\n\nMarkdown.")
    write(folder / "docs/c.rst", "Head\n====\n\nreST.")
    write(folder / "docs/d.html", "<h1>Head</h1><p>Some <b>HTML</b>.</p>")
    write(folder / "docs/e.jsonl", '{"id": 7, "text": "An entry."}\n')
    passages, skipped = read("docs")
    assert skipped == {}
    assert [(p.id, p.text) for p in passages] == [
        ("docs/a.txt#0", "Plain text."),
        ("docs/b.md#0", "Head\n\nMarkdown."),
        ("docs/c.rst#0", "Head\n\nreST."),
        ("docs/d.html#0", "Head\n\nSome **HTML**."),
        ("7", "An entry."),
    ]
    assert passages[1].metadata == {"source": "docs/b.md", "position": 0, "title": "Head"}


def test_folders_are_read_to_the_bottom_in_a_stable_order(folder: Path) -> None:
    for name in ("z.txt", "b/2.txt", "b/1.txt", "a/deep/er.txt"):
        write(folder / name, name)
    passages, _ = read(".")
    assert [p.text for p in passages] == ["a/deep/er.txt", "b/1.txt", "b/2.txt", "z.txt"]
    assert [p.id for p in passages] == [f"{p.text}#0" for p in passages]


def test_ids_do_not_depend_on_how_a_path_is_written(folder: Path) -> None:
    write(folder / "docs/a.txt", "Text.")
    written: list[str | Path] = ["docs", "./docs/", folder / "docs", "docs/../docs/a.txt"]
    assert [[p.id for p in read(path)[0]] for path in written] == [["docs/a.txt#0"]] * 4


def test_a_file_outside_the_working_folder_is_named_in_full(folder: Path) -> None:
    path = write(folder / "a.txt", "Text.")
    (folder / "elsewhere").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "elsewhere")
        [passage] = read_passages(path)
    assert passage.id == f"{path.as_posix()}#0"


def test_a_file_named_twice_is_read_once(folder: Path) -> None:
    write(folder / "docs/a.txt", "Text.")
    assert len(read("docs", "docs/a.txt", ".")[0]) == 1


def test_hidden_files_and_folders_are_left_out(folder: Path) -> None:
    write(folder / "docs/.hidden.txt", "no")
    write(folder / "docs/.git/config.txt", "no")
    assert read("docs") == ([], {})


def test_what_cannot_be_read_is_reported_by_name(folder: Path) -> None:
    write(folder / "docs/photo.png", b"\x89PNG")
    write(folder / "docs/LICENSE", "text")
    write(folder / "docs/zeros.txt", b"a\0b")
    write(folder / "docs/blank.md", "\n \n")
    write(folder / "docs/odd.html", b'<meta charset="no-such-charset">text')
    (folder / "docs/loop").symlink_to(folder / "docs")
    (folder / "docs/broken.txt").symlink_to(folder / "nowhere.txt")
    write(folder / "docs/good.txt", "Good.")
    passages, skipped = read("docs")
    assert [p.text for p in passages] == ["Good."]
    expected = {
        "photo.png": "'.png'",
        "LICENSE": "no suffix",
        "zeros.txt": "binary",
        "blank.md": "no text",
        "odd.html": "no-such-charset",
        "loop": "link to a folder",
        "broken.txt": "No such file",
    }
    assert skipped.keys() == expected.keys()
    assert all(expected[name] in reason for name, reason in skipped.items())


def test_without_a_callback_skipped_files_are_logged(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder / "docs/photo.png", b"\x89PNG")
    with caplog.at_level(logging.WARNING, logger="hybridge.readers"):
        assert list(read_passages("docs")) == []
    assert "photo.png" in caplog.text


MISSING = {
    "a.pdf": ("pypdfium2", "files"),
    "a.docx": ("mammoth", "files"),
    "a.pptx": ("pptx", "files"),
    "a.xlsx": ("openpyxl", "files"),
    "a.go": ("tree_sitter_go", "files"),
    "a.py": ("tree_sitter", "files"),
    "a.html": ("bs4", "cli"),
    "latin.txt": ("charset_normalizer", "cli"),
    "a.txt": ("semantic_text_splitter", "cli"),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_extra_is_named_and_the_other_files_are_read(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, extra = MISSING[name]
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, f"{module}.dammit", None)
    write(folder / name, "Gr\xfc\xdfe".encode("latin-1") if name == "latin.txt" else "text")
    write(folder / "z.jsonl", '{"id": "z", "text": "An entry."}')
    passages, skipped = read(".")
    assert [passage.id for passage in passages] == ["z"]
    assert list(skipped) == [name]
    assert f"pip install 'hybridge[{extra}]'" in skipped[name]


def test_a_file_that_breaks_at_its_end_is_not_read_by_half(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_: Document) -> Iterator[Section]:
        yield Section("The beginning.")
        raise struct.error("the end")

    monkeypatch.setitem(READERS, ".odd", breaks)
    write(folder / "a.odd", "x")
    write(folder / "b.txt", "Read.")
    passages, skipped = read(".")
    assert [passage.text for passage in passages] == ["Read."]
    assert skipped == {"a.odd": "damaged (error: the end)"}


def test_positions_count_through_all_sections(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sections = [Section("One. Two.", metadata={"page": 1}), Section(" "), Section("Three.")]
    monkeypatch.setitem(READERS, ".odd", lambda _: sections)
    write(folder / "a.odd", "x")
    passages, _ = read(".", size=5)
    assert [(p.id, p.text, p.metadata.get("page")) for p in passages] == [
        ("a.odd#0", "One.", 1),
        ("a.odd#1", "Two.", 1),
        ("a.odd#2", "Three", None),
        ("a.odd#3", ".", None),
    ]


def test_installed_packages_are_left_out(folder: Path) -> None:
    write(folder / "docs/node_modules/left/index.js", "no")
    write(folder / "docs/env/pyvenv.cfg", "home = /usr/bin")
    write(folder / "docs/env/lib/a.py", "no")
    write(folder / "docs/__pycache__/a.pyc", "no")
    write(folder / "docs/lib/a.txt", "Read.")
    passages, skipped = read("docs")
    assert [passage.text for passage in passages] == ["Read."]
    assert skipped == {}


def test_a_pipe_is_no_file(folder: Path) -> None:
    os.mkfifo(folder / "a.txt")
    assert read(".") == ([], {"a.txt": "no regular file"})


def test_files_come_with_their_passages(folder: Path) -> None:
    write(folder / "docs/a.txt", "Text.")
    write(folder / "docs/b.jsonl", '{"id": "b", "text": "An entry."}')
    found = [(path, passage.id) for path, passage in read_files("docs")]
    assert found == [(Path("docs/a.txt"), "docs/a.txt#0"), (Path("docs/b.jsonl"), "b")]


def test_a_path_with_nothing_there_is_an_error(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"no file or folder 'nowhere.md'"):
        read("nowhere.md")


def test_a_byte_order_mark_and_windows_line_ends_go(folder: Path) -> None:
    write(folder / "a.md", b"\xef\xbb\xbf# Head\r\n\r\nText.\r\n")
    [passage], _ = read("a.md")
    assert passage.text == "Head\n\nText."


def test_an_id_that_comes_twice_is_an_error(folder: Path) -> None:
    write(folder / "a.jsonl", '{"_id": "p", "text": "one"}')
    write(folder / "b.jsonl", '{"_id": "p", "text": "two"}')
    with pytest.raises(InvalidInputError, match=r"b\.jsonl: the id 'p' comes twice"):
        read(".")


def test_of_a_beir_folder_the_corpus_is_read(folder: Path) -> None:
    write(folder / "set/corpus.jsonl", '{"_id": "d1", "title": "T", "text": "x", "metadata": {}}\n')
    write(folder / "set/queries.jsonl", '{"_id": "q1", "text": "question"}\n')
    write(folder / "set/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    write(folder / "set/README.md", "About it.")
    passages, skipped = read("set")
    assert [p.id for p in passages] == ["set/README.md#0", "d1"]
    assert skipped == {}


def test_sizes_reach_the_splitter_and_bad_ones_fail_at_once(folder: Path) -> None:
    write(folder / "a.txt", "one two three four")
    assert len(list(read_passages("a.txt", size=9))) == 3
    with pytest.raises(InvalidInputError, match="size"):
        read_passages("a.txt", size=0)
