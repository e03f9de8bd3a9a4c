"""How passages lie in a Qdrant collection: in ours, and in those that the frameworks write.

A layout reads a passage from a point and writes one into it, and says where in the payload a
filter finds the metadata. To attach to a collection of yet another make, write one more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import InvalidInputError
from ..filters.fields import Path
from ..filters.indexes import payload_path
from ..passages import JSON, Passage, point_id, stored_passage
from .payload import passage_of, payload_of
from .points import name_of, point_named

__all__ = ["NODE_JSON", "OWN", "LangChainLayout", "Layout", "LlamaIndexLayout", "text_path"]


class Layout(Protocol):
    """What one must know to read and write somebody's collection.

    A layout may also have `text_keys`, a tuple of strings: the keys of a payload that can hold the
    text. With them, attaching refuses a collection whose points have none, and with a single one
    Qdrant decides conditions on the text, which are else decided in memory.
    """

    @property
    def vector(self) -> str | None:
        """The dense vector's name, "" for the unnamed one; None for the only one there is."""
        ...

    def point(self, passage_id: str) -> int:
        """The number, see `hybridge.vectors.points`, of the point that keeps a passage."""
        ...

    def passage(self, point: int, payload: Mapping[str, Any]) -> Passage:
        """The passage that a point keeps, whatever is in its payload."""
        ...

    def payload(self, passage: Passage) -> dict[str, JSON]:
        """The payload that stands for a passage."""
        ...

    def key(self, path: Path) -> str | None:
        """Where in a payload a field of the metadata is, as Qdrant spells it.

        `...` in the path stands for the elements of a list, `[]` in Qdrant's spelling. None where
        Qdrant cannot tell what `passage` finds there: the passages are then read, and compared in
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
        return passage_of(payload)

    def payload(self, passage: Passage) -> dict[str, JSON]:
        return payload_of(passage)

    def key(self, path: Path) -> str | None:
        return payload_path(path)


OWN: Layout = _OwnLayout()


def text_path(layout: Layout) -> str | None:
    """Where a layout's text is in a payload, as Qdrant spells it; None where it may lie elsewhere.

    >>> text_path(LangChainLayout()), text_path(LlamaIndexLayout())
    ('page_content', None)
    """
    keys = getattr(layout, "text_keys", ())
    return payload_path(keys, ()) if len(keys) == 1 else None


@dataclass(frozen=True)
class LangChainLayout:
    """The layout of ``langchain_qdrant.QdrantVectorStore``; its defaults are ours.

    A passage's id is the point's. A text or metadata that are missing are read as empty. With
    ``metadata=""`` it is the layout of collections that no framework wrote: one key holds the text
    and the others are the metadata.

    Args:
        text: the store's ``content_payload_key``.
        metadata: the store's ``metadata_payload_key``; "" for all keys but the text's.
        vector: the store's ``vector_name``; None for the only dense vector there is.

    Raises:
        InvalidInputError: an argument is no string, or both keys are one.

    >>> layout = LangChainLayout()
    >>> layout.passage(7, {"page_content": "Hello", "metadata": None})
    Passage(id='00000000-0000-0000-0000-000000000007', text='Hello', metadata={})
    >>> LangChainLayout("body", "").passage(7, {"body": "Hello", "year": 2019}).metadata
    {'year': 2019}
    """

    text: str = "page_content"
    metadata: str = "metadata"
    vector: str | None = ""

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


@dataclass(frozen=True)
class LlamaIndexLayout:
    """The layout of ``llama_index.vector_stores.qdrant.QdrantVectorStore``.

    A node's metadata are the fields of the payload, beside some that LlamaIndex adds; its text is
    in the JSON of the whole node. A passage's id is the node's, which is the point's.

    Args:
        text: the store's ``text_key``, where points without such JSON have their text.
        vector: the store's ``dense_vector_name``: ``"text-dense"`` in hybrid collections, "" in
            others; None for the only dense vector there is.

    Raises:
        InvalidInputError: an argument is no string.

    >>> layout = LlamaIndexLayout()
    >>> passage = Passage("00000000-0000-0000-0000-000000000007", "Hello", {"year": 2019})
    >>> layout.passage(7, layout.payload(passage)) == passage
    True
    """

    text: str = "text"
    vector: str | None = None

    def __post_init__(self) -> None:
        _check_names(text=self.text, vector=self.vector)

    def point(self, passage_id: str) -> int:
        return point_named(passage_id)

    def passage(self, point: int, payload: Mapping[str, Any]) -> Passage:
        node = _node(payload)
        if node is None:
            added, own, text = _NODE, {}, ""
        else:
            added, own, text = _NODE | _REFERENCES, _mapping(node.get("metadata")), _node_text(node)
        metadata = {name: value for name, value in payload.items() if name not in added}
        if self.text not in own:
            beside = metadata.pop(self.text, None)
            text = text or _text(beside)
        # Where a node's own field has the name of an added one, its JSON alone still holds it.
        metadata |= {name: own[name] for name in added & own.keys()}
        return stored_passage(name_of(point), text, metadata)

    def payload(self, passage: Passage) -> dict[str, JSON]:
        metadata = dict(passage.metadata)
        node: dict[str, JSON] = {"id_": passage.id, "text": passage.text, "metadata": metadata}
        return {
            **metadata,
            # As LlamaIndex writes a node that is no part of a document.
            **dict.fromkeys(sorted(_REFERENCES), "None"),
            NODE_JSON: json.dumps({**node, "class_name": _TEXT_NODE}, ensure_ascii=False),
            "_node_type": _TEXT_NODE,
        }

    def key(self, path: Path) -> str | None:
        return None if path[0] in _NODE | _REFERENCES | {self.text} else payload_path(path, ())

    @property
    def text_keys(self) -> tuple[str, ...]:
        return (NODE_JSON, self.text)


_TEXT_NODE = "TextNode"
# What LlamaIndex adds to the metadata: the node, and the document it is a part of.
NODE_JSON = "_node_content"
_NODE = frozenset({NODE_JSON, "_node_type"})
_REFERENCES = frozenset({"document_id", "doc_id", "ref_doc_id"})


def _node(payload: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        node = json.loads(payload[NODE_JSON])
    except (KeyError, TypeError, ValueError):
        return None
    return node if isinstance(node, dict) else None


def _node_text(node: Mapping[str, Any]) -> str:
    # A document, or a node of several media, keeps its text one level further down.
    return _text(node.get("text")) or _text(_mapping(node.get("text_resource")).get("text"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _check_names(*, vector: str | None, **keys: str) -> None:
    for argument, name in {**keys, "vector": "" if vector is None else vector}.items():
        if not isinstance(name, str):
            raise InvalidInputError(f"{argument} must be a string, not {name!r}")
