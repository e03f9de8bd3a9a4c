"""A check that a layout fits a collection: by a wrong key every text would be empty."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import InvalidInputError
from ..filters.indexes import payload_path
from .collection import collection_path
from .connection import Connection, Request
from .layouts import Layout, PayloadLayout

__all__ = ["check_layout"]

logger = logging.getLogger(__name__)

_SAMPLE = 100
_SHOWN = 20


def check_layout(connection: Connection, collection: str, layout: Layout) -> None:
    """Raise if no point of a collection has the keys that the layout reads.

    It checks the first 100 points, and all points if none of these has the key. A text that only
    some of the points have is logged. An empty collection fits every layout, and every collection a
    layout without `text_keys`.

    Raises:
        InvalidInputError: no point has the text's key, or the metadata's; the message names the
            existing keys and the layout to use.
    """
    keys: Sequence[str] = getattr(layout, "text_keys", ())
    payloads = _payloads(connection, collection) if keys else []
    if not payloads:
        return
    texts = [[one[key] for key in keys if one.get(key) is not None] for one in payloads]
    without = sum(not any(isinstance(value, str) for value in values) for values in texts)
    if without == len(payloads) and (any(texts) or not _any_has(connection, collection, keys)):
        raise InvalidInputError(
            f"no point of collection {collection!r} has a text under {_listed(keys)}: its points "
            f"have {_described(payloads)}. {_advice(payloads, layout)}"
        )
    if without:
        logger.warning(
            "%d of the first %d points of collection %r have no text under %s: BM25 never finds "
            "them, and their passages are empty",
            without,
            len(payloads),
            collection,
            _listed(keys),
        )
    if not isinstance(layout, PayloadLayout) or not layout.metadata:
        return
    others = set().union(*payloads) - {layout.text}
    is_absent = others and layout.metadata not in others
    if is_absent and not _any_has(connection, collection, [layout.metadata]):
        flat = PayloadLayout(layout.text, "", layout.vector)
        raise InvalidInputError(
            f"no point of collection {collection!r} has metadata under {layout.metadata!r}: its "
            f"points have {_described(payloads)}. Give the key that holds the metadata, or '' "
            f"where they lie beside the text: {flat!r}"
        )


def _payloads(connection: Connection, collection: str) -> list[Mapping[str, Any]]:
    records = _scrolled(connection, collection, {"limit": _SAMPLE, "with_payload": True})
    return [record.get("payload") or {} for record in records]


def _any_has(connection: Connection, collection: str, keys: Iterable[str]) -> bool:
    paths = [path for key in keys if (path := payload_path((key,), ())) is not None]
    present = [{"must_not": [{"is_empty": {"key": path}}]} for path in paths]
    body = {"filter": {"should": present}, "limit": 1, "with_payload": False}
    return bool(_scrolled(connection, collection, body))


def _scrolled(
    connection: Connection, collection: str, body: Mapping[str, Any]
) -> list[dict[str, Any]]:
    path = collection_path(collection, "points/scroll")
    found = connection.send(Request("read passages", "POST", path, body))
    return list(found["points"])


def _described(payloads: Sequence[Mapping[str, Any]]) -> str:
    kinds = {key: _kind(value) for payload in payloads for key, value in payload.items()}
    shown = [f"{key!r} ({kind})" for key, kind in list(kinds.items())[:_SHOWN]]
    return ", ".join(shown) + (", ..." if len(kinds) > _SHOWN else "") or "no payload at all"


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "list"
    return "object"


def _advice(payloads: Sequence[Mapping[str, Any]], layout: Layout) -> str:
    keys = set().union(*payloads)
    if "_node_content" in keys:
        return (
            "LlamaIndex wrote them: give the layout LlamaIndexLayout("
            f"vector={layout.vector!r}) of llama_index.retrievers.hybridge, which "
            "llama-index-hybridge installs"
        )
    if "page_content" in keys:
        fitting = PayloadLayout("page_content", "metadata", layout.vector)
        return f"LangChain wrote them: give the layout {fitting!r}"
    lengths: dict[str, int] = {}
    for payload in payloads:
        for key, value in payload.items():
            if isinstance(value, str):
                lengths[key] = lengths.get(key, 0) + len(value)
    if not lengths:
        return "Attach to a collection whose payloads hold the texts"
    longest = max(lengths, key=lengths.__getitem__)
    metadata = "metadata" if "metadata" in keys else ""
    fitting = PayloadLayout(longest, metadata, layout.vector)
    return f"Give the key of the text, for example with the layout {fitting!r}" + (
        "" if metadata else ", whose metadata are the other keys"
    )


def _listed(keys: Iterable[str]) -> str:
    return " or ".join(map(repr, keys))
