"""Folding and cutting, script by script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.analysis.segments import fold, normalize, segmenter

segment = segmenter(2)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("STRASSE", "Straße"),
        ("ＧＰＵ", "gpu"),
        ("ﬁnd", "find"),
        ("ΟΔΟΣ", "οδος"),
        ("cafe\u0301", "café"),
        ("co\u00adoperate", "cooperate"),
        ("क्\u200dष", "क्ष"),
        ("ｶﾞ", "ガ"),
        ("\u1112\u1161\u11ab", "한"),
        ("㎏", "kg"),
    ],
)
def test_spellings_of_one_word_fold_alike(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("ＧＰＵ co\u00adoperate", "GPU cooperate"),
        ("کتاب\u200cها", "کتاب\u2010ها"),
        ("کتاب\u200c", "کتاب"),
        ("क\u200cष", "कष"),
        ('צה"ל, צה״ל', "צה\u2010ל, צה\u2010ל"),
        ('"שלום"', '"שלום"'),
        ("Ինչո՞ւ", "Ինչո\u2010ւ"),
        ("col·lecció, co\u0140legi", "col\u2010lecció, col\u2010legi"),
        ("a·b é", "a·b é"),
        ("п'ять п’ять", "пʼять пʼять"),
        ("l’été 'мир'", "l’été 'мир'"),
    ],
)
def test_normalization(text: str, normalized: str) -> None:
    assert normalize(text) == normalized


def test_the_turkish_i_keeps_its_dot_or_its_lack_of_one() -> None:
    assert fold("IŞIK İZ", turkish=True) == "ışık iz"
    assert fold("ISI") == "isi"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("don't stop, e.g. at 3.5 or 42!", ["don", "stop", "at", "or", "42"]),
        ("snake_case __init__", ["snake_case", "__init__"]),
        ("naïve café", ["naïve", "café"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("العَرَبِيَّة", ["العَرَبِيَّة"]),
        ("привет, мир", ["привет", "мир"]),
        ("猫", ["猫"]),
        ("東京都", ["東", "京", "都", "東京", "京都"]),
        ("ラーメン", ["ラ", "ー", "メ", "ン", "ラー", "ーメ", "メン"]),
        ("한국 사람", ["한", "국", "한국", "사", "람", "사람"]),
        ("GPU카드와cuda", ["gpu", "카", "드", "와", "카드", "드와", "cuda"]),
        ("猫、犬。", ["猫", "犬"]),
        ("𠮷野家", ["𠮷", "野", "家", "𠮷野", "野家"]),
        ("", []),
        (" \n\t...!?—", []),
        ("\ud800 \x00", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert segment(fold(text)) == words


def test_the_shortest_word_is_a_choice() -> None:
    assert segmenter(1)("a bb ccc é 猫") == ["a", "bb", "ccc", "é", "猫"]
    assert segmenter(3)("a bb ccc éé 猫") == ["ccc", "猫"]


@given(st.text(st.characters()))
def test_ascii_words_do_not_depend_on_what_stands_beside_them(text: str) -> None:
    plain = text.encode("ascii", "ignore").decode()
    # A letter from elsewhere sends the text through the pattern for all scripts.
    assert segment(fold(f"{plain} жж")) == [*segment(fold(plain)), "жж"]


@given(st.text(st.characters()))
def test_no_word_holds_a_space_or_is_empty(text: str) -> None:
    for word in segment(fold(text)):
        assert word
        assert word.split() == [word]
