"""Payload indexes: which of them would serve a filter, and how Qdrant spells a field's path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from .comparisons import Comparison
from .conditions import Eq, Exists, In, TextMatch
from .fields import Path
from .language import And, Filter, Not, Or

__all__ = ["index_fields", "payload_path"]


def index_fields(where: Filter, indexes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The payload indexes that would serve `where` and are still to be created, path to kind.

    Without an index Qdrant reads every payload for every condition, and each number of an `In` is
    one. A field has one index: an existing one of another kind stays, except that "bool", which
    also serves `Exists` and changes no answer, gives way to any other.

    Args:
        where: the filter.
        indexes: the payload indexes that exist, path to kind.

    Returns:
        kinds "keyword", "float" (for whole numbers too), "datetime" and "bool".

    >>> from hybridge.filters import Gte
    >>> index_fields(Eq("topic", "law") & Gte("author.born", 1950))
    {'metadata.topic': 'keyword', 'metadata.author.born': 'float'}
    """
    wanted: dict[str, str] = {}
    for path, kind in _served(where):
        key = payload_path(path)
        if key is not None:
            wanted[key] = max(wanted.get(key, kind), kind, key=_KINDS.index)
    existing = indexes or {}
    return {
        key: kind
        for key, kind in wanted.items()
        if key not in existing or (existing[key] == "bool" and kind != "bool")
    }


def payload_path(path: Path, root: Path = ("metadata",)) -> str | None:
    """The path of a metadata field in Qdrant's payload, spelled as Qdrant spells it itself.

    None where its grammar cannot: in quotes it knows no escapes.

    Args:
        path: the field's.
        root: where in the payload the metadata are.

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
