"""Token vectors by colbert-ai's model, as RAGatouille loads it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ...arguments import check_count, check_texts
from ...copying import SharedInCopies, settings_of
from ...encoders.batches import encode_batches
from ...encoders.loading import LOADING, settle_threads
from ...errors import InvalidInputError
from ...forking import ForkSafeLock, cached_property
from ...iteration import chunked
from ...passages import JSON
from ...protocols import Vectors
from ..naming import readable
from ..tokens import check_finite
from .checkpoint import StanfordCheckpoint
from .compat import check_installed, ragatouille
from .runtime import contained, preserved
from .torch_ops import install

if TYPE_CHECKING:
    import torch

__all__ = ["RAGatouilleTokenEncoder"]

# Texts of one length share a batch; passages are padded to a multiple of so many tokens.
_STEP = 16
# [CLS], the marker and [SEP] around the text, and one of its tokens.
_MINIMUM = 4

_Encode: TypeAlias = Callable[[list[str], int], Iterable["torch.Tensor"]]


class RAGatouilleTokenEncoder(SharedInCopies):
    """A `TokenEncoder` that runs a ColBERT checkpoint by RAGatouille.

    The checkpoint is validated now and loaded at the first use, once for all threads. A text's
    vectors do not depend on its batch, to the last bit: only texts of one padded length share a
    batch. So an index that grew equals one that was built at once.

    Args:
        model: a ColBERT checkpoint in Stanford's format: its folder, or its name on the Hugging
            Face hub, where a name without an owner belongs to ``colbert-ir``.
        query_length: tokens of a query, markers included: longer ones are truncated, shorter ones
            filled up with [MASK]. None fills up to the checkpoint's own length and truncates
            nothing that the model can read.
        passage_length: tokens of a passage that are read, markers included; the rest is truncated.
            None takes the checkpoint's own.
        batch_size: texts that the model reads at a time.
        device: torch's name of a device, like ``"cuda"``; None takes the best there is.

    Raises:
        InvalidInputError: an argument is not valid.
        MissingExtraError: RAGatouille is not installed.
        ModelNotFoundError: there is no such checkpoint, see `StanfordCheckpoint.find`.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        query_length: int | None = None,
        passage_length: int | None = None,
        batch_size: int = 16,
        device: str | None = None,
    ) -> None:
        check_installed()
        self._checkpoint = StanfordCheckpoint.find(model)
        maximum = self._checkpoint.positions
        for name, length in (("query_length", query_length), ("passage_length", passage_length)):
            if length is not None and not _MINIMUM <= check_count(length, name) <= maximum:
                raise InvalidInputError(
                    f"{name} must be from {_MINIMUM} to {maximum}, which is what this model can "
                    f"read, not {length}"
                )
        self._query_length = query_length
        self._passage_length = passage_length or self._checkpoint.passage_length
        self._batch_size = check_count(batch_size, "batch_size")
        self._device = device
        self._model: Any = None
        # For the tokenizers, whose state each call changes.
        self._lock = ForkSafeLock()

    @cached_property
    def identity(self) -> str:
        """Identify the checkpoint, by its hub name or else a digest of files, and its limits."""
        return f"{self._checkpoint.identity} {self._query_length} {self._passage_length}"

    @property
    def dimension(self) -> int:
        """The length of a token's vector."""
        return self._checkpoint.dimension

    @property
    def passage_length(self) -> int:
        """Tokens of a passage that are read, markers included."""
        return self._passage_length

    @property
    def name(self) -> str:
        """The checkpoint's name on the hub, or its folder."""
        return self._checkpoint.name or str(self._checkpoint.folder)

    @property
    def folder(self) -> Path:
        """The folder of the checkpoint."""
        return self._checkpoint.folder

    def to_config(self) -> dict[str, JSON]:
        """Return the settings for `token_encoder_from_config`, as JSON.

        The device is left out, for another machine may have another.
        """
        return {
            "engine": "ragatouille",
            "model": self.name,
            "query_length": self._query_length,
            "passage_length": self._passage_length,
            "batch_size": self._batch_size,
        }

    def __getstate__(self) -> dict[str, Any]:
        return settings_of(self) | {"_model": None}

    def encode_queries(self, queries: Sequence[str]) -> list[Vectors]:
        """Return an array a query, one vector of length 1 a token.

        Args:
            queries: any number of queries.

        Returns:
            Arrays of float32, shape (tokens, dimension); (0, dimension) for a blank query.

        Raises:
            InvalidInputError: a bare string or something that is no text.
        """
        texts = check_texts(queries, "queries")
        return self._encode(texts, self._query_lengths(texts), self._encode_queries)

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Vectors]:
        """Return an array a text, one vector of length 1 a token; punctuation has none.

        Args:
            texts: any number of texts.
            progress: show a bar.

        Returns:
            Arrays of float32, shape (tokens, dimension); (0, dimension) for a blank text.

        Raises:
            InvalidInputError: a bare string or something that is no text.
        """
        texts = check_texts(texts)
        limit = self._passage_length
        counts = self._count(self._loaded().doc_tokenizer, texts, limit)
        lengths = [min(-(-count // _STEP) * _STEP, limit) for count in counts]
        return self._encode(texts, lengths, self._encode_passages, progress=progress)

    def query_tokens(self, queries: Sequence[str]) -> list[list[str]]:
        """Return the token of each vector of `encode_queries`; [] for a blank query."""
        texts = check_texts(queries, "queries")
        return [
            self._names(self._query_ids([text], length)[0], ()) if text.strip() else []
            for text, length in zip(texts, self._query_lengths(texts), strict=True)
        ]

    def passage_tokens(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the token of each vector of `encode_passages`; punctuation has none."""
        skipped = self._loaded().skiplist
        return [
            self._names(self._passage_ids([text])[0], skipped) if text.strip() else []
            for text in check_texts(texts)
        ]

    def _names(self, ids: torch.Tensor, skipped: Container[int]) -> list[str]:
        model = self._loaded()
        shown = [id_ for id_ in ids[0].tolist() if id_ != model.pad_token and id_ not in skipped]
        return readable(model.raw_tokenizer.convert_ids_to_tokens(shown))

    def _encode_queries(self, texts: list[str], length: int) -> Iterable[torch.Tensor]:
        model = self._loaded()
        ids, mask = self._query_ids(texts, length)
        vectors = model.query(ids, mask)
        # The tokenizer of a checkpoint without query expansion fills up with padding.
        return _select(vectors, (ids != model.pad_token).to(vectors.device))

    def _encode_passages(self, texts: list[str], length: int) -> Iterable[torch.Tensor]:
        from torch.nn.functional import pad

        model = self._loaded()
        ids, mask = self._passage_ids(texts)
        missing = (0, length - ids.shape[1])
        ids, mask = pad(ids, missing, value=model.pad_token), pad(mask, missing, value=0)
        vectors, masks = model.doc(ids, mask, keep_dims="return_mask")
        return _select(vectors, masks.squeeze(-1))

    def _query_ids(self, texts: list[str], length: int) -> tuple[torch.Tensor, torch.Tensor]:
        tokenizer = self._loaded().query_tokenizer
        with self._lock:
            tokenizer.query_maxlen = length
            ids, mask = tokenizer.tensorize(texts)
        return ids, mask

    def _passage_ids(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        tokenizer = self._loaded().doc_tokenizer
        with self._lock:
            ids, mask = tokenizer.tensorize(texts)
        return ids, mask

    def _query_lengths(self, texts: list[str]) -> list[int]:
        """Return the length that each query is filled up to."""
        maximum = self._query_length or self._checkpoint.positions
        minimum = self._query_length or self._checkpoint.query_length
        counts = self._count(self._loaded().query_tokenizer, texts, maximum)
        return [max(count, minimum) for count in counts]

    def _count(self, tokenizer: Any, texts: list[str], limit: int) -> list[int]:
        """Return how many tokens of each text are read, marker included, `limit` at most."""
        if not texts:
            return []
        with self._lock:
            ids = tokenizer.tok(texts, truncation=True, max_length=limit - 1)["input_ids"]
        return [len(row) + 1 for row in ids]

    def _encode(
        self, texts: list[str], lengths: list[int], encode: _Encode, *, progress: bool = False
    ) -> list[Vectors]:
        import torch

        def encode_batch(batch: list[int]) -> Iterator[Vectors]:
            rows = encode([texts[index] for index in batch], lengths[batch[0]])
            for index, row in zip(batch, rows, strict=True):
                yield check_finite(row.cpu().float().numpy().copy(), texts[index])

        batches = _batches_of_one_length(texts, lengths, self._batch_size)
        with torch.inference_mode():
            found = encode_batches(batches, encode_batch, progress=progress)
        blank = np.empty((0, self.dimension), dtype=np.float32)
        return [found.get(index, blank) for index in range(len(texts))]

    def _loaded(self) -> Any:
        settle_threads()
        if self._model is None:
            ragatouille()
            with contained(), preserved(), LOADING:
                if self._model is None:
                    install()
                    model = self._checkpoint.load(self._device)
                    model.doc_tokenizer.doc_maxlen = self._passage_length
                    self._model = model
        return self._model


def _select(vectors: torch.Tensor, masks: torch.Tensor) -> Iterator[torch.Tensor]:
    return (rows[keep] for rows, keep in zip(vectors, masks, strict=True))


def _batches_of_one_length(
    texts: Sequence[str], lengths: Sequence[int], size: int
) -> Iterator[list[int]]:
    """Yield the indices of the non-blank texts in batches of one length, the longest first."""
    nonblank = [index for index, text in enumerate(texts) if text.strip()]
    nonblank.sort(key=lambda index: -lengths[index])
    for _, group in groupby(nonblank, key=lengths.__getitem__):
        yield from chunked(group, size)
