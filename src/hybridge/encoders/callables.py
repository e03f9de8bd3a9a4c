"""Functions as an encoder: hosted APIs, LangChain's and LlamaIndex's embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeAlias

import numpy as np

from ..arguments import as_vectors, check_count, check_flag, check_texts
from ..copying import SharedInCopies, check_picklable
from ..errors import InvalidInputError
from ..forking import cached_property
from ..iteration import chunked
from ..protocols import Vectors
from .batches import encode_batches
from .scaling import unit_length

__all__ = ["CallableEncoder", "Encode"]

Encode: TypeAlias = Callable[[list[str]], Any]

_BATCH = 128


class _LangChainEmbeddings(Protocol):
    def embed_query(self, text: str) -> list[float]: ...

    def embed_documents(self, texts: list[str]) -> list[list[float]]: ...


class _LlamaIndexEmbedding(Protocol):
    def get_query_embedding(self, query: str) -> list[float]: ...

    def get_text_embedding_batch(self, texts: list[str]) -> list[list[float]]: ...


class CallableEncoder(SharedInCopies):
    """An encoder of functions from a list of texts to a list of vectors.

    The vectors are validated: one a text, each of the same length, all of them finite numbers.

    Args:
        encode_queries: the function for queries.
        encode_passages: the function for passages; None for the one for queries.
        dimension: the length of a vector; None finds it at the first need, by encoding one text.
        identity: a name of the model and all its settings. An index stores it and opens with an
            encoder of the same identity alone: encoders of other vectors must have another.
        normalize: scale vectors to length 1, so that the dot product is the cosine.
        batch_size: the most texts for one call of a function, for servers that refuse larger
            requests.
        deterministic: False for functions whose vectors of one text differ from call to call: a
            repeated query is encoded again, see `hybridge.encoders.query_cache`.

    Raises:
        InvalidInputError: an argument is not valid.

    >>> def letters(texts):
    ...     return [[text.count("a"), text.count("b")] for text in texts]
    >>> encoder = CallableEncoder(letters, identity="letters-1")
    >>> encoder.encode_queries(["abba", "aaa"])
    array([[2., 2.],
           [3., 0.]], dtype=float32)
    >>> encoder.dimension
    2
    """

    def __init__(
        self,
        encode_queries: Encode,
        encode_passages: Encode | None = None,
        *,
        dimension: int | None = None,
        identity: str,
        normalize: bool = False,
        batch_size: int = _BATCH,
        deterministic: bool = True,
    ) -> None:
        for name, function in (
            ("encode_queries", encode_queries),
            ("encode_passages", encode_queries if encode_passages is None else encode_passages),
        ):
            if not callable(function):
                raise InvalidInputError(f"{name} must be a function, not {function!r}")
        if not isinstance(identity, str) or not identity.strip():
            raise InvalidInputError(f"identity must be a string with text in it, not {identity!r}")
        self._encode_queries = encode_queries
        self._encode_passages = encode_queries if encode_passages is None else encode_passages
        self._dimension = None if dimension is None else check_count(dimension, "dimension")
        self._identity = identity
        self._normalize = normalize
        self._batch_size = check_count(batch_size, "batch_size")
        self.deterministic = check_flag(deterministic, "deterministic")

    @classmethod
    def from_langchain(
        cls,
        embeddings: _LangChainEmbeddings,
        *,
        identity: str | None = None,
        dimension: int | None = None,
        normalize: bool = False,
        batch_size: int = _BATCH,
    ) -> Self:
        """Return an encoder from LangChain's `Embeddings`, or an object with its two methods.

        Args:
            embeddings: has `embed_query`, which is called once a query, and `embed_documents`.
            identity: see the class. None makes it of the class and its `model_name` or `model`,
                without further settings: pass it where you change those.
            dimension: the length of a vector; None finds it at the first need.
            normalize: scale vectors to length 1.
            batch_size: the most texts for one call of `embed_documents`.

        Raises:
            InvalidInputError: a method is missing, the object has no name of a model, or
                `batch_size` is not valid.

        >>> class Lengths:
        ...     model = "lengths"
        ...     def embed_query(self, text):
        ...         return [float(len(text))]
        ...     def embed_documents(self, texts):
        ...         return [[float(len(text))] for text in texts]
        >>> CallableEncoder.from_langchain(Lengths()).encode_queries(["four"])
        array([[4.]], dtype=float32)
        """
        _require(embeddings, "embed_query", "embed_documents")
        return cls(
            _Method(embeddings, "embed_query", each=True),
            _Method(embeddings, "embed_documents"),
            dimension=dimension,
            identity=_named("langchain", embeddings) if identity is None else identity,
            normalize=normalize,
            batch_size=batch_size,
        )

    @classmethod
    def from_llama_index(
        cls,
        embed_model: _LlamaIndexEmbedding,
        *,
        identity: str | None = None,
        dimension: int | None = None,
        normalize: bool = False,
        batch_size: int | None = None,
    ) -> Self:
        """Return an encoder from LlamaIndex's `BaseEmbedding`, or an object with its two methods.

        Args:
            embed_model: has `get_query_embedding`, which is called once a query, and
                `get_text_embedding_batch`.
            identity: see the class. None makes it of the class and its `model_name` or `model`,
                without further settings: pass it where you change those.
            dimension: the length of a vector; None finds it at the first need.
            normalize: scale vectors to length 1.
            batch_size: the most texts for one call of `get_text_embedding_batch`, which sends
                requests of the model's own `embed_batch_size`; None takes that size.

        Raises:
            InvalidInputError: a method is missing, the object has no name of a model, or
                `batch_size` is not valid.
        """
        _require(embed_model, "get_query_embedding", "get_text_embedding_batch")
        return cls(
            _Method(embed_model, "get_query_embedding", each=True),
            _Method(embed_model, "get_text_embedding_batch"),
            dimension=dimension,
            identity=_named("llama-index", embed_model) if identity is None else identity,
            normalize=normalize,
            batch_size=_own_batch(embed_model) if batch_size is None else batch_size,
        )

    def __getstate__(self) -> dict[str, Any]:
        check_picklable(
            (self._encode_queries, self._encode_passages),
            f"the encoder {self.identity!r}",
            "pass functions of a module, not lambdas, or embeddings that can be pickled; or make "
            "the encoder, or open its index, in the process that needs it",
        )
        return vars(self)

    @property
    def identity(self) -> str:
        return f"{self._identity} (normalized)" if self._normalize else self._identity

    @property
    def query_source(self) -> object:
        """The function or the embeddings that its queries' vectors come from."""
        encode = self._encode_queries
        return encode.embeddings if isinstance(encode, _Method) else encode

    @cached_property
    def dimension(self) -> int:
        if self._dimension is not None:
            return self._dimension
        return int(as_vectors(self._encode_queries(["dimension"]), ["dimension"]).shape[1])

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        """Return one row of float32 a query: shape (len(queries), dimension).

        Raises:
            InvalidInputError: a bare string, something that is no text, or the function returned
                something else than one valid vector a text.
        """
        return self._encode(self._encode_queries, check_texts(queries, "queries"))

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        """Return one row of float32 a text: shape (len(texts), dimension).

        Args:
            texts: any number of texts, encoded in batches of `batch_size`.
            progress: show a bar.

        Raises:
            InvalidInputError: a bare string, something that is no text, or the function returned
                something else than one valid vector a text.
        """
        return self._encode(self._encode_passages, check_texts(texts), progress=progress)

    def _encode(self, encode: Encode, texts: list[str], *, progress: bool = False) -> Vectors:
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        if len(texts) <= self._batch_size and not progress:
            # A copy, for the function may change its argument.
            vectors = as_vectors(encode(list(texts)), texts, self.dimension)
        else:

            def encode_batch(batch: list[int]) -> Vectors:
                chunk = [texts[index] for index in batch]
                return as_vectors(encode(list(chunk)), chunk, self.dimension)

            batches = chunked(range(len(texts)), self._batch_size)
            vectors = np.stack([*encode_batches(batches, encode_batch, progress=progress).values()])
        return unit_length(vectors) if self._normalize else vectors


@dataclass(frozen=True)
class _Method:
    """A method by name, looked up at each call, so that it can be pickled with its object."""

    embeddings: Any
    name: str
    each: bool = False

    def __call__(self, texts: list[str]) -> Any:
        method = getattr(self.embeddings, self.name)
        return [method(text) for text in texts] if self.each else method(texts)


def _require(embeddings: object, *methods: str) -> None:
    missing = [name for name in methods if not callable(getattr(embeddings, name, None))]
    if missing:
        raise InvalidInputError(
            f"{type(embeddings).__name__} has no {' and no '.join(missing)}: it must have "
            f"{' and '.join(methods)}"
        )


def _own_batch(embed_model: object) -> int:
    size = getattr(embed_model, "embed_batch_size", None)
    return size if isinstance(size, int) and size > 0 else _BATCH


def _named(framework: str, embeddings: object) -> str:
    for attribute in ("model_name", "model"):
        model = getattr(embeddings, attribute, None)
        if isinstance(model, str) and model.strip() and model != "unknown":
            return f"{framework}:{type(embeddings).__name__}:{model}"
    raise InvalidInputError(
        f"{type(embeddings).__name__} does not say which model it runs, in model_name or in model: "
        'give identity="..."'
    )
