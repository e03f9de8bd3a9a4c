"""What is known of each language: its code, stop words, stemmer and lemmas, from kept libraries.

Stemmers are Snowball's, by PyStemmer. Stop words are bm25s's where it has a list since 0.3.10 (its
English one is Lucene's) and those of stopwordsiso for the others; nepali, serbian, tamil and
yiddish have none in either. Lemmas are simplemma's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from importlib.metadata import version

from ..errors import InvalidInputError, MissingExtraError
from ..iteration import import_bars

__all__ = ["lemmatizer", "library_versions", "resolve_language", "stemmer", "stopwords"]

logger = logging.getLogger(__name__)

# Every name that a PyStemmer since 2.2 knows, and the languages that have characters for words.
_CODES = {
    "arabic": "ar",
    "armenian": "hy",
    "basque": "eu",
    "catalan": "ca",
    "chinese": "zh",
    "czech": "cs",
    "danish": "da",
    "dutch": "nl",
    "dutch_porter": "nl",
    "english": "en",
    "esperanto": "eo",
    "estonian": "et",
    "finnish": "fi",
    "french": "fr",
    "german": "de",
    "greek": "el",
    "hindi": "hi",
    "hungarian": "hu",
    "indonesian": "id",
    "irish": "ga",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "lithuanian": "lt",
    "nepali": "ne",
    "norwegian": "no",
    "persian": "fa",
    "polish": "pl",
    "porter": "en",
    "portuguese": "pt",
    "romanian": "ro",
    "russian": "ru",
    "serbian": "sr",
    "sesotho": "st",
    "spanish": "es",
    "swedish": "sv",
    "tamil": "ta",
    "turkish": "tr",
    "yiddish": "yi",
}
_WITHOUT_STEMMER = {"chinese", "japanese", "korean"}
_BM25S_LISTS = {
    "de": "GERMAN",
    "en": "EN",
    "es": "SPANISH",
    "fr": "FRENCH",
    "it": "ITALIAN",
    "ko": "KOREAN",
    "nl": "DUTCH",
    "no": "NORWEGIAN",
    "pt": "PORTUGUESE",
    "ru": "RUSSIAN",
    "sv": "SWEDISH",
    "tr": "TURKISH",
    "zh": "CHINESE",
}
_SIMPLEMMA_CODES = {"no": "nb", "sr": "hbs"}


def resolve_language(language: str) -> str:
    """The name of a language given by its name or its ISO 639-1 code, in any case.

    Raises:
        InvalidInputError: neither; the message lists the names.

    >>> resolve_language("de"), resolve_language("German")
    ('german', 'german')
    """
    known = _known_languages()
    if isinstance(language, str):
        wanted = language.lower()
        for name, code in known.items():
            if wanted in (name, code):
                return name
    raise InvalidInputError(
        f"no language {language!r}: choose one of {', '.join(known)}, or None for no language"
    )


def stopwords(language: str) -> frozenset[str]:
    """The words of a language that say nothing of what a text is about, lower case.

    Args:
        language: a name from `resolve_language`. One that has no list gives no words and a
            warning in the log.

    >>> "the" in stopwords("english")
    True
    """
    return _stopwords(_CODES[language])


def stemmer(language: str) -> Callable[[str], str] | None:
    """The language's Snowball stemmer, or None for Chinese, Japanese and Korean.

    What is returned is not for two threads at once.

    >>> stemmer("english")("walking"), stemmer("japanese")
    ('walk', None)
    """
    if language in _WITHOUT_STEMMER:
        return None
    import Stemmer

    stem: Callable[[str], str] = Stemmer.Stemmer(language, 0).stemWord
    return stem


def lemmatizer(language: str) -> Callable[[str], str]:
    """A function from a word to the form that a dictionary lists it under.

    Raises:
        MissingExtraError: simplemma is not installed.
        InvalidInputError: simplemma does not know the language.

    >>> lemmatizer("english")("mice")
    'mouse'
    """
    try:
        import simplemma
    except ImportError:
        raise MissingExtraError("simplemma", "lemmas") from None
    code = _CODES[language]
    code = _SIMPLEMMA_CODES.get(code, code)

    def lemmatize(word: str) -> str:
        lemma: str = simplemma.lemmatize(word, lang=code)
        return lemma

    try:
        lemmatize("a")
    except ValueError:
        raise InvalidInputError(
            f"there are no lemmas for {language}: leave lemmatize=False"
        ) from None
    return lemmatize


def library_versions(*, stem: bool, lemmatize: bool) -> dict[str, str]:
    """The versions of the libraries that decide how a word is written in an index."""
    versions: dict[str, str] = {}
    if stem:
        import Stemmer

        versions["snowball"] = Stemmer.version()
    if lemmatize:
        versions["simplemma"] = version("simplemma")
    return versions


@cache
def _known_languages() -> dict[str, str]:
    import Stemmer

    stemmed = set(Stemmer.algorithms())
    return {
        name: code for name, code in _CODES.items() if name in stemmed or name in _WITHOUT_STEMMER
    }


@cache
def _stopwords(code: str) -> frozenset[str]:
    if code in _BM25S_LISTS:
        import_bars()
        import bm25s.stopwords

        return frozenset(getattr(bm25s.stopwords, f"STOPWORDS_{_BM25S_LISTS[code]}"))
    import stopwordsiso

    words = frozenset(stopwordsiso.stopwords(code))
    if not words:
        logger.warning(
            "no stop word list for the language %r: none are left out; "
            "pass stopwords=[...] to leave out your own, or stopwords=None to say so",
            code,
        )
    return words
