"""Aliases: second names of collections, which one request moves from one to another."""

from __future__ import annotations

import re
from itertools import count

from ..errors import StoreError
from .collection import names
from .connection import Connection, Request

__all__ = ["alias_target", "next_name", "point_alias"]

_FORBIDDEN = 403


def alias_target(connection: Connection, name: str) -> str | None:
    """Return the collection that a name is an alias of; None for no alias, or if that is secret."""
    try:
        answer = connection.send(Request("list the aliases", "GET", "/aliases"))
    except StoreError as error:
        if error.status == _FORBIDDEN:
            return None
        raise
    targets = {each["alias_name"]: each["collection_name"] for each in answer["aliases"]}
    return targets.get(name)


def point_alias(connection: Connection, alias: str, collection: str, *, is_new: bool) -> None:
    """Make an alias of a collection, or move it there; readers see the old one or the new one.

    Args:
        connection: to the server.
        alias: the second name.
        collection: what it stands for from then on.
        is_new: whether there is no such alias yet.
    """
    create = {"create_alias": {"collection_name": collection, "alias_name": alias}}
    delete = {"delete_alias": {"alias_name": alias}}
    actions = [create] if is_new else [delete, create]
    request = Request(
        f"make {alias!r} an alias of {collection!r}",
        "POST",
        "/collections/aliases",
        {"actions": actions},
    )
    try:
        connection.send(request)
    except StoreError:
        # It may be done although no answer came.
        if alias_target(connection, alias) != collection:
            raise


def next_name(connection: Connection, collection: str) -> str:
    """Return a free name for the successor of a collection: "beets-2", then "beets-3".

    Args:
        connection: to the server.
        collection: the present one's name.
    """
    taken = set(names(connection))
    stem, number = _numbered(collection)
    return next(name for i in count(number + 1) if (name := f"{stem}-{i}") not in taken)


def _numbered(name: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.+)-(\d+)", name)
    return (name, 1) if match is None else (match[1], int(match[2]))
