"""Encodings: detected, recorded in the metadata, or refused as no text."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from hybridge.readers.document import UnreadableError
from hybridge.readers.encodings import decode

from .conftest import read, write

FRENCH = "Le café est fermé après l'été, où le garçon déjà âgé mange du bœuf à Noël."
GERMAN = "Über die Straße läuft ein Mädchen mit schönen Grüßen, größer als früher."
ENGLISH = "“Smart quotes” — and an em dash… cost 5 € today, for the naïve."
JAPANESE = "日本語のテキストです。検索エンジンの品質を測定します。東京は日本の首都です。"
RUSSIAN = "Это русский текст для проверки кодировки. Москва - столица России."
CHINESE = "这是一个中文文本，用于测试编码检测。北京是中国的首都。"
POLISH = "Zażółć gęślą jaźń. Książka leży na stole, a żółw śpi."


@pytest.mark.parametrize("repeats", [1, 40])
@pytest.mark.parametrize(
    ("text", "encoding", "told"),
    [
        (FRENCH, "cp1252", "cp1252"),
        (FRENCH.replace("œ", "oe"), "latin-1", "cp1252"),
        (GERMAN, "latin-1", "cp1252"),
        (ENGLISH, "cp1252", "cp1252"),
        ("café", "latin-1", "cp1252"),
        ("20 °C for £5, see § 3", "latin-1", "cp1252"),
        (POLISH, "cp1250", "cp1250"),
        (RUSSIAN, "cp1251", "cp1251"),
        (RUSSIAN, "koi8-r", "koi8_r"),
        (JAPANESE, "shift-jis", "cp932"),
        (JAPANESE, "euc-jp", "euc_jp"),
        (JAPANESE, "iso2022-jp", "iso2022_jp"),
        (CHINESE, "gb18030", "gb18030"),
        (CHINESE.replace("编", "編"), "gb18030", "gb18030"),
    ],
)
def test_encodings_are_recognised(text: str, encoding: str, told: str, repeats: int) -> None:
    data = "\n".join([text] * repeats).encode(encoding)
    decoded, metadata = decode(data)
    assert decoded.splitlines() == [text] * repeats
    assert metadata == {"encoding": told}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_byte_order_mark_decides(encoding: str) -> None:
    data = "ein Weg\r\nzurück".encode(encoding)
    assert decode(data) == ("ein Weg\nzurück", {"encoding": encoding})


def test_big_ends_come_first_too() -> None:
    assert decode(b"\xfe\xff\0a\xe5\x9b") == ("a\ue59b", {"encoding": "utf-16"})


@pytest.mark.parametrize("text", ["plain", "café", "日本語", "🐋", ""])
def test_utf_8_has_no_encoding_in_its_metadata(text: str) -> None:
    assert decode(text.encode()) == decode(text.encode("utf-8-sig")) == (text, {})


def test_all_line_ends_become_one() -> None:
    assert decode(b"a\r\nb\rc\nd")[0] == "a\nb\nc\nd"


def test_a_declaration_that_does_not_hold_is_only_a_hint() -> None:
    assert decode(GERMAN.encode("cp1252"), declared="utf-8")[0] == GERMAN


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"\x7fELF\x02\x01\x01" + bytes(40),
        b"\x1f\x8b\x08" + random.Random(1).randbytes(500),
        random.Random(2).randbytes(5000),
        b"text, but \0 in the middle",
        b"\x01\x02\x03 control characters are no text either",
    ],
)
def test_a_binary_file_is_no_text(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        decode(data)


def test_the_encoding_is_in_the_metadata_of_every_passage(folder: Path) -> None:
    write(folder / "a.txt", f"{FRENCH}\n\n{FRENCH}".encode("cp1252"))
    write(folder / "b.md", f"# Überschrift\n\n{GERMAN}".encode("utf-16"))
    write(folder / "c.csv", f"Satz;Nummer\n{GERMAN};1\n".encode("cp1252"))
    write(folder / "d.py", f"# -*- coding: cp932 -*-\n# {JAPANESE}\n".encode("shift-jis"))
    write(folder / "e.txt", FRENCH)
    passages, skipped = read(".", size=100)
    assert skipped == {}
    found = {(p.metadata["source"], p.metadata.get("encoding")) for p in passages}
    assert found == {
        ("a.txt", "cp1252"),
        ("b.md", "utf-16"),
        ("c.csv", "cp1252"),
        ("d.py", "cp932"),
        ("e.txt", None),
    }
    texts = {p.metadata["source"]: p.text for p in passages}
    assert texts["b.md"] == f"Überschrift\n\n{GERMAN}"
    assert JAPANESE in texts["d.py"]


def test_random_bytes_under_a_name_of_text_are_skipped(folder: Path) -> None:
    write(folder / "a.txt", os.urandom(10_000))
    passages, skipped = read(".")
    assert passages == []
    assert list(skipped) == ["a.txt"]
