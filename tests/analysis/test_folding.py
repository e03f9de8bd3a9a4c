"""Spellings of one word: what replaces it, what stands beside it, and what stays as it is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.analysis.folding import alternative, canonical, versions
from hybridge.analysis.segments import fold

LANGUAGES = [None, "german", "danish", "persian", "romanian", "chinese", "japanese", "serbian"]


@pytest.mark.parametrize(
    ("language", "word", "encoded"),
    [
        (None, "٢٠٢٤", "2024"),
        (None, "۲۰۲۴", "2024"),
        ("hindi", "२०२४", "2024"),
        (None, "ค๒", "ค2"),
        (None, "فارسی", "فارسي"),
        (None, "کتاب", "كتاب"),
        ("arabic", "الجديــــد", "الجديد"),
        ("persian", "كتابي", "کتابی"),
        ("urdu", "كتابه", "کتابہ"),
        ("romanian", "știință", "ştiinţă"),
        ("chinese", "漢語詞典", "汉语词典"),
        ("chinese", "乾", "干"),
        ("japanese", "國會", "国会"),
        ("korean", "漢語", "漢語"),
        (None, "漢語", "漢語"),
        (None, "café", "café"),
        ("turkish", "işığı", "işığı"),
        ("english", "abc-123", "abc-123"),
    ],
)
def test_one_encoding_replaces_the_others(language: str | None, word: str, encoded: str) -> None:
    assert canonical(language)(word) == encoded


@pytest.mark.parametrize(
    ("language", "word", "plain"),
    [
        ("english", "brontë", "bronte"),
        ("french", "cœur", "coeur"),
        ("spanish", "educación", "educacion"),
        (None, "phố", "pho"),
        (None, "đường", "duong"),
        (None, "łódź", "lodz"),
        (None, "diyarbakır", "diyarbakir"),
        (None, "þórður", "thordur"),
        (None, "i\u0307stanbul", "istanbul"),
        (None, "hawaiʻi", "hawaii"),
        ("greek", "αθήνα", "αθηνα"),
        ("greek", "προϊόν", "προιον"),
        (None, "ᾄδω", "αδω"),
        ("russian", "ёлка", "елка"),
        ("russian", "за\u0301мок", "замок"),
        ("ukrainian", "ґанок", "ганок"),
        ("hebrew", "שָׁלוֹם", "שלום"),
        (None, "الكِتَابُ", "الكتاب"),
        (None, "أحمد", "احمد"),
        (None, "مدرسة", "مدرسه"),
        (None, "مصطفى", "مصطفي"),
        ("persian", "خانۀ", "خانه"),
        ("persian", "مسئول", "مسیول"),
        ("hindi", fold("हिन्दी"), "हिंदी"),
        ("hindi", fold("हाँ"), "हां"),
        ("hindi", fold("सड़क"), "सडक"),
        (None, "അവൻ", "അവന്"),
        (None, "ሠላም", "ሰላም"),
        (None, "ፀሐይ", "ጸሀይ"),
        ("german", "häuser", "hauser"),
        ("german", "haeuser", "hauser"),
        ("german", "köln", "koln"),
        ("german", "koeln", "koln"),
        ("german", "mueller", "muller"),
        ("german", "räuber", "rauber"),
        ("german", "raeuber", "rauber"),
        ("danish", "århus", "arhus"),
        ("danish", "aarhus", "arhus"),
        ("danish", "færøerne", "faroerne"),
        ("danish", "faeroeerne", "faroerne"),
        ("german", "böen", "boen"),
        ("german", "boeen", "boen"),
        ("german", "säue", "saue"),
        ("german", "saeue", "saue"),
        ("norwegian", "tromsoe", "tromso"),
        ("esperanto", "ĉevalo", "cevalo"),
        ("esperanto", "cxevalo", "cevalo"),
        ("serbian", "đoković", "dokovic"),
        ("serbian", "djokovic", "dokovic"),
    ],
)
def test_the_plain_spelling_lacks_what_writers_leave_out(
    language: str | None, word: str, plain: str
) -> None:
    assert alternative(language)(word) == plain


@pytest.mark.parametrize(
    ("language", "word"),
    [
        (None, "київ"),
        (None, "йод"),
        (None, "ўзбек"),
        (None, "ќе"),
        ("hindi", fold("किताबें")),
        ("hindi", fold("में")),
        ("tamil", "தமிழ்"),
        (None, "বাংলা"),
        (None, "ภาษาไทย"),
        ("japanese", "データ"),
        ("korean", "데이터"),
        ("german", "neue"),
        ("german", "bauer"),
        ("german", "quelle"),
        (None, "haeuser"),
        ("english", "queue"),
        ("german", "strasse"),
        (None, "snake_case"),
        (None, "\u064e"),
    ],
)
def test_marks_that_make_letters_stay(language: str | None, word: str) -> None:
    assert alternative(language)(word) == word


@given(st.sampled_from(LANGUAGES), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_word_in_its_one_encoding_stays_so(language: str | None, text: str) -> None:
    encoded = canonical(language)(fold(text))
    assert canonical(language)(encoded) == encoded
    plain = alternative(language)(encoded)
    assert canonical(language)(plain) == plain


LATIN = st.characters(min_codepoint=0x61, max_codepoint=0x17F, categories=["Ll"])
MARKS = st.sampled_from([chr(c) for c in range(0x300, 0x370)])


@given(st.lists(st.tuples(LATIN, st.lists(MARKS, max_size=3)), min_size=1))
def test_no_mark_is_left_on_a_latin_word(letters: list[tuple[str, list[str]]]) -> None:
    word = fold("".join(letter + "".join(marks) for letter, marks in letters))
    plain = alternative(None)(word)
    assert unicodedata.normalize("NFD", plain) == plain
    assert not any(unicodedata.combining(char) for char in plain)
    assert alternative(None)(plain) == plain


def test_versions_name_the_tables_behind_a_language() -> None:
    assert versions("english") == {"folding": "1"}
    assert versions("chinese").keys() == versions("japanese").keys() == {"folding", "opencc"}
