"""Each language's code, stop words, stemmer and lemmas, from maintained libraries.

Stemmers are Snowball's, by PyStemmer. Stop words are bm25s's where it has a list since 0.3.10 (its
English one is Lucene's) and those of stopwordsiso for the others; nepali, serbian, tamil and
yiddish have none in either. Lemmas are simplemma's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from importlib.metadata import version

from ..errors import InvalidInputError, needs_extra
from ..iteration import import_bars

__all__ = [
    "common_words",
    "lemmatizer",
    "library_versions",
    "question_words",
    "resolve_language",
    "stemmer",
    "stopwords",
]

logger = logging.getLogger(__name__)

# Every name of a PyStemmer since 2.2 (dutch_porter and porter are its older rules), and the other
# languages with stop words in stopwordsiso.
_CODES = {
    "afrikaans": "af",
    "arabic": "ar",
    "armenian": "hy",
    "basque": "eu",
    "bengali": "bn",
    "breton": "br",
    "bulgarian": "bg",
    "catalan": "ca",
    "chinese": "zh",
    "croatian": "hr",
    "czech": "cs",
    "danish": "da",
    "dutch": "nl",
    "dutch_porter": "nl",
    "english": "en",
    "esperanto": "eo",
    "estonian": "et",
    "finnish": "fi",
    "french": "fr",
    "galician": "gl",
    "german": "de",
    "greek": "el",
    "gujarati": "gu",
    "hausa": "ha",
    "hebrew": "he",
    "hindi": "hi",
    "hungarian": "hu",
    "indonesian": "id",
    "irish": "ga",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "kurdish": "ku",
    "latin": "la",
    "latvian": "lv",
    "lithuanian": "lt",
    "malay": "ms",
    "marathi": "mr",
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
    "slovak": "sk",
    "slovenian": "sl",
    "somali": "so",
    "spanish": "es",
    "swahili": "sw",
    "swedish": "sv",
    "tagalog": "tl",
    "tamil": "ta",
    "thai": "th",
    "turkish": "tr",
    "ukrainian": "uk",
    "urdu": "ur",
    "vietnamese": "vi",
    "yiddish": "yi",
    "yoruba": "yo",
    "zulu": "zu",
}
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
_QUESTION_WORDS = {
    "en": frozenset(
        "what which who whom whose when where why how do does did doing done".split()  # noqa: SIM905
    ),
}
_SIMPLEMMA_CODES = {"no": "nb", "sr": "hbs"}


def resolve_language(language: str) -> str:
    """Return the name of a language from its name or its ISO 639-1 code, in any case.

    Raises:
        InvalidInputError: an unknown language; the message lists the names.

    >>> resolve_language("de"), resolve_language("German")
    ('german', 'german')
    """
    names = _language_codes()
    if isinstance(language, str):
        for name, code in names.items():
            if language.lower() in (name, code):
                return name
    raise InvalidInputError(
        f"no language {language!r}: choose one of {', '.join(names)}, or None for no language"
    )


def stopwords(language: str) -> frozenset[str]:
    """Return the stop words of a language, lower case.

    Args:
        language: a name from `resolve_language`. One without a list gives no words and a warning
            in the log.

    >>> "the" in stopwords("english")
    True
    """
    return _stopwords(_CODES[language])


def common_words(language: str) -> frozenset[str]:
    """Return words that any text of a language may have, lower case, whatever it is about.

    These are its stop words and question words, and the longer list of stopwordsiso.

    >>> {"does", "could", "from"} <= common_words("english")
    True
    """
    import stopwordsiso

    code = _CODES[language]
    return _stopwords(code) | question_words(language) | stopwordsiso.stopwords(code)


def question_words(language: str | None) -> frozenset[str]:
    """Return the words of questions that a query is better off without, lower case.

    On labelled questions they cost BM25 0.017 of nDCG@10, and claims have few of them:
    ``benchmarks/question_words.py``. More words, such as "can" and "should", add nothing.

    >>> "how" in question_words("english"), question_words("german")
    (True, frozenset())
    """
    return _QUESTION_WORDS.get(_CODES.get(language or "", ""), frozenset())


def stemmer(language: str) -> Callable[[str], str] | None:
    """Return the language's Snowball stemmer; None where the installed PyStemmer has none.

    The function is not for two threads at once.

    >>> stemmer("english")("walking"), stemmer("japanese")
    ('walk', None)
    """
    import Stemmer

    if language not in Stemmer.algorithms():
        return None
    stem: Callable[[str], str] = Stemmer.Stemmer(language, 0).stemWord
    return stem


def lemmatizer(language: str) -> Callable[[str], str]:
    """Return a function from a word to its lemma.

    Raises:
        MissingExtraError: simplemma is not installed.
        InvalidInputError: simplemma lacks the language.

    >>> lemmatizer("english")("mice")
    'mouse'
    """
    with needs_extra("lemmas"):
        import simplemma
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
    """Return the versions of the libraries that make an index's terms."""
    versions: dict[str, str] = {}
    if stem:
        import Stemmer

        versions["snowball"] = Stemmer.version()
    if lemmatize:
        versions["simplemma"] = version("simplemma")
    return versions


@cache
def _language_codes() -> dict[str, str]:
    import Stemmer

    # Rules, and no language where PyStemmer lacks them.
    older_rules = {"dutch_porter"} - set(Stemmer.algorithms())
    return {name: code for name, code in _CODES.items() if name not in older_rules}


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
            "no stop word list for the language %r: all words are indexed; "
            "pass stopwords=[...] to leave out your own, or stopwords=None against this warning",
            code,
        )
    return words
