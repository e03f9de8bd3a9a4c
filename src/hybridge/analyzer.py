"""The analyzer: turns text into index terms, the same way for passages and queries."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Self, TypeAlias, cast

from .analysis import languages
from .analysis.positions import Position, Word
from .analysis.rules import FirstRules, SecondRules, WordRules
from .analysis.terms import TermReader
from .arguments import check_count
from .copying import SharedInCopies, check_picklable
from .errors import CorruptIndexError, EncoderMismatchError, InvalidInputError
from .forking import cached_property
from .passages import JSON

__all__ = ["Analyzer", "AnalyzerLike"]

_LATEST = 2
# What the options that a version knows are by default.
_DEFAULTS: dict[int, dict[str, JSON]] = {
    1: {"min_length": 2},
    2: {"min_length": 1, "fold": True, "questions": True},
}
# Since single letters are terms, stop words need the pronoun, and not the letters that stand before
# apostrophes, which are no words anyway: vitamin D is "vitamine D" too.
_PRONOUNS = {"english": {"i"}, "porter": {"i"}}
_LETTERS = {"french": "cdjlmnst", "italian": "cl", "romanian": "bcdfghjklmnprstvxz"}


class Analyzer(SharedInCopies):
    """A function from texts to terms: words and their parts, folded, stemmed, no stop words.

    Text is normalised to NFKC, case-folded and split into words. Numbers, codes, compounds and
    identifiers are terms whole and in parts: XR-500 is found by XR500 and by 500, hand-over by
    handover, getUserName by get_user_name and by "user name". Clause 7.3.2, C++, C#, .NET and
    vitamin D are other terms than their neighbours. Chinese, Japanese, Korean and scripts without
    spaces become characters and pairs of characters. One analyzer serves passages and queries
    alike, and is saved with the index. Many threads may call it.

    Args:
        language: a name or ISO 639-1 code, with a stemmer if PyStemmer has one; or None for text of
            no particular language, without stemming and without stop words but your own.
        stopwords: ``"auto"`` for the language's own, None for none, or your own words.
        stem: reduce words to their stems by Snowball's rules, where the language has some.
        lemmatize: replace words by their lemmas, before any stemming; needs the extra ``lemmas``.
        min_length: shorter words and parts are left out, except characters of scripts without
            spaces; None for 1.
        fold: index each word without its accents and the like beside the word itself, so that
            "bronte" finds "Brontë"; None for True.
        questions: leave question words (what, does, how ...) out of queries, in English; a query of
            nothing else keeps them. So do names, which are in quotes, in capitals (WHO) or have one
            in mid-sentence (Doctor Who), entries of the synonyms, and passages. None for True.
        version: 1 for the words of the first release, which an index from then keeps: runs of at
            least two letters, digits and underscores, without parts, wholes and folding.

    Attributes:
        stopwords: the stop words, folded.
        question_words: the question words, folded.
        version: the version; None for your own tokenizer.

    Raises:
        InvalidInputError: an unknown language, or an option that the language or version lacks.
        MissingExtraError: `lemmatize` without simplemma.

    >>> analyzer = Analyzer("english")
    >>> analyzer(["The mice were running!", "GPU 東京"])
    [['mice', 'were', 'run'], ['gpu', '東', '京', '東京']]
    >>> analyzer(["valve XR-500", "clause 7.3.2", "C++"])
    [['valv', 'xr', '500', 'xr500'], ['claus', '7', '3', '2', '7.3.2'], ['c++']]
    """

    def __init__(
        self,
        language: str | None = "english",
        *,
        stopwords: Literal["auto"] | Iterable[str] | None = "auto",
        stem: bool = True,
        lemmatize: bool = False,
        min_length: int | None = None,
        fold: bool | None = None,
        questions: bool | None = None,
        version: int = _LATEST,
    ) -> None:
        name = None if language is None else languages.resolve_language(language)
        if lemmatize and name is None:
            raise InvalidInputError("lemmatize=True needs a language")
        own = _check_stopwords(stopwords)
        options = _check_options(version, min_length, fold, questions)
        self._config: dict[str, JSON] = {
            "language": name,
            "stopwords": "auto" if own is None else [*own],
            "stem": bool(stem),
            "lemmatize": bool(lemmatize),
            **options,
        }
        self.version: int | None = version
        asks = options.pop("questions", False)
        self.question_words = languages.question_words(name) if asks else frozenset[str]()
        self._rules = _rules(name, own, **options)
        self.stopwords = self._rules.stopwords
        rules: list[Callable[[str], str] | None] = [
            languages.lemmatizer(name) if name and lemmatize else None,
            languages.stemmer(name) if name and stem else None,
        ]
        reader = TermReader(self._rules, [rule for rule in rules if rule is not None])
        self._analyze, self._words, self._terms_of = reader.terms, reader.words, reader.terms_of
        self._terms_of_run: Callable[[str], tuple[str, ...]] | None = reader.terms_of_run
        self._positions: Callable[[str], list[Position]] = reader.positions
        self._phrase: Callable[[str], list[Word]] = reader.phrase
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
        analyzer.version = None
        analyzer.stopwords = analyzer.question_words = frozenset()
        analyzer._analyze = analyzer._words = words
        analyzer._terms_of = lambda word: (word,)
        analyzer._terms_of_run = None
        analyzer._positions = lambda text: [((word, 1),) for word in words(text)]
        analyzer._phrase = lambda text: [(((word, 1),),) for word in words(text)]
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
                None or an equal one; one that differs in its version alone stands for the index's.

        Raises:
            EncoderMismatchError: `analyzer` is another one, or is required and missing.
            CorruptIndexError: `config` is not from `to_config`.

        >>> Analyzer.from_config(Analyzer("de", stem=False).to_config())(["Die Katzen"])
        [['katzen']]
        """
        if not isinstance(config, Mapping):
            raise CorruptIndexError(f"no analyzer can be made of {config!r}")
        if analyzer is not None:
            found = cls.of(analyzer)
            settings = found.to_config()
            if settings == config:
                return found
            if not _differ_in_version_alone(settings, config):
                raise EncoderMismatchError(
                    f"the index was built with the analyzer {dict(config)}, "
                    f"not {settings}: open it with the one it was built with"
                )
        if name := config.get("callable"):
            raise EncoderMismatchError(
                f"the index was built with a function as its analyzer, named {name!r}: pass "
                f"analyzer=Analyzer.from_callable(your_function, name={name!r})"
            )
        try:
            return cls(**{"version": 1, **config})  # type: ignore[arg-type]
        except (InvalidInputError, TypeError) as error:
            raise CorruptIndexError(f"no analyzer can be made of {config!r}: {error}") from error

    @cached_property
    def common_words(self) -> frozenset[str]:
        """Words that any text of the language may have, lower case; none without a language.

        >>> "does" in Analyzer("english").common_words
        True
        """
        language = self._config.get("language")
        return languages.common_words(language) if isinstance(language, str) else frozenset()

    @property
    def is_latest(self) -> bool:
        """Whether a newly made analyzer of the same settings gives the same terms."""
        return self.version in (None, _LATEST)

    def latest(self) -> Analyzer:
        """Return an analyzer of these settings as it is made today, of the latest version.

        >>> Analyzer("german", version=1).latest()
        Analyzer('german')
        """
        if self.is_latest:
            return self
        defaults = {"version": None, **_DEFAULTS[cast(int, self.version)]}
        own = {name: value for name, value in self._config.items() if name not in defaults}
        changed = {name: value for name, value in self._config.items() if name in defaults}
        changed = {name: value for name, value in changed.items() if value != defaults[name]}
        changed.pop("version", None)
        return type(self)(**own, **changed)  # type: ignore[arg-type]

    def to_config(self) -> dict[str, JSON]:
        """Return the settings for `from_config`, as JSON; the first version has no number there.

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
        libraries: dict[str, JSON] = {**self._library_versions}
        return _digest([self._rules.segmentation, unicodedata.unidata_version, libraries, words])

    @cached_property
    def versions(self) -> dict[str, str]:
        """List the versions behind `revision`; none for your own tokenizer.

        >>> sorted(Analyzer("english").versions)
        ['folding', 'segmentation', 'snowball', 'stop words', 'unicode']
        """
        if "callable" in self._config:
            return {}
        return {
            **self._library_versions,
            "unicode": unicodedata.unidata_version,
            "segmentation": str(self._rules.segmentation),
            "stop words": _digest([*sorted(self.stopwords)]),
        }

    @property
    def _library_versions(self) -> dict[str, str]:
        libraries = languages.library_versions(
            stem=bool(self._config["stem"]), lemmatize=bool(self._config["lemmatize"])
        )
        return {**libraries, **self._rules.versions}

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
        return [self._analyze(text) for text in texts]

    def words(self, text: str) -> list[str]:
        """Return the words of a text, as it writes them, in their order, stop words included.

        The terms of a text are those of its words. With your own tokenizer, words are its terms.

        >>> Analyzer("english").words("The mice aren't running.")
        ['The', 'mice', "aren't", 'running']
        """
        return self._words(text)

    def terms_of(self, word: str) -> tuple[str, ...]:
        """Return the terms of one word from `words`; none for a stop word.

        >>> analyzer = Analyzer("english")
        >>> analyzer.terms_of("running"), analyzer.terms_of("The"), analyzer.terms_of("T-3")
        (('run',), (), ('t', '3', 't3'))
        """
        return self._terms_of(word)

    @property
    def terms_of_run(self) -> Callable[[str], tuple[str, ...]] | None:
        """The function from what stands between two blanks of a text to its terms.

        None for your own tokenizer, which need not cut there.

        >>> of_run = Analyzer("english").terms_of_run
        >>> of_run("(running)/T-3,"), Analyzer.of(str.split).terms_of_run
        (('run', 't', '3', 't3'), None)
        """
        return self._terms_of_run

    def positions(self, text: str) -> list[Position]:
        """Return the positions of a text, and the terms that begin at each.

        Most words take one position. A joined word takes one a part, and its term spans them all.

        >>> Analyzer("english").positions("running XR-500")
        [(('run', 1),), (('xr', 1), ('xr500', 2)), (('500', 1),)]
        """
        return self._positions(text)

    def phrase(self, text: str) -> list[Word]:
        """Return the positions of each word of a phrase, and the terms to look for at each.

        They are those of `positions`, except that a whole of one part, like ".NET", has no term of
        that part: it is not looked for by ``net``.

        >>> Analyzer("english").phrase("running .NET")
        [((('run', 1),),), ((('.net', 1),),)]
        """
        return self._phrase(text)

    def __reduce__(self) -> tuple[Callable[..., Analyzer], tuple[Any, ...]]:
        if self._function is None:
            return partial(type(self).from_config, self._config), ()
        check_picklable(
            self._function,
            repr(self),
            "give a function of a module, not a lambda, or make the analyzer in the process that "
            "needs it",
        )
        return partial(self.from_callable, name=str(self._label)), (self._function,)

    def __repr__(self) -> str:
        version = "" if self.is_latest else f", version={self.version}"
        return f"Analyzer({self._label!r}{version})"

    @property
    def _label(self) -> JSON:
        return self._config.get("callable", self._config.get("language"))


AnalyzerLike: TypeAlias = Analyzer | str | Callable[[str], Sequence[str]] | None


def _check_options(
    version: int, min_length: int | None, fold: bool | None, questions: bool | None
) -> dict[str, JSON]:
    """Return the options that versions do not share, as an analyzer's configuration has them."""
    if version not in _DEFAULTS or isinstance(version, bool):
        raise InvalidInputError(f"version must be one of {[*_DEFAULTS]}, not {version!r}")
    options = dict(_DEFAULTS[version])
    if min_length is not None:
        options["min_length"] = check_count(min_length, "min_length")
    if version == 1:  # written without a number then
        for name, option in {"fold": fold, "questions": questions}.items():
            if option:
                raise InvalidInputError(f"version=1 knows no {name}=True: leave one of them out")
        return options
    if fold is not None:
        options["fold"] = bool(fold)
    if questions is not None:
        options["questions"] = bool(questions)
    return {**options, "version": version}


def _rules(
    language: str | None,
    own: Sequence[str] | None,
    min_length: Any,
    fold: Any = None,
    version: Any = 1,
) -> WordRules:
    listed = frozenset(own or ())
    if own is None and language is not None:
        listed = languages.stopwords(language)
    if version == 1:
        return FirstRules(language, listed, min_length)
    if own is None and language is not None:
        listed = (listed | _PRONOUNS.get(language, set())) - {*_LETTERS.get(language, "")}
    return SecondRules(language, listed, min_length, plain=fold)


def _differ_in_version_alone(one: Mapping[str, JSON], other: Mapping[str, JSON]) -> bool:
    """Return whether two configurations agree, where an option may have each version's default."""

    def has_default(config: Mapping[str, JSON], option: str) -> bool:
        defaults = _DEFAULTS.get(cast(int, config.get("version", 1)), {})
        return config.get(option) == defaults.get(option)

    return all(
        one.get(option) == other.get(option)
        or (has_default(one, option) and has_default(other, option))
        for option in {*one, *other} - {"version"}
    )


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
