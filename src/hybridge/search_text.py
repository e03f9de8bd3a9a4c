"""The text that is searched of a passage, where it is not the text that is returned.

A template names the passage's text and fields of its metadata: ``"{title}\n{text}"``. A field is
written as in filters: ``{author.name}``, ``{authors[].name}``, ``{"dc:title"}`` for a key with a
dot, a colon or the like; ``{"text"}`` is a metadata field of that name. A missing or null field is
empty, the elements of a list are joined by commas, ``{{`` and ``}}`` are braces. Whitespace beside
an empty field is left out, and a passage whose fields are all empty has no text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any, Self, TypeAlias

from .arguments import check_count
from .copying import SharedInCopies, check_picklable
from .errors import CorruptIndexError, EncoderMismatchError, InvalidInputError
from .filters.fields import Path, lookup, parse_field
from .metadata import check_text, json_metadata
from .passages import JSON, Passage

__all__ = ["TEXT_ALONE", "SearchText", "SearchTextLike", "chosen_search_text"]

_TEXT = "text"
_JOIN = ", "
_GREATEST_BOOST = 100
_TOKENS = re.compile(r'\{\{|\}\}|\{((?:"(?:[^"]|"")*"|[^{}"])*)\}|[{}]')
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
# A key that needs no quotes in a template.
_PLAIN = re.compile(r'[^\s{}:!."\[\]$](?:[^{}:!."\[\]]*[^\s{}:!."\[\]])?')


class SearchText(SharedInCopies):
    r"""A function from passages to the texts that are searched: a template, or your own function.

    Two are equal if their templates are, or the names of their functions.

    Args:
        template: of the passage's text and metadata, as this module describes.
        text_name: another name for ``{text}``, such as a framework's own.

    Attributes:
        read: the function itself, the fastest to call: of a passage to the text that is searched.

    Raises:
        InvalidInputError: the template is no string, names no field, or is not valid.

    >>> titled = SearchText("{title}\n{text}")
    >>> titled(Passage("a", "It thins the blood.", {"title": "Aspirin"}))
    'Aspirin\nIt thins the blood.'
    >>> titled(Passage("b", "It thins the blood."))
    'It thins the blood.'
    """

    def __init__(self, template: str = "{text}", *, text_name: str = _TEXT) -> None:
        if not isinstance(template, str):
            raise InvalidInputError(
                "search_text must be a template such as '{title}\\n{text}', or a function from a "
                f"passage to a string, not {template!r}"
            )
        self._literals, names = _parsed(template)
        if not names:
            raise InvalidInputError(
                f"search_text={template!r} names no field: write one as in '{{title}}\\n{{text}}'"
            )
        self._fields = [
            None if name in (_TEXT, text_name) else _path_of(name, template) for name in names
        ]
        spelled = [_TEXT if name == text_name else name for name in names]
        self._config = {"template": _joined(self._literals, spelled)}
        self._is_text = self._config["template"] == "{text}"
        self._function: Callable[[Passage], str] | None = None
        self.read: Callable[[Passage], str] = (
            attrgetter("text") if self._is_text else self._rendered
        )

    @classmethod
    def from_callable(cls, function: Callable[[Passage], str], *, name: str) -> Self:
        """Return the search text that your own function makes of a passage.

        Args:
            function: takes a passage, returns a string, the same each time; many threads call it.
            name: identifies the function in an index on disk, which holds no code: change it
                whenever the function returns another text.

        Raises:
            InvalidInputError: no function, or a name that is no string or empty.

        >>> shouted = SearchText.from_callable(lambda passage: passage.text.upper(), name="upper")
        >>> shouted(Passage("a", "Aspirin")), shouted
        ('ASPIRIN', SearchText('upper'))
        """
        if not callable(function):
            raise InvalidInputError(f"a search_text function must be callable, not {function!r}")
        if not isinstance(name, str) or not name:
            raise InvalidInputError(
                f"a search_text function's name must be a non-empty string, not {name!r}"
            )
        made = cls.__new__(cls)
        made._config = {"callable": name}
        made._is_text = False
        made._function = function
        made.read = partial(made._called, function)
        return made

    @classmethod
    def from_fields(cls, fields: Mapping[str, int], *, text_name: str = _TEXT) -> Self:
        r"""Return the template that has each field as often as its boost, a line each.

        So a term in a field with the boost 2 counts as if the field were written twice, as does
        the field's length.

        Args:
            fields: names, as in a template, to boosts: whole numbers from 1 to 100.
            text_name: as for the class.

        Raises:
            InvalidInputError: no field, a name or a boost that is not valid, or the text twice.

        >>> SearchText.from_fields({"title": 2, "text": 1})
        SearchText('{title}\n{title}\n{text}')
        """
        if not isinstance(fields, Mapping) or not fields:
            raise InvalidInputError(
                "fields must map at least one field to its boost, as in "
                f'{{"title": 2, "text": 1}}, not {fields!r}'
            )
        if text_name != _TEXT and {text_name, _TEXT} <= fields.keys():
            raise InvalidInputError(
                f"fields names the text twice, as {text_name!r} and {_TEXT!r}: give one of them"
            )
        lines: list[str] = []
        for name, boost in fields.items():
            count = check_count(boost, f"the boost of the field {name!r}", _GREATEST_BOOST)
            is_text = name in (_TEXT, text_name)
            lines += [f"{{{_TEXT}}}" if is_text else _braced(name)] * count
        return cls("\n".join(lines))

    @classmethod
    def of(cls, value: SearchTextLike, *, text_name: str = _TEXT) -> SearchText:
        """Return the search text for an argument.

        Args:
            value: a `SearchText`, a template, a function (identified by its qualified name), or
                None for the text alone.
            text_name: as for the class.

        Raises:
            InvalidInputError: something else, or a template that is not valid.

        >>> SearchText.of(None), SearchText.of("{page_content}", text_name="page_content")
        (SearchText('{text}'), SearchText('{text}'))
        """
        if value is None:
            return TEXT_ALONE
        if isinstance(value, SearchText):
            return value
        if callable(value):
            name = getattr(value, "__qualname__", type(value).__qualname__)
            return cls.from_callable(value, name=name)
        return cls(value, text_name=text_name)

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any] | None, value: SearchTextLike = None
    ) -> SearchText:
        """Return the search text that an index was made with.

        Args:
            config: the index's, from `to_config`.
            value: the caller's: required where it was a function, otherwise None or an equal one.

        Raises:
            EncoderMismatchError: `value` is another one, or is required and missing.
            CorruptIndexError: `config` is not from `to_config`.

        >>> SearchText.from_config(SearchText("{title}: {text}").to_config())
        SearchText('{title}: {text}')
        """
        if value is not None:
            found = cls.of(value)
            if found.to_config() != config:
                raise EncoderMismatchError(
                    f"the index was made with {_described(config)}, not "
                    f"{_described(found.to_config())}: open it with the one it was made with"
                )
            return found
        if config is None:
            return TEXT_ALONE
        if cls.is_function(config):
            name = config["callable"]
            raise EncoderMismatchError(
                f"the index was made with a function as its search_text, named {name!r}: pass "
                "that function as search_text=. If it has another name by now, pass "
                f"SearchText.from_callable(function, name={name!r}), with a function of a Passage"
            )
        try:
            return cls(config["template"])
        except (InvalidInputError, KeyError, TypeError) as error:
            raise CorruptIndexError(f"no search text can be made of {config!r}: {error}") from error

    @staticmethod
    def is_function(config: Mapping[str, Any] | None) -> bool:
        """Return whether a `to_config` is of a function, which an index does not hold.

        >>> SearchText.is_function({"callable": "mine"}), SearchText.is_function(None)
        (True, False)
        """
        return isinstance(config, Mapping) and isinstance(config.get("callable"), str)

    def to_config(self) -> dict[str, JSON] | None:
        """Return this as JSON for `from_config`; None for the text alone.

        >>> SearchText().to_config(), SearchText("{title}").to_config()
        (None, {'template': '{title}'})
        """
        return None if self._is_text else {**self._config}

    @property
    def function(self) -> Callable[[Passage], str] | None:
        """The function, which an index needs again to be opened; None for a template."""
        return self._function

    def __call__(self, passage: Passage) -> str:
        """Return the text that is searched of a passage.

        Raises:
            InvalidInputError: your function returned something that is no text.
        """
        return self.read(passage)

    def texts(self, passages: Iterable[Passage]) -> list[str]:
        """Return the text that is searched of each passage."""
        return list(map(self.read, passages))

    def _called(self, function: Callable[[Passage], str], passage: Passage) -> str:
        text = function(passage)
        if not isinstance(text, str):
            raise InvalidInputError(
                f"the search_text function {self._config['callable']!r} must return a string, not "
                f"{text!r:.100}, as for the passage {passage.id!r}"
            )
        check_text(text, f"the search text of the passage {passage.id!r}")
        return text

    def _rendered(self, passage: Passage) -> str:
        values = [passage.text if path is None else _value(passage, path) for path in self._fields]
        filled = [bool(value.strip()) for value in values]
        if not any(filled):
            return ""
        last = max(i for i, is_filled in enumerate(filled) if is_filled)
        parts: list[str] = []
        for i, literal in enumerate(self._literals):
            if i and not filled[i - 1]:
                literal = literal.lstrip()
            if last < i < len(values):
                literal = literal.rstrip()
            parts.append(literal)
            if i < len(values) and filled[i]:
                parts.append(values[i])
        return "".join(parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchText) and self._config == other._config

    def __hash__(self) -> int:
        return hash(tuple(self._config.items()))

    def __reduce__(self) -> tuple[Callable[..., SearchText], tuple[Any, ...]]:
        if self._function is None:
            return type(self), (self._config["template"],)
        check_picklable(
            self._function,
            repr(self),
            "give a function of a module, not a lambda, or make it in the process that needs it",
        )
        return partial(type(self).from_callable, name=self._config["callable"]), (self._function,)

    def __repr__(self) -> str:
        [value] = self._config.values()
        return f"SearchText({value!r})"


SearchTextLike: TypeAlias = SearchText | str | Callable[[Passage], str] | None


def chosen_search_text(
    search_text: SearchTextLike,
    fields: Mapping[str, int] | None = None,
    *,
    text_name: str = _TEXT,
) -> SearchText | None:
    """Return the search text for two arguments that exclude each other; None for neither.

    Args:
        search_text: as for `SearchText.of`.
        fields: as for `SearchText.from_fields`.
        text_name: another name for ``{text}``.

    Raises:
        InvalidInputError: both, or one that is not valid.

    >>> chosen_search_text(None, {"title": 1, "text": 1}), chosen_search_text(None)
    (SearchText('{title}\\n{text}'), None)
    """
    if fields is None:
        return None if search_text is None else SearchText.of(search_text, text_name=text_name)
    if search_text is not None:
        raise InvalidInputError(
            "fields= and search_text= both say what is searched: give one of them"
        )
    return SearchText.from_fields(fields, text_name=text_name)


def _parsed(template: str) -> tuple[list[str], list[str]]:
    """Return the literal text before, between and after the fields, and the fields' names."""
    literals, names, end = [""], [], 0
    for token in _TOKENS.finditer(template):
        literals[-1] += template[end : token.start()]
        end = token.end()
        if token[0] in ("{{", "}}"):
            literals[-1] += token[0][0]
        elif token[1] is None:
            raise InvalidInputError(
                f"search_text={template!r} has a lone {token[0]!r} at position {token.start()}: "
                f"write {token[0] * 2!r} for the character itself"
            )
        else:
            names.append(token[1])
            literals.append("")
    literals[-1] += template[end:]
    return literals, names


def _joined(literals: list[str], names: list[str]) -> str:
    escaped = [literal.replace("{", "{{").replace("}", "}}") for literal in literals]
    return escaped[0] + "".join(
        f"{{{name}}}{literal}" for name, literal in zip(names, escaped[1:], strict=True)
    )


def _path_of(name: str, template: str) -> Path:
    plain = _QUOTED.sub("", name).replace("[]", "")
    if name != name.strip() or re.search(r"[:!\[\]]", plain):
        raise InvalidInputError(
            f"search_text={template!r} has {{{name}}}, which is no field: write {{year}}, "
            '{author.name}, {authors[].name}, or {"dc:title"} for a key with such characters; '
            "formats and conversions are not known: give a function for them"
        )
    return parse_field(name)


def _braced(name: str) -> str:
    """Return a field's name as a template spells it."""
    spelled = [
        "[]"
        if key is ...
        else f".{key}"
        if _PLAIN.fullmatch(str(key))
        else '."' + str(key).replace('"', '""') + '"'
        for key in parse_field(name)
    ]
    return "{" + "".join(spelled)[1:] + "}"


def _value(passage: Passage, path: Path) -> str:
    return _text(lookup(passage.metadata, path), passage)


def _text(value: object, passage: Passage) -> str:
    """Return a value of metadata as text."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case list():
            items = value
        case Mapping():
            items = list(value.values())
        case _:  # a framework's documents may hold what JSON does not
            plain = json_metadata({"value": value}, f"passage {passage.id!r}: metadata")
            return _text(plain["value"], passage)
    texts = [_text(item, passage) for item in items]
    return _JOIN.join(text for text in texts if text.strip())


def _described(config: Mapping[str, Any] | None) -> str:
    if config is None:
        return "the passages' text alone as search_text"
    name = config.get("callable")
    if name is None:
        return f"search_text={config.get('template')!r}"
    return f"the function {name!r} as search_text"


TEXT_ALONE = SearchText()
"""The passage's text as it is."""
