"""The payload of a passage in Qdrant, the same in both engines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..filters.floats import is_short, stand_in
from ..passages import JSON, Passage, stored_passage

__all__ = ["passage_of", "passages_of", "payload_of"]


def payload_of(passage: Passage) -> dict[str, JSON]:
    """Return the payload of a passage.

    Qdrant changes the last bit of every tenth float of 16 or 17 digits. Metadata with such a float
    are stored as text too, and get a stand-in that is equal to it for filters.

    >>> payload_of(Passage("p1", "text", {"year": 2019}))
    {'id': 'p1', 'text': 'text', 'metadata': {'year': 2019}}
    """
    metadata = dict(passage.metadata)
    payload: dict[str, JSON] = {"id": passage.id, "text": passage.text, "metadata": metadata}
    if _has_long_float(metadata):
        payload["exact"] = exact = json.dumps(metadata)
        payload["metadata"] = json.loads(exact, parse_float=lambda text: stand_in(float(text)))
    return payload


def passage_of(payload: Mapping[str, Any]) -> Passage:
    """Return the passage of a payload by `payload_of`.

    >>> passage = Passage("p1", "text", {"at": 0.1 + 0.2})
    >>> passage_of(payload_of(passage)) == passage
    True
    """
    exact = payload.get("exact")
    metadata = payload["metadata"] if exact is None else json.loads(exact)
    return stored_passage(payload["id"], payload["text"], metadata)


def passages_of(records: Iterable[Any]) -> dict[int, Passage]:
    """Return the passages of an engine's records, by their points."""
    passages = {}
    for record in records:
        payload = record.payload
        if "exact" in payload:
            passages[record.id] = passage_of(payload)
        else:
            passages[record.id] = stored_passage(
                payload["id"], payload["text"], payload["metadata"]
            )
    return passages


def _has_long_float(value: JSON) -> bool:
    match value:
        case float():
            return not is_short(value)
        case list():
            return any(map(_has_long_float, value))
        case dict():
            return any(map(_has_long_float, value.values()))
    return False
