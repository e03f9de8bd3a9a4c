"""The analyzer: turns text into index terms, the same way for passages and queries."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, Literal, Self, TypeAlias

from .analysis import languages
from .analysis.positions import Word, word_reader
from .analysis.segments import SEGMENTATION, fold, segmenter
from .analysis.terms import WordCache, cached_terms
from .arguments import check_count
from .copying import SharedInCopies, check_picklable
from .errors import CorruptIndexError, EncoderMismatchError, InvalidInputError
from .forking import cached_property
from .passages import JSON

__all__ = ["Analyzer", "AnalyzerLike"]


class Analyzer(SharedInCopies):
    """A function from texts to terms: words, folded, without stop words, stemmed.

    Text is normalised to NFKC, case-folded and split into words; Chinese, Japanese and Korean into
    characters and pairs of characters. One analyzer serves passages and queries alike, and is
    saved with the index. Many threads may call it.

    Args:
        language: a name or ISO 639-1 code: any that PyStemmer has a stemmer for, ``"chinese"``,
            ``"japanese"`` or ``"korean"``; or None for text of no particular language, without
            stemming and without stop words but your own.
        stopwords: ``"auto"`` for the language's own, None for none, or your own words.
        stem: reduce words to their stems by Snowball's rules, where the language has some.
        lemmatize: replace words by their lemmas, before any stemming; needs the extra ``lemmas``.
        min_length: shorter words are left out, except Chinese, Japanese and Korean characters.

    Raises:
        InvalidInputError: an unknown language, or an option that the language lacks.
        MissingExtraError: `lemmatize` without simplemma.

    >>> analyzer = Analyzer("english")
    >>> analyzer(["The mice were running!", "GPU 東京"])
    [['mice', 'were', 'run'], ['gpu', '東', '京', '東京']]
    """

    def __init__(
        self,
        language: str | None = "english",
        *,
        stopwords: Literal["auto"] | Iterable[str] | None = "auto",
        stem: bool = True,
        lemmatize: bool = False,
        min_length: int = 2,
    ) -> None:
        name = None if language is None else languages.resolve_language(language)
        if lemmatize and name is None:
            raise InvalidInputError("lemmatize=True needs a language")
        own = _check_stopwords(stopwords)
        self._config: dict[str, JSON] = {
            "language": name,
            "stopwords": "auto" if own is None else [*own],
            "stem": bool(stem),
            "lemmatize": bool(lemmatize),
            "min_length": check_count(min_length, "min_length"),
        }
        turkish = name == "turkish"
        listed: Iterable[str] = own or ()
        if own is None and name is not None:
            listed = languages.stopwords(name)
        self.stopwords = frozenset(fold(word, turkish=turkish) for word in listed)
        rules: list[Callable[[str], str] | None] = [
            languages.lemmatizer(name) if name and lemmatize else None,
            languages.stemmer(name) if name and stem else None,
        ]
        terms = cached_terms(self.stopwords, [rule for rule in rules if rule is not None])
        segment = segmenter(min_length)
        self._words: Callable[[str], list[str]] = lambda text: segment(fold(text, turkish=turkish))
        self._terms: Callable[[str], tuple[str, ...]] = terms.__getitem__
        self._function: Callable[[str], Sequence[str]] | None = None

    @classmethod
    def from_callable(cls, function: Callable[[str], Sequence[str]], *, name: str) -> Self:
        """Return an analyzer around your own tokenizer.

        Args:
            function: takes a text, returns its terms; many threads call it.
            name: identifies the function in an index on disk, which holds no code: change it
                whenever the function returns other terms.

        >>> Analyzer.from_callable(str.split, name="whitespace")(["A  b"])
        [['A', 'b']]
        """
        if not callable(function):
            raise InvalidInputError(f"an analyzer function must be callable, not {function!r}")
        if not isinstance(name, str) or not name:
            raise InvalidInputError(f"an analyzer's name must be a non-empty string, not {name!r}")

        def words(text: str) -> list[str]:
            terms = function(text)
            if not _are_strings(terms):
                raise InvalidInputError(
                    f"the analyzer {name!r} must return a list of strings, not {terms!r:.100}"
                )
            return [term for term in terms if term]

        analyzer = cls.__new__(cls)
        analyzer._config = {"callable": name}
        analyzer.stopwords = frozenset()
        analyzer._words = words
        analyzer._terms = lambda word: (word,)
        analyzer._function = function
        return analyzer

    @classmethod
    def of(cls, analyzer: AnalyzerLike) -> Analyzer:
        """Return an analyzer from an analyzer, a language or a function.

        Args:
            analyzer: an `Analyzer`, the name of a language, your own tokenizer (identified by its
                qualified name), or None for English.

        >>> Analyzer.of("de"), Analyzer.of(str.split)
        (Analyzer('german'), Analyzer('str.split'))
        """
        if analyzer is None:
            return cls()
        if isinstance(analyzer, Analyzer):
            return analyzer
        if isinstance(analyzer, str):
            return cls(analyzer)
        name = getattr(analyzer, "__qualname__", type(analyzer).__qualname__)
        return cls.from_callable(analyzer, name=name)

    @classmethod
    def from_config(cls, config: Mapping[str, JSON], analyzer: AnalyzerLike = None) -> Analyzer:
        """Return the analyzer that an index was built with.

        Args:
            config: the index's, from `to_config`.
            analyzer: the caller's: required where the index was built with a function, otherwise
                None or an equal one.

        Raises:
            EncoderMismatchError: `analyzer` is another one, or is required and missing.
            CorruptIndexError: `config` is not from `to_config`.

        >>> Analyzer.from_config(Analyzer("de", stem=False).to_config())([ "Die Häuser"])
        [['häuser']]
        """
        if not isinstance(config, Mapping):
            raise CorruptIndexError(f"no analyzer can be made of {config!r}")
        if analyzer is not None:
            found = cls.of(analyzer)
            if found.to_config() != config:
                raise EncoderMismatchError(
                    f"the index was built with the analyzer {dict(config)}, "
                    f"not {found.to_config()}: open it with the one it was built with"
                )
            return found
        if name := config.get("callable"):
            raise EncoderMismatchError(
                f"the index was built with a function as its analyzer, named {name!r}: pass "
                f"analyzer=Analyzer.from_callable(your_function, name={name!r})"
            )
        try:
            return cls(**config)  # type: ignore[arg-type]
        except (InvalidInputError, TypeError) as error:
            raise CorruptIndexError(f"no analyzer can be made of {config!r}: {error}") from error

    def to_config(self) -> dict[str, JSON]:
        """Return the settings for `from_config`, as JSON.

        >>> Analyzer.from_callable(str.split, name="whitespace").to_config()
        {'callable': 'whitespace'}
        """
        return dict(self._config)

    @property
    def identity(self) -> str:
        """A name of this analyzer's settings: equal for equal ones, and only for those."""
        return f"{self._label}:{_digest(self._config)}"

    @cached_property
    def revision(self) -> str:
        """Identify the terms that these settings give: upgrades of the libraries may change them.

        Stored terms of another revision must be replaced.
        """
        if "callable" in self._config:
            return _digest(self._config)
        words: list[JSON] = [*sorted(self.stopwords)]
        return _digest(
            [SEGMENTATION, unicodedata.unidata_version, {**self._library_versions}, words]
        )

    @cached_property
    def versions(self) -> dict[str, str]:
        """List the versions behind `revision`; none for your own tokenizer.

        >>> sorted(Analyzer("english").versions)
        ['segmentation', 'snowball', 'stop words', 'unicode']
        """
        if "callable" in self._config:
            return {}
        return {
            **self._library_versions,
            "unicode": unicodedata.unidata_version,
            "segmentation": str(SEGMENTATION),
            "stop words": _digest([*sorted(self.stopwords)]),
        }

    @property
    def _library_versions(self) -> dict[str, str]:
        return languages.library_versions(
            stem=bool(self._config["stem"]), lemmatize=bool(self._config["lemmatize"])
        )

    def __call__(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the terms of each text in their order, repetitions included.

        Raises:
            InvalidInputError: a bare string, or something that is no string among the texts.
        """
        if isinstance(texts, str):
            raise InvalidInputError("texts must be a list, not one string: write analyzer([text])")
        for text in texts:
            if not isinstance(text, str):
                raise InvalidInputError(f"a text must be a string, not {type(text).__name__}")
        words, terms = self._words, self._terms
        return [list(chain.from_iterable(map(terms, words(text)))) for text in texts]

    def words(self, text: str) -> list[str]:
        """Return the words of a text, as it writes them, in their order, stop words included.

        The terms of a text are those of its words. With your own tokenizer, words are its terms.

        >>> Analyzer("english").words("the mice are running")
        ['the', 'mice', 'are', 'running']
        """
        return self._words(text)

    def terms_of(self, word: str) -> tuple[str, ...]:
        """Return the terms of one word from `words`; none for a stop word.

        >>> analyzer = Analyzer("english")
        >>> analyzer.terms_of("running"), analyzer.terms_of("the")
        (('run',), ())
        """
        return self._terms(word)

    def positions(self, text: str) -> list[Word]:
        """Return the positions of each word of a text, and the terms that begin at each.

        >>> Analyzer("english").positions("running cats")
        [((('run', 1),),), ((('cat', 1),),)]
        """
        return [word for word in map(self._positions.__getitem__, self.words(text)) if word]

    @cached_property
    def _positions(self) -> WordCache[Word]:
        return WordCache(word_reader(self._terms))

    def __reduce__(self) -> tuple[Callable[..., Analyzer], tuple[Any, ...]]:
        if self._function is None:
            return partial(type(self), **self._config), ()  # type: ignore[arg-type]
        check_picklable(
            self._function,
            repr(self),
            "give a function of a module, not a lambda, or make the analyzer in the process that "
            "needs it",
        )
        return partial(self.from_callable, name=str(self._label)), (self._function,)

    def __repr__(self) -> str:
        return f"Analyzer({self._label!r})"

    @property
    def _label(self) -> JSON:
        return self._config.get("callable", self._config.get("language"))


AnalyzerLike: TypeAlias = Analyzer | str | Callable[[str], Sequence[str]] | None


def _check_stopwords(stopwords: Literal["auto"] | Iterable[str] | None) -> list[str] | None:
    """Return the words in order, or None for the language's own."""
    if stopwords == "auto":
        return None
    words = [stopwords] if isinstance(stopwords, str) else list(stopwords or ())
    if isinstance(stopwords, str) or not _are_strings(words):
        raise InvalidInputError(
            f"stopwords must be 'auto', None or a list of words, not {stopwords!r}"
        )
    return sorted(set(words))


def _are_strings(values: object) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, str) for value in values)


def _digest(value: JSON) -> str:
    encoded = json.dumps(value, sort_keys=True).encode()
    return hashlib.blake2b(encoded, digest_size=8).hexdigest()
