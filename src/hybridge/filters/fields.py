"""Field names: paths into the metadata.

`"author.name"` descends into nested objects, and `"acl[].group"` into every object of a list. A key
with a dot is quoted, `'"v1.0".name'`, or the path is a tuple, `("v1.0", "name")`, in which `...`
means `[]`: `("acl", ..., "group")`. Inside quotes `""` means one quote.

As in Qdrant, `"acl.group"` does not descend into a list, and `"acl[].group"` only into lists. The
value at the end of a path may be a list: a condition then applies to its elements.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import EllipsisType
from typing import TypeAlias

from ..errors import InvalidInputError
from ..metadata import JSON, check_text

__all__ = ["Field", "Path", "lookup", "parse_field", "spell_field"]

Path: TypeAlias = tuple[str | EllipsisType, ...]
Field: TypeAlias = str | Path

_SEGMENT = r'(?:"(?:[^"]|"")*"|(?!\[\])[^".][^.]*?)(?:\[\])*(?=\.|$)'
_NAME = re.compile(rf"(?:{_SEGMENT})(?:\.(?:{_SEGMENT}))*")


def parse_field(field: Field) -> Path:
    """Split a field's name into its keys.

    Raises:
        InvalidInputError: an empty name or segment, an open quote, or a key that is no string.

    >>> parse_field("author.name"), parse_field('"v1.0".name'), parse_field("acl[].group")
    (('author', 'name'), ('v1.0', 'name'), ('acl', Ellipsis, 'group'))
    """
    path: list[str | EllipsisType] = []
    if isinstance(field, str) and _NAME.fullmatch(field):
        for segment in re.findall(_SEGMENT, field):
            key = segment
            while key.endswith("[]"):
                key = key[:-2]
            path.append(key[1:-1].replace('""', '"') if key[0] == '"' else key)
            path += [...] * ((len(segment) - len(key)) // 2)
    elif isinstance(field, tuple) and field and field[0] is not ...:
        path += field
    if not path or not all(isinstance(key, str | EllipsisType) for key in path):
        raise InvalidInputError(
            f"{field!r} is no field name: write 'year', 'author.name' for a nested key, "
            "'authors[].name' for a key of each object in a list, or '\"v1.0\".name' or the tuple "
            "('v1.0', 'name') for a key with a dot"
        )
    for key in path:
        if isinstance(key, str):
            check_text(key, f"the field {field!r}")
    return tuple(path)


def spell_field(path: Path) -> str:
    """Join keys to the name that `parse_field` reads, quoted only where necessary.

    >>> spell_field(("acl", ..., "group")), spell_field(("v1.0", "name"))
    ('acl[].group', '"v1.0".name')
    """
    spelled = "".join(f".{_spelled(key)}" if isinstance(key, str) else "[]" for key in path)
    return spelled[1:]


def lookup(metadata: Mapping[str, JSON], path: Path) -> list[JSON]:
    """Return the values of `metadata` at `path`: at most one if the path has no `[]`.

    >>> lookup({"author": {"name": "Ada"}}, ("author", "name")), lookup({}, ("author",))
    (['Ada'], [])
    >>> lookup({"acl": [{"group": "crew"}, {"user": "ada"}]}, ("acl", ..., "group"))
    ['crew']
    """
    found: list[JSON | Mapping[str, JSON]] = [metadata]
    for key in path:
        if isinstance(key, str):
            found = [value[key] for value in found if isinstance(value, Mapping) and key in value]
        else:
            found = [item for value in found if isinstance(value, list) for item in value]
    return found  # type: ignore[return-value]  # no path is empty


def _spelled(key: str) -> str:
    is_plain = key and "." not in key and key[0] not in '"$' and not re.search(r"^\[\]|\[\]$", key)
    return key if is_plain else '"' + key.replace('"', '""') + '"'
