"""Every language of PyStemmer is known, with stop words where a library has them."""

from __future__ import annotations

import logging
import sys

import pytest
import Stemmer
import stopwordsiso

from hybridge.analysis import languages
from hybridge.errors import InvalidInputError, MissingExtraError

WITHOUT_STOPWORDS = {"nepali", "serbian", "tamil", "yiddish"}


@pytest.mark.parametrize("language", Stemmer.algorithms())
def test_every_snowball_language_has_its_stemmer_and_stop_words(language: str) -> None:
    assert languages.resolve_language(language) == language
    stem = languages.stemmer(language)
    assert stem is not None
    assert stem("wordings") == Stemmer.Stemmer(language).stemWord("wordings")
    assert bool(languages.stopwords(language)) == (language not in WITHOUT_STOPWORDS)


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("chinese", "zh"),
        ("hebrew", "he"),
        ("japanese", "ja"),
        ("korean", "ko"),
        ("thai", "th"),
        ("ukrainian", "uk"),
        ("vietnamese", "vi"),
    ],
)
def test_a_language_without_a_stemmer_has_stop_words(language: str, code: str) -> None:
    assert languages.resolve_language(code) == language
    assert languages.stemmer(language) is None
    assert languages.stopwords(language)


def test_every_language_with_stop_words_is_known() -> None:
    for code in stopwordsiso.langs():
        assert languages.stopwords(languages.resolve_language(code))


@pytest.mark.parametrize(
    ("language", "word"),
    [
        ("english", "the"),
        ("porter", "the"),
        ("german", "und"),
        ("french", "les"),
        ("finnish", "ja"),
        ("arabic", "في"),
        ("greek", "και"),
        ("chinese", "的"),
        ("japanese", "これ"),
    ],
)
def test_stop_words_are_of_their_language(language: str, word: str) -> None:
    assert word in languages.stopwords(language)


def test_a_language_without_stop_words_logs_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    languages._stopwords.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert languages.stopwords("tamil") == frozenset()
        assert languages.stopwords("tamil") == frozenset()
    assert [record.name for record in caplog.records] == ["hybridge.analysis.languages"]


@pytest.mark.parametrize(("code", "name"), [("de", "german"), ("EN", "english"), ("zh", "chinese")])
def test_codes_and_capitals_are_understood(code: str, name: str) -> None:
    assert languages.resolve_language(code) == name


@pytest.mark.parametrize("language", ["klingon", "", "e", 7])
def test_an_unknown_language_lists_the_known_ones(language: str) -> None:
    with pytest.raises(
        InvalidInputError, match=f"{language!r}.*choose one of afrikaans.*vietnamese.*zulu, or None"
    ):
        languages.resolve_language(language)


@pytest.mark.slow
def test_lemmas() -> None:
    assert languages.lemmatizer("german")("häuser") == "Haus"
    assert languages.lemmatizer("norwegian")("husene") == "hus"
    with pytest.raises(InvalidInputError, match="no lemmas for tamil"):
        languages.lemmatizer("tamil")


def test_lemmas_name_the_extra_that_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simplemma", None)
    with pytest.raises(MissingExtraError, match=r"hybridge\[lemmas\]"):
        languages.lemmatizer("english")
