"""The payload indexes that a filter needs, and Qdrant's spelling of a field's path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from .comparisons import Comparison
from .conditions import Eq, Exists, In, TextMatch
from .fields import Path
from .language import And, Filter, Not, Or

__all__ = ["index_fields", "payload_path"]


def payload_path(path: Path, root: Path = ("metadata",)) -> str | None:
    """Spell the path of a metadata field in Qdrant's payload as Qdrant does.

    None for a path with a quote or a backslash, which Qdrant's grammar cannot escape.

    Args:
        path: the path of the field.
        root: the path of the metadata in the payload.

    >>> payload_path(("acl", ..., "group")), payload_path(("v1.0",)), payload_path(('"',))
    ('metadata.acl[].group', 'metadata."v1.0"', None)
    """
    spelled = ""
    for key in (*root, *path):
        if not isinstance(key, str):
            spelled += "[]"
        elif '"' in key or "\\" in key:
            return None
        else:
            is_plain = key and all(char.isalnum() or char in "_-" for char in key)
            spelled += f".{key}" if is_plain else f'."{key}"'
    return spelled[1:]


def index_fields(
    where: Filter,
    indexes: Mapping[str, str] | None = None,
    *,
    key: Callable[[Path], str | None] = payload_path,
) -> dict[str, str]:
    """Return the payload indexes to create for `where`, path to kind.

    Without an index Qdrant reads every payload for every condition, and each number of an `In` is a
    condition. A field has one index: an existing one of another kind stays, except for "bool",
    which also serves `Exists` and changes no answer: any other replaces it.

    Args:
        where: the filter.
        indexes: the existing payload indexes, path to kind.
        key: spells the path of a metadata field; None for a field that cannot be indexed.

    Returns:
        The kinds "keyword", "float" (also for whole numbers), "datetime" and "bool".

    >>> from hybridge.filters import Gte
    >>> index_fields(Eq("topic", "law") & Gte("author.born", 1950))
    {'metadata.topic': 'keyword', 'metadata.author.born': 'float'}
    """
    needed: dict[str, str] = {}
    for path, kind in _served(where):
        field = key(path)
        if field is not None:
            needed[field] = max(needed.get(field, kind), kind, key=_KINDS.index)
    existing = indexes or {}
    return {
        field: kind
        for field, kind in needed.items()
        if field not in existing or (existing[field] == "bool" and kind != "bool")
    }


_KINDS = ("bool", "keyword", "datetime", "float")  # the later kind wins within one filter


def _served(where: Filter) -> Iterator[tuple[Path, str]]:
    match where:
        case And() | Or():
            for part in where.filters:
                yield from _served(part)
        case Not():
            yield from _served(where.filter)
        case Eq():
            yield where.path, _kind(where.value)
        case In():
            yield from ((where.path, _kind(value)) for value in where.values)
        case Comparison():
            yield where.path, "datetime" if isinstance(where.bound, datetime) else "float"
        case Exists():
            yield where.path, "bool"
        case TextMatch():
            yield where.path, "keyword"


def _kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "bool"
    return "keyword" if isinstance(value, str) else "float"
