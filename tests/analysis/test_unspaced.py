"""Scripts without spaces: any part of a text finds it."""

from __future__ import annotations

import re
import unicodedata

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from hybridge.analysis.unspaced import UNSPACED, pairs

MEMBERS = [c for c in map(chr, range(0x20000)) if re.match(f"[{UNSPACED}]", c)]


@pytest.mark.parametrize(
    ("run", "terms"),
    [
        ("ปลา", ["ป", "ล", "า", "ปล", "ลา"]),
        ("ກິນ", ["ກິ", "ນ", "ກິນ"]),
        ("ត្រី", ["ត្", "រី", "ត្រី"]),
        ("ငါး", ["ငါး"]),
        ("ကြောင်", ["ကြော", "င်", "ကြောင်"]),
        ("སློབ་དེབ", ["སློབ", "དེབ", "སློབ་དེབ"]),
        ("སློབ་", ["སློབ"]),
        ("་", []),
        ("ꦱꦼꦒ", ["ꦱꦼ", "ꦒ", "ꦱꦼꦒ"]),
        ("ꆈꌠ", ["ꆈ", "ꌠ", "ꆈꌠ"]),
        ("\u0e49", []),
    ],
)
def test_clusters_and_pairs(run: str, terms: list[str]) -> None:
    assert pairs(run) == terms


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("น\u0e4d\u0e49า", unicodedata.normalize("NFKC", "น้ำ")),
        ("เเมว", "แมว"),
        ("ນ\u0ecd\u0ec9າ", unicodedata.normalize("NFKC", "ນ້ຳ")),
        ("ເເມວ", "ແມວ"),
    ],
)
def test_what_looks_the_same_has_the_same_terms(typed: str, meant: str) -> None:
    assert typed != meant
    assert pairs(typed) == pairs(meant)


TIBETAN = [c for c in MEMBERS if "\u0f00" <= c <= "\u0fff" and unicodedata.category(c)[0] != "P"]
OTHERS = [c for c in MEMBERS if not "\u0f00" <= c <= "\u0fff"]
MARKS = [c for c in OTHERS if unicodedata.category(c)[0] == "M"]
# Two of these are one vowel; see above.
BASES = sorted({*OTHERS} - {*MARKS, "เ", "ເ"})
CLUSTERS = st.one_of(
    st.builds("{}{}".format, st.sampled_from(BASES), st.text(st.sampled_from(MARKS), max_size=3)),
    st.builds("{}་".format, st.text(st.sampled_from(TIBETAN), min_size=1, max_size=3)),
)


@given(st.lists(CLUSTERS, min_size=1), st.data())
def test_any_part_of_a_text_finds_it_by_every_term(
    clusters: list[str], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(clusters) - 1))
    part = clusters[start : data.draw(st.integers(start + 1, len(clusters)))]
    found = pairs("".join(part))
    assert len(found) == 2 * len(part) - 1
    assert set(found) <= set(pairs("".join(clusters)))


@given(st.sampled_from(BASES), st.text(st.sampled_from([*BASES, *MARKS])))
def test_the_clusters_hold_every_character(first: str, rest: str) -> None:
    terms = pairs(first + rest)
    clusters = terms[: (len(terms) + 1) // 2]
    assert sorted("".join(clusters)) == sorted(first + rest)


def test_the_scripts_are_those_that_unicode_breaks_by_dictionary() -> None:
    """UAX #14: Line_Break=SA, by the regex library's copy of the Unicode database."""
    complex_context = regex.compile(r"\p{Line_Break=SA}")
    for char in map(chr, range(0x20000)):
        if complex_context.match(char) and unicodedata.category(char)[0] in "LM":
            assert char in MEMBERS, unicodedata.name(char)


def test_no_other_kind_of_character_and_no_other_big_script_is_among_them() -> None:
    assert {unicodedata.category(c)[0] for c in MEMBERS} - {"C"} == {"L", "M", "P"}
    assert [c for c in MEMBERS if unicodedata.category(c)[0] == "P"] == ["\u0f0b", "\u0f0c"]
    for text in ("abc", "привет", "हिन्दी", "தமிழ்", "العربية", "漢字かな", "한국", "ქართული", "ᏣᎳᎩ"):
        assert not set(text) & set(MEMBERS)
