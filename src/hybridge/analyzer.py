"""The analyzer: turns text into the terms it is indexed under, the same way on both sides."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Self, TypeAlias

from .analysis import languages
from .analysis.segments import SEGMENTATION, fold, segmenter
from .analysis.terms import Terms
from .arguments import check_count
from .copying import SharedInCopies, check_picklable
from .errors import CorruptIndexError, EncoderMismatchError, InvalidInputError
from .forking import cached_property
from .passages import JSON

__all__ = ["Analyzer", "AnalyzerLike"]


class Analyzer(SharedInCopies):
    """Turns text into terms: words, folded, without stop words, stemmed.

    Text is brought to NFKC and case-folded, cut into words, and Chinese, Japanese and Korean into
    characters and pairs of characters. One analyzer serves passages and queries alike, and is
    kept with the index. It may be called from many threads.

    Args:
        language: a name or ISO 639-1 code: any that PyStemmer has a stemmer for, ``"chinese"``,
            ``"japanese"`` or ``"korean"``; or None for text of no particular language, which is
            neither stemmed nor rid of stop words but your own.
        stopwords: ``"auto"`` for the language's own, None for none, or your own words.
        stem: reduce words to their stems by Snowball's rules, where the language has some.
        lemmatize: replace words by their dictionary form, before any stemming; needs the extra
            ``lemmas``.
        min_length: words of fewer characters are left out (Chinese, Japanese and Korean
            characters never are).

    Raises:
        InvalidInputError: an unknown language, or an option that the language does not have.
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
        terms = Terms(self.stopwords, [rule for rule in rules if rule is not None])
        segment = segmenter(min_length)

        def analyze(text: str) -> list[str]:
            return list(filter(None, map(terms.__getitem__, segment(fold(text, turkish=turkish)))))

        self._analyze = analyze
        self._function: Callable[[str], Sequence[str]] | None = None

    @classmethod
    def from_callable(cls, function: Callable[[str], Sequence[str]], *, name: str) -> Self:
        """An analyzer around your own tokenizer.

        Args:
            function: takes a text, returns its terms; it is called from many threads.
            name: stands for the function in an index on disk, which holds no code: give it
                another one when the function changes what it returns.

        >>> Analyzer.from_callable(str.split, name="whitespace")(["A  b"])
        [['A', 'b']]
        """
        if not callable(function):
            raise InvalidInputError(f"an analyzer function must be callable, not {function!r}")
        if not isinstance(name, str) or not name:
            raise InvalidInputError(f"an analyzer's name must be a non-empty string, not {name!r}")

        def analyze(text: str) -> list[str]:
            terms = function(text)
            if not _are_strings(terms):
                raise InvalidInputError(
                    f"the analyzer {name!r} must return a list of strings, not {terms!r:.100}"
                )
            return [term for term in terms if term]

        analyzer = cls.__new__(cls)
        analyzer._config = {"callable": name}
        analyzer.stopwords = frozenset()
        analyzer._analyze = analyze
        analyzer._function = function
        return analyzer

    @classmethod
    def of(cls, analyzer: AnalyzerLike) -> Analyzer:
        """The analyzer meant by what a constructor was given.

        Args:
            analyzer: an `Analyzer`, the name of a language, your own tokenizer (it goes by its
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
        """The analyzer that an index was built with.

        Args:
            config: what `to_config` gave.
            analyzer: what the caller opened the index with: needed where it was built with a
                function, and otherwise None or the same again.

        Raises:
            EncoderMismatchError: `analyzer` is another one, or is needed and missing.
            CorruptIndexError: `config` is not what `to_config` gives.

        >>> Analyzer.from_config(Analyzer("de", stem=False).to_config())([ "Die Häuser"])
        [['häuser']]
        """
        if not isinstance(config, Mapping):
            raise CorruptIndexError(f"no analyzer can be made of {config!r}")
        if analyzer is not None:
            given = cls.of(analyzer)
            if given.to_config() != config:
                raise EncoderMismatchError(
                    f"the index was built with the analyzer {dict(config)}, "
                    f"not {given.to_config()}: open it with the one it was built with"
                )
            return given
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
        """What makes an equal analyzer again with `from_config`, as JSON.

        >>> Analyzer.from_callable(str.split, name="whitespace").to_config()
        {'callable': 'whitespace'}
        """
        return dict(self._config)

    @property
    def identity(self) -> str:
        """Names this analyzer's settings: equal for equal ones, and only for those."""
        return f"{self._label}:{_digest(self._config)}"

    @cached_property
    def revision(self) -> str:
        """Changes when the same settings would give other terms, as after an upgrade of a library.

        Terms kept from another revision must be made anew.
        """
        if "callable" in self._config:
            return _digest(self._config)
        words: list[JSON] = [*sorted(self.stopwords)]
        return _digest(
            [SEGMENTATION, unicodedata.unidata_version, {**self._library_versions}, words]
        )

    @cached_property
    def versions(self) -> dict[str, str]:
        """What `revision` depends on, for people: empty for your own tokenizer.

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
        """The terms of each text, in their order, as often as they come.

        Raises:
            InvalidInputError: a bare string, or something that is no string among the texts.
        """
        if isinstance(texts, str):
            raise InvalidInputError("texts must be a list, not one string: write analyzer([text])")
        for text in texts:
            if not isinstance(text, str):
                raise InvalidInputError(f"a text must be a string, not {type(text).__name__}")
        return [self._analyze(text) for text in texts]

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
    """The words in order, or None for the language's own."""
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
