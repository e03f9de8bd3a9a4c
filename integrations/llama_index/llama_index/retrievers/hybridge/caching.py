"""An embedding model that reuses the vectors of texts it embedded a moment ago."""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import MetadataMode

from hybridge import HybridIndex, Passage
from hybridge.errors import InvalidInputError
from hybridge.interop import ForkSafeLock
from hybridge.search_text import TEXT_ALONE

from .copying import PickledWhole
from .nodes import node_of

__all__ = ["CachedEmbedding", "VectorCache", "keep_vectors"]

_MAX_BYTES = 64 * 2**20


class VectorCache:
    """The vectors of the last texts, in bounded memory. Safe to use from many threads.

    Args:
        max_bytes: of the vectors together; 64 MiB are 43,690 of dimension 384.

    >>> cache = VectorCache()
    >>> cache.put(["Bread needs yeast."], [[0.6, 0.8]])
    >>> [len(cache.get(text) or ()) for text in ("Bread needs yeast.", "Blood clots.")]
    [2, 0]
    """

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._vectors: OrderedDict[bytes, array[float]] = OrderedDict()
        self._bytes = 0
        self._lock = ForkSafeLock()

    def put(self, texts: Sequence[str], vectors: Iterable[Iterable[float]]) -> None:
        """Keep one vector a text, as float32, and drop the oldest beyond the bound."""
        with self._lock:
            for text, vector in zip(texts, vectors, strict=True):
                key, row = _key(text), array("f", vector)
                self._bytes += _size(row) - _size(self._vectors.pop(key, ()))
                self._vectors[key] = row
            while self._vectors and self._bytes > self._max_bytes:
                self._bytes -= _size(self._vectors.popitem(last=False)[1])

    def get(self, text: str) -> list[float] | None:
        """Return the vector of a text, or None if it is not here."""
        with self._lock:
            row = self._vectors.get(_key(text))
        return None if row is None else row.tolist()


class CachedEmbedding(PickledWhole, BaseEmbedding):
    """An embedding model behind a cache of texts' vectors; queries go to the model.

    Args:
        model: embeds what is not in the cache, and all queries.
        cache: filled by its owner: nothing that the model embeds is put into it.

    >>> from llama_index.core import MockEmbedding
    >>> cache = VectorCache()
    >>> cache.put(["Bread needs yeast."], [[1.0, 0.0]])
    >>> cached = CachedEmbedding(MockEmbedding(embed_dim=2), cache)
    >>> cached.get_text_embedding_batch(["Bread needs yeast.", "Blood clots."])
    [[1.0, 0.0], [0.5, 0.5]]
    """

    _model: BaseEmbedding = PrivateAttr()
    _cache: VectorCache = PrivateAttr()

    def __init__(self, model: BaseEmbedding, cache: VectorCache) -> None:
        # LlamaIndex's public methods make batches, keep to rates and emit events; so they do all of
        # that here as the model's own would, and only the methods that embed are passed on.
        shared = BaseEmbedding.model_fields
        super().__init__(**{name: getattr(model, name) for name in shared})
        self._model = model
        self._cache = cache

    @classmethod
    def class_name(cls) -> str:
        return "CachedEmbedding"

    @property
    def model(self) -> BaseEmbedding:
        """The model behind the cache."""
        return self._model

    @property
    def cache(self) -> VectorCache:
        """The vectors of texts that are not embedded again."""
        return self._cache

    def to_payload(self) -> dict[str, Any]:
        return self._model.to_payload()

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """Return the model's own hash, by which a pipeline recognises a transformation."""
        return self._model.to_dict(**kwargs)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._model._get_query_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await self._model._aget_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        known = self._cache.get(text)
        return self._model._get_text_embedding(text) if known is None else known

    async def _aget_text_embedding(self, text: str) -> list[float]:
        known = self._cache.get(text)
        return await self._model._aget_text_embedding(text) if known is None else known

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        known, missing = self._known(texts)
        made = self._model._get_text_embeddings(missing) if missing else []
        return _merged(texts, known, missing, made)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        known, missing = self._known(texts)
        made = await self._model._aget_text_embeddings(missing) if missing else []
        return _merged(texts, known, missing, made)

    def _known(self, texts: Sequence[str]) -> tuple[dict[str, list[float]], list[str]]:
        found = {text: self._cache.get(text) for text in texts}
        known = {text: vector for text, vector in found.items() if vector is not None}
        return known, [text for text in texts if text not in known]


def keep_vectors(cache: VectorCache, index: HybridIndex, passages: Sequence[Passage]) -> None:
    """Put the vectors of nodes in an index into a cache, by the texts that were embedded.

    Where the index searches another text of a node than LlamaIndex embeds, its vectors may be of
    that one, and are not kept.
    """
    if index.dense.search_text != TEXT_ALONE:
        return
    texts = [node_of(each).get_content(metadata_mode=MetadataMode.EMBED) for each in passages]
    with suppress(InvalidInputError):  # another thread deleted some of them meanwhile
        cache.put(texts, index.dense.vectors([each.id for each in passages]).tolist())


def _merged(
    texts: Sequence[str],
    known: dict[str, list[float]],
    missing: Sequence[str],
    made: Sequence[list[float]],
) -> list[list[float]]:
    vectors = known | dict(zip(missing, made, strict=True))
    return [vectors[text] for text in texts]


def _size(vector: Sequence[float]) -> int:
    return 4 * len(vector)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
