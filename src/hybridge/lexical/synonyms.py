"""Synonyms: words and phrases that stand for those of a query."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeAlias

from ..copying import check_picklable
from ..errors import CorruptIndexError, EncoderMismatchError, InvalidInputError
from ..metadata import check_text
from ..passages import JSON

__all__ = ["Synonyms", "SynonymsLike"]

_FORMS = (
    "give a mapping such as {'heart attack': ['myocardial infarction']}, groups of equals such as "
    "[['car', 'automobile']], the path of a JSON file with one of the two, or a function from a "
    "word to its synonyms"
)


class Synonyms:
    """A table of synonyms for BM25: their terms are added to a query that has their word.

    A table is read on the side of the query alone, so it may change without a new analysis of the
    passages. A word or phrase matches where the query has its terms, one after another: "heart
    attacks" has those of "heart attack", and so have "heart-attack" and, for "wi-fi", "wi fi" and
    "wifi"; parts of a longer compound match nothing. Where two entries overlap, the longer one
    counts. What is added has the terms of its words as a query has them, parts and wholes. Terms
    that the query has itself are not added. An entry in which the analyzer reads no term has no
    effect.

    Where words have no spaces between them, an entry matches anywhere, from the left: 京都 also in
    東京都, unless 東京 or 東京都 is an entry. A tokenizer of your own tells the words apart.

    A mapping holds in one direction, from the word in a query to what is added. The words and
    phrases of a group stand for each other. A JSON file has the same form: an object of lists, or
    a list of lists.

    Args:
        table: a mapping from a word or phrase to one or several others, groups of equals, or the
            path of a JSON file.
        weight: of an added term, above 0, up to 1: a term of the query has 1, so that passages with
            the query's own words come first. With 76 groups written by hand for SciFact, BM25
            gained 0.002 of nDCG@10 on train queries from 0.1 to 0.4, lost 0.001 on test queries at
            0.1, and more above.

    Raises:
        InvalidInputError: a table of another form, a file that is no such JSON, or a weight outside
            its range.

    >>> from hybridge import BM25Retriever, Passage
    >>> passages = [Passage("p1", "Myocardial infarction"), Passage("p2", "Women at work")]
    >>> table = Synonyms({"heart attack": ["myocardial infarction", "MI"]})
    >>> retriever = BM25Retriever(passages, synonyms=table)
    >>> [hit.passage.id for hit in retriever.search(["Heart attacks?"])[0]]
    ['p1']
    """

    def __init__(
        self,
        table: Mapping[str, str | Sequence[str]] | Iterable[Iterable[str]] | str | Path,
        *,
        weight: float = 0.2,
    ) -> None:
        self.weight = _check_weight(weight)
        self._table = _check_table(_read(table) if isinstance(table, str | Path) else table)
        self._function: Callable[[str], Iterable[str]] | None = None
        self._name = ""

    @classmethod
    def from_callable(
        cls, function: Callable[[str], Iterable[str]], *, name: str, weight: float = 0.2
    ) -> Self:
        """Return synonyms by a function, such as one that looks them up in a thesaurus.

        Args:
            function: takes a word of a query, returns words and phrases; many threads call it.
            name: identifies the function in an index on disk, which holds no code: it must be given
                again on opening.
            weight: as for a table.

        >>> Synonyms.from_callable(lambda word: ["auto"] if word == "car" else [], name="ours")
        Synonyms('ours')
        """
        if not callable(function):
            raise InvalidInputError(f"synonyms must come from a function, not from {function!r}")
        if not isinstance(name, str) or not name:
            raise InvalidInputError(f"a name of synonyms must be a non-empty string, not {name!r}")
        made = cls.__new__(cls)
        made.weight = _check_weight(weight)
        made._table = {}
        made._function = function
        made._name = name
        return made

    @classmethod
    def of(cls, value: SynonymsLike) -> Synonyms | None:
        """Return synonyms from any form of them; None for None.

        >>> Synonyms.of([["car", "automobile"]]).of_table
        {'car': ('automobile',), 'automobile': ('car',)}
        """
        if value is None or isinstance(value, Synonyms):
            return value
        if callable(value):
            name = getattr(value, "__qualname__", type(value).__qualname__)
            return cls.from_callable(value, name=name)
        return cls(value)

    @property
    def of_table(self) -> dict[str, tuple[str, ...]]:
        """The words and phrases of the table, each with those that are added for it."""
        if isinstance(self._table, dict):
            return {key: tuple(others) for key, others in self._table.items()}
        found: dict[str, dict[str, None]] = {}
        for group in self._table:
            for key in group:
                others = dict.fromkeys(each for each in group if each != key)
                found.setdefault(key, {}).update(others)
        return {key: tuple(others) for key, others in found.items()}

    def of_word(self, word: str) -> Sequence[str]:
        """Return what the function has for a word; nothing for a table.

        Raises:
            InvalidInputError: the function returned something else than strings.
        """
        if self._function is None:
            return ()
        found = self._function(word)
        if isinstance(found, str) or not isinstance(found, Iterable):
            raise InvalidInputError(
                f"the synonyms {self._name!r} must return a list of strings, not {found!r:.100}"
            )
        words = list(found)
        if not all(isinstance(each, str) for each in words):
            raise InvalidInputError(
                f"the synonyms {self._name!r} must return a list of strings, not {words!r:.100}"
            )
        return words

    def to_config(self) -> dict[str, JSON]:
        """Return these synonyms for `from_config`, as JSON.

        >>> Synonyms({"car": "automobile"}).to_config()
        {'weight': 0.2, 'table': {'car': ['automobile']}}
        """
        if self._function is not None:
            return {"weight": self.weight, "callable": self._name}
        table: JSON = (
            {key: [*others] for key, others in self._table.items()}
            if isinstance(self._table, dict)
            else [[*group] for group in self._table]
        )
        return {"weight": self.weight, "table": table}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any] | None, synonyms: SynonymsLike = None
    ) -> Synonyms | None:
        """Return the synonyms that were saved, or the caller's instead of them.

        Args:
            config: from `to_config`; None where none were saved.
            synonyms: the caller's: required where a function was saved.

        Raises:
            EncoderMismatchError: a function was saved, and is missing.
            CorruptIndexError: `config` is not from `to_config`.
        """
        if synonyms is not None or config is None:
            return cls.of(synonyms)
        try:
            if "callable" in config:
                raise EncoderMismatchError(
                    f"the synonyms {config['callable']!r} are a function, which is not stored: "
                    "pass it as synonyms="
                )
            return cls(config["table"], weight=config["weight"])
        except (InvalidInputError, KeyError, TypeError) as error:
            raise CorruptIndexError(f"no synonyms can be made of {config!r:.200}") from error

    @property
    def is_callable(self) -> bool:
        """Whether they come from a function, which must be given again on opening."""
        return self._function is not None

    def __len__(self) -> int:
        return len(self.of_table)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Synonyms):
            return NotImplemented
        return (self.to_config(), self._function) == (other.to_config(), other._function)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self._function is not None:
            return f"Synonyms({self._name!r})"
        return f"<Synonyms: {len(self)} words and phrases, weight {self.weight}>"

    def __reduce__(self) -> tuple[Callable[..., Synonyms], tuple[Any, ...]]:
        if self._function is None:
            return partial(type(self), weight=self.weight), (self._table,)
        check_picklable(self._function, repr(self), "give a function of a module, not a lambda")
        return partial(self.from_callable, name=self._name, weight=self.weight), (self._function,)


SynonymsLike: TypeAlias = (
    Synonyms
    | Mapping[str, str | Sequence[str]]
    | Iterable[Iterable[str]]
    | str
    | Path
    | Callable[[str], Iterable[str]]
    | None
)


def _read(path: str | Path) -> Any:
    file = Path(path).expanduser()
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"the synonyms in {file} cannot be read ({error}): {_FORMS}") from (
            error
        )


def _check_table(table: Any) -> dict[str, list[str]] | list[list[str]]:
    """Return a table as JSON holds it.

    Raises:
        InvalidInputError: it is neither a mapping nor groups, or UTF-8 cannot store it.
    """
    if isinstance(table, Mapping):
        mapping = {key: [each] if isinstance(each, str) else each for key, each in table.items()}
        return {_check_word(key): _check_words(others, 1) for key, others in mapping.items()}
    if isinstance(table, Iterable) and not isinstance(table, str | bytes):
        return [_check_words(group, 2) for group in table]
    raise InvalidInputError(f"{table!r:.100} is no table of synonyms: {_FORMS}")


def _check_words(words: Any, minimum: int) -> list[str]:
    if isinstance(words, str | bytes) or not isinstance(words, Iterable):
        raise InvalidInputError(f"{words!r:.100} is no list of words and phrases: {_FORMS}")
    found = [_check_word(word) for word in words]
    if len(found) < minimum:
        raise InvalidInputError(f"{found!r} has too few words for a synonym: {_FORMS}")
    return found


def _check_word(word: Any) -> str:
    if not isinstance(word, str) or not word.strip():
        raise InvalidInputError(
            f"a synonym must be a word or a phrase, not {word!r:.100}: {_FORMS}"
        )
    check_text(word, f"the synonym {word!r:.100}")
    return word


def _check_weight(weight: float) -> float:
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= 1:
        raise InvalidInputError(f"a weight of synonyms must be above 0, up to 1, not {weight!r}")
    return float(weight)
