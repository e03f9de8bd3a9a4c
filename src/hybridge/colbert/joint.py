"""One pass of a bi-encoder for both: the vector of a text, and the vectors of its tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import as_vectors, check_texts
from ..encoders import SentenceTransformerEncoder
from ..encoders.batches import encode_batches, nonblank_batches
from ..encoders.onnx.model import Batch
from ..encoders.scaling import unit_length
from ..encoders.wrapping import unwrapped
from ..forking import cached_property
from ..protocols import Encoder, Vectors
from .multi_vector import MultiVectorTokenEncoder
from .onnx import Task
from .tokens import TokenEncoder

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder

__all__ = ["JointEncoder", "joint_encoder"]


def joint_encoder(encoder: Encoder, tokens: TokenEncoder | None) -> JointEncoder | None:
    """Return the two encoders as one, where one pass of one model gives both of their vectors.

    Args:
        encoder: a bi-encoder.
        tokens: an encoder of tokens.

    Returns:
        None where they are different models, or read texts to different lengths.

    >>> from hybridge.colbert import as_token_encoder
    >>> encoder = SentenceTransformerEncoder()
    >>> joint_encoder(encoder, as_token_encoder(encoder)) is None
    False
    >>> joint_encoder(encoder, as_token_encoder()) is None
    True
    """
    plain, plain_tokens = unwrapped(encoder), unwrapped(tokens)
    if (
        isinstance(plain, SentenceTransformerEncoder)
        and isinstance(plain_tokens, MultiVectorTokenEncoder)
        and plain_tokens.reads_with(plain)
    ):
        is_cached = plain is not encoder or plain_tokens is not tokens
        return JointEncoder(plain, plain_tokens, (encoder, tokens) if is_cached else None)
    return None


class JointEncoder:
    """A bi-encoder and the training-free encoder of its tokens, with the vectors of each.

    Args:
        encoder: the bi-encoder.
        tokens: a token encoder made of it.
        cached: the two with a cache of their passages' vectors, which they look up one by one;
            None without.
    """

    def __init__(
        self,
        encoder: SentenceTransformerEncoder,
        tokens: MultiVectorTokenEncoder,
        cached: tuple[Any, Any] | None = None,
    ) -> None:
        self._encoder = encoder
        self._tokens = tokens
        self._cached = cached

    @property
    def encoders(self) -> tuple[Encoder, TokenEncoder]:
        """The two encoders."""
        return self._encoder, self._tokens

    def encode_queries(self, queries: Sequence[str]) -> tuple[Vectors, list[Vectors]]:
        """Return what `encode_queries` of the bi-encoder and of the token encoder return."""
        texts = check_texts(queries, "queries")
        return self._encode("query", self._encoder.encode_queries, texts) or (
            self._encoder.encode_queries(texts),
            self._tokens.encode_queries(texts),
        )

    def encode_passages(self, texts: Sequence[str]) -> tuple[Vectors, list[Vectors]]:
        """Return what `encode_passages` of the bi-encoder and of the token encoder return."""
        texts = check_texts(texts)
        if self._cached is not None:
            encoder, cached_tokens = self._cached
            return encoder.encode_passages(texts), cached_tokens.encode_passages(texts)
        # The vector of a passage in windows needs further passes.
        in_windows = self._encoder._long_passages == "window"
        both = (
            None if in_windows else self._encode("document", self._encoder.encode_passages, texts)
        )
        return both or (self._encoder.encode_passages(texts), self._tokens.encode_passages(texts))

    def _encode(
        self, task: Task, encode_blank: Callable[[Sequence[str]], Vectors], texts: list[str]
    ) -> tuple[Vectors, list[Vectors]] | None:
        """Return both encoders' vectors by one pass; None where one pass does not give both."""
        blank = [index for index, text in enumerate(texts) if not text.strip()]
        if len(blank) == len(texts):
            return None
        both = self._by_onnx(task, texts) or self._by_torch(task, texts)
        if both is None:
            return None
        # A blank text has no tokens, and the bi-encoder's vector.
        if blank:
            nothing = np.empty((0, self._tokens.dimension), np.float32)
            for index, vector in zip(blank, encode_blank([texts[i] for i in blank]), strict=True):
                both[index] = vector, nothing
        dense, tokens = zip(*(both[index] for index in range(len(texts))), strict=True)
        vectors = as_vectors(dense, texts)
        return (unit_length(vectors) if self._encoder._normalize else vectors), list(tokens)

    def _by_onnx(self, task: Task, texts: list[str]) -> dict[int, tuple[Vectors, Vectors]] | None:
        encoder, readers = self._encoder, self._tokens._readers
        model = encoder._in_onnx(encoder._query_dtype if task == "query" else encoder._dtype)
        if readers is None or model is None or readers[task].model is not model.model:
            return None
        reader = readers[task]
        nonblank = [index for index, text in enumerate(texts) if text.strip()]

        def of_batch(batch: Batch) -> list[tuple[Vectors, Vectors]]:
            pairs = zip(model.pooled(batch), reader.of_batch(batch), strict=True)
            return [(vector, tokens.vectors) for vector, tokens in pairs]

        rows = reader.encode_with(
            [texts[index] for index in nonblank], of_batch, batch_size=self._tokens._batch_size
        )
        return {
            index: (vector, self._tokens.finished(task, tokens, texts[index]))
            for index, (vector, tokens) in zip(nonblank, rows, strict=True)
        }

    def _by_torch(self, task: Task, texts: list[str]) -> dict[int, tuple[Vectors, Vectors]] | None:
        encoder = self._encoder
        dtype = encoder._query_dtype if task == "query" else encoder._dtype
        if self._tokens.backend == "onnx" or encoder._in_onnx(dtype) is not None:
            return None
        if not self._is_one_pass:
            return None
        encode: Any = self._model.encode_query if task == "query" else self._model.encode_document
        # sentence-transformers cuts the vectors of a bi-encoder alone, and this runs as the other.
        length = self._encoder._loaded().truncate_dim

        def encode_batch(batch: list[int]) -> Iterator[tuple[Vectors, Vectors]]:
            with self._tokens._lock:
                items = encode(
                    [texts[index] for index in batch],
                    batch_size=len(batch),
                    show_progress_bar=False,
                    output_value=None,
                )
            for index, item in zip(batch, items, strict=True):
                tokens = item["token_embeddings"][item["attention_mask"].bool()]
                yield (
                    item["sentence_embedding"][:length].float().cpu().numpy(),
                    self._tokens.finished(task, tokens.float().cpu().numpy(), texts[index]),
                )

        return encode_batches(nonblank_batches(texts, self._tokens._batch_size), encode_batch)

    @cached_property
    def _is_one_pass(self) -> bool:
        """Whether the modules behind the transformer leave the vectors of the tokens alone."""
        from sentence_transformers.sentence_transformer.modules import Dropout, LayerNorm, Pooling

        return all(
            isinstance(module, Dropout | LayerNorm | Pooling)
            or getattr(module, "module_output_name", None) == "sentence_embedding"
            for module in list(self._encoder._loaded())[1:]
        )

    @cached_property
    def _model(self) -> MultiVectorEncoder:
        from sentence_transformers import MultiVectorEncoder

        for_tokens, for_texts = self._tokens._loaded(), self._encoder._loaded()
        return MultiVectorEncoder(
            modules=[for_tokens[0], *list(for_texts)[1:], *list(for_tokens)[1:]],
            prompts={task: prompt or "" for task, prompt in for_tokens.prompts.items()},
            device=str(for_texts.device),
        )
