"""Layouts of passages in a Qdrant collection: of our own, and of other programs' collections.

A layout reads a passage from a point and writes one into it, and locates the metadata in the
payload for filters. The frameworks' layouts are in their adapters; write one for any other program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import InvalidInputError
from ..filters.fields import Path
from ..filters.indexes import payload_path
from ..passages import JSON, Passage, point_id
from .points import name_of, point_named
from .store import payload_of, stored_passage, stored_passages

__all__ = ["OWN", "Layout", "PayloadLayout", "text_path"]


class Layout(Protocol):
    """How to read and write the points of a collection.

    A layout may also have `text_keys`, a tuple of strings: the keys of a payload that can hold the
    text. With them, attaching raises for a collection whose points have none, and with a single one
    Qdrant decides conditions on the text, which are else decided in memory.
    """

    @property
    def vector(self) -> str | None:
        """The dense vector's name, "" for the unnamed one; None for the only one there is."""
        ...

    def point(self, passage_id: str) -> int:
        """Return the number, see `hybridge.vectors.points`, of the point that keeps a passage."""
        ...

    def passage(self, point: int, payload: Mapping[str, Any]) -> Passage:
        """Return the passage that a point keeps, whatever is in its payload."""
        ...

    def payload(self, passage: Passage) -> dict[str, JSON]:
        """Return the payload that stands for a passage."""
        ...

    def key(self, path: Path) -> str | None:
        """Return the path of a metadata field in a payload, as Qdrant spells it.

        `...` in the path stands for the elements of a list, `[]` in Qdrant's spelling. None if
        Qdrant cannot decide conditions on the field: the passages are then read, and compared in
        memory.
        """
        ...


class _OwnLayout:
    """The layout of the collections that hybridge makes."""

    vector: str | None = "dense"
    text_keys = ("text",)

    def point(self, passage_id: str) -> int:
        return point_id(passage_id).int

    def passage(self, point: int, payload: Mapping[str, Any]) -> Passage:
        return stored_passages([payload])[0]

    def payload(self, passage: Passage) -> dict[str, JSON]:
        return payload_of(passage)

    def key(self, path: Path) -> str | None:
        return payload_path(path)


OWN: Layout = _OwnLayout()


def text_path(layout: Layout) -> str | None:
    """Return the path of a layout's text in a payload, as Qdrant spells it; None for several keys.

    >>> text_path(PayloadLayout("body"))
    'body'
    """
    keys = getattr(layout, "text_keys", ())
    return payload_path(keys, ()) if len(keys) == 1 else None


@dataclass(frozen=True)
class PayloadLayout:
    """A layout of two keys: one for the text, and one for the metadata or all others.

    A passage's id is the point's. A text or metadata that are missing are read as empty. The
    layouts of LangChain's and LlamaIndex's collections come with their adapters.

    Args:
        text: the key of the text.
        metadata: the key of the metadata; "" if the metadata are all keys but the text's.
        vector: the dense vector's name, "" for the unnamed one; None for the only one there is.

    Raises:
        InvalidInputError: an argument is no string, or both keys are one.

    >>> PayloadLayout("body").passage(7, {"body": "Hello", "year": 2019}).metadata
    {'year': 2019}
    >>> PayloadLayout("page_content", "metadata").passage(7, {"page_content": "Hello"})
    Passage(id='00000000-0000-0000-0000-000000000007', text='Hello', metadata={})
    """

    text: str = "text"
    metadata: str = ""
    vector: str | None = None

    def __post_init__(self) -> None:
        _check_names(text=self.text, metadata=self.metadata, vector=self.vector)
        if self.text == self.metadata:
            raise InvalidInputError(f"text and metadata cannot both lie under {self.text!r}")

    def point(self, passage_id: str) -> int:
        return point_named(passage_id)

    def passage(self, point: int, payload: Mapping[str, Any]) -> Passage:
        if self.metadata:
            metadata = _mapping(payload.get(self.metadata))
        else:
            metadata = {key: value for key, value in payload.items() if key != self.text}
        return stored_passage(name_of(point), _text(payload.get(self.text)), metadata)

    def payload(self, passage: Passage) -> dict[str, JSON]:
        if self.metadata:
            return {self.text: passage.text, self.metadata: dict(passage.metadata)}
        if self.text in passage.metadata:
            raise InvalidInputError(
                f"passage {passage.id!r}: its text lies under {self.text!r} beside its metadata, "
                "which cannot have a field of that name: rename the field"
            )
        return {**passage.metadata, self.text: passage.text}

    def key(self, path: Path) -> str | None:
        if self.metadata:
            return payload_path(path, (self.metadata,))
        return None if path[0] == self.text else payload_path(path, ())

    @property
    def text_keys(self) -> tuple[str, ...]:
        return (self.text,)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _check_names(*, vector: str | None, **keys: str) -> None:
    for argument, name in {**keys, "vector": "" if vector is None else vector}.items():
        if not isinstance(name, str):
            raise InvalidInputError(f"{argument} must be a string, not {name!r}")
