"""Field names: where in the metadata a filter looks, and what it finds there.

A name is a path of keys. `"author.name"` descends into nested objects; a key that itself holds a
dot is quoted, `'"v1.0".name'`, or the path is given as a tuple, `("v1.0", "name")`. Inside quotes
`""` stands for one quote. Lists are not descended into: they offer their elements, see `lookup`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from ..errors import InvalidInputError
from ..passages import JSON
from .operands import check_text

__all__ = ["Field", "Path", "lookup", "parse_field", "spell_field"]

Field: TypeAlias = str | tuple[str, ...]
Path: TypeAlias = tuple[str, ...]

_SEGMENT = r'"(?:[^"]|"")*"|[^".][^.]*'
_NAME = re.compile(rf"(?:{_SEGMENT})(?:\.(?:{_SEGMENT}))*")


def parse_field(field: Field) -> Path:
    """The keys that a field's name stands for.

    Raises:
        InvalidInputError: an empty name or segment, an open quote, or no strings.

    >>> parse_field("author.name"), parse_field('"v1.0".name'), parse_field(("v1.0", "name"))
    (('author', 'name'), ('v1.0', 'name'), ('v1.0', 'name'))
    """
    if isinstance(field, str) and _NAME.fullmatch(field):
        segments = re.findall(_SEGMENT, field)
        path = tuple(s[1:-1].replace('""', '"') if s[0] == '"' else s for s in segments)
    elif isinstance(field, tuple) and field and all(isinstance(key, str) for key in field):
        path = field
    else:
        raise InvalidInputError(
            f"{field!r} is no field name: write 'year', 'author.name' for a nested key, "
            "or '\"v1.0\".name' or the tuple ('v1.0', 'name') for a key with a dot"
        )
    for key in path:
        check_text(key, f"the field {field!r}")
    return path


def spell_field(path: Path) -> str:
    """The name that `parse_field` reads as `path`, quoted only where it must be.

    >>> spell_field(("author", "name")), spell_field(("v1.0", "name"))
    ('author.name', '"v1.0".name')
    """
    return ".".join(
        key if key and "." not in key and key[0] not in '"$' else '"' + key.replace('"', '""') + '"'
        for key in path
    )


def lookup(metadata: Mapping[str, JSON], path: Path) -> JSON:
    """What `metadata` holds at `path`; a missing field is like an empty list.

    >>> lookup({"author": {"name": "Ada"}}, ("author", "name")), lookup({}, ("author",))
    ('Ada', [])
    """
    value: object = metadata
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return []
        value = value[key]
    return value  # type: ignore[return-value]  # a Mapping only where the path is empty
