"""The layouts of the collections that LlamaIndex writes to Qdrant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hybridge import Passage
from hybridge.filters import payload_path
from hybridge.interop import Path, stored_passage
from hybridge.passages import JSON
from hybridge.vectors import PayloadLayout

__all__ = ["LlamaIndexLayout", "NodeLayout"]


_TEXT_NODE = "TextNode"
# What LlamaIndex adds to the metadata: the node, and the document it is a part of.
_NODE_JSON = "_node_content"
_NODE = frozenset({_NODE_JSON, "_node_type"})
_REFERENCES = frozenset({"document_id", "doc_id", "ref_doc_id"})


@dataclass(frozen=True)
class LlamaIndexLayout(PayloadLayout):
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
    metadata: str = field(default="", init=False, repr=False)
    vector: str | None = None

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
        return stored_passage(super().passage(point, payload).id, text, metadata)

    def payload(self, passage: Passage) -> dict[str, JSON]:
        metadata = dict(passage.metadata)
        node: dict[str, JSON] = {"id_": passage.id, "text": passage.text, "metadata": metadata}
        return {
            **metadata,
            # As LlamaIndex writes a node that is no part of a document.
            **dict.fromkeys(sorted(_REFERENCES), "None"),
            _NODE_JSON: json.dumps({**node, "class_name": _TEXT_NODE}, ensure_ascii=False),
            "_node_type": _TEXT_NODE,
        }

    def key(self, path: Path) -> str | None:
        return None if path[0] in _NODE | _REFERENCES | {self.text} else payload_path(path, ())

    @property
    def text_keys(self) -> tuple[str, ...]:
        return (_NODE_JSON, self.text)


@dataclass(frozen=True)
class NodeLayout(LlamaIndexLayout):
    """`LlamaIndexLayout` with the whole payload as metadata, so that nodes come back whole."""

    def passage(self, point: int, payload: Mapping[str, Any]) -> Passage:
        bare = super().passage(point, payload)
        return stored_passage(bare.id, bare.text, dict(payload))

    def payload(self, passage: Passage) -> dict[str, JSON]:
        if "_node_content" in passage.metadata:
            return dict(passage.metadata)
        return super().payload(passage)

    def key(self, path: Path) -> str | None:
        return payload_path(path, ())


def _node(payload: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        node = json.loads(payload[_NODE_JSON])
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
