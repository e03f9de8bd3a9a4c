"""Token vectors by colbert-ai's model, the one that RAGatouille loads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arguments import check_count, check_queries
from ...copying import SharedInCopies, settings_of
from ...encoders.checks import check_texts
from ...encoders.loading import LOADING, settle_threads
from ...errors import InvalidInputError
from ...forking import ForkSafeLock, cached_property
from ...passages import JSON
from ...protocols import Vectors
from ..naming import readable
from .checkpoint import StanfordCheckpoint
from .compat import check_installed, ragatouille
from .loading import load
from .runtime import contained, preserved
from .torch_ops import install

if TYPE_CHECKING:
    import torch

__all__ = ["RAGatouilleTokenEncoder"]

# Passages are filled up to a multiple of so many tokens.
_STEP = 16
# [CLS], the marker and [SEP] around the text, and one token of its own.
_LEAST = 4


class RAGatouilleTokenEncoder(SharedInCopies):
    """A `TokenEncoder` that runs a ColBERT checkpoint by RAGatouille.

    The checkpoint is looked over now and loaded at the first use, once, however many threads want
    it. A text's vectors do not depend on the texts beside it, to the last bit: each is filled up to
    a length of its own, and only texts of one such length share a batch. So an index that grew
    equals one that was built at once.

    Args:
        model: a ColBERT checkpoint in Stanford's format: its folder, or its name on the Hugging
            Face hub, where a name without an owner belongs to ``colbert-ir``.
        query_length: tokens of a query, markers included: what is longer is cut off, what is
            shorter is filled up with [MASK]. None fills up to the checkpoint's own length and cuts
            nothing that the model can read.
        passage_length: tokens of a passage that are read, markers included, the rest is cut off;
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
        most = self._checkpoint.positions
        for name, length in (("query_length", query_length), ("passage_length", passage_length)):
            if length is not None and not _LEAST <= check_count(length, name) <= most:
                raise InvalidInputError(
                    f"{name} must be from {_LEAST} to {most}, which is what this model can read, "
                    f"not {length}"
                )
        self._query_length = query_length
        self._passage_length = passage_length or self._checkpoint.passage_length
        self._batch_size = check_count(batch_size, "batch_size")
        self._device = device
        self._model: Any = None
        # For the tokenizers, whose state is changed by each call.
        self._lock = ForkSafeLock()

    @cached_property
    def identity(self) -> str:
        """The checkpoint, by its name on the hub or else a digest of the files, and the limits."""
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
        """Where the checkpoint is."""
        return self._checkpoint.folder

    def to_config(self) -> dict[str, JSON]:
        """What makes an equal encoder again with `token_encoder_from_config`, as JSON.

        The device is left out: the next machine has others.
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
        """An array a query, one vector of length 1 a token.

        Args:
            queries: any number of queries.

        Returns:
            Arrays of float32, shape (tokens, dimension); (0, dimension) for a blank query.

        Raises:
            InvalidInputError: a bare string or something that is no text.
        """
        texts = check_texts(check_queries(queries))
        return self._in_batches(texts, self._query_lengths(texts), self._queries)

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Vectors]:
        """An array a text, one vector of length 1 a token; punctuation has none.

        Args:
            texts: any number of texts.
            progress: show a bar.

        Returns:
            Arrays of float32, shape (tokens, dimension); (0, dimension) for a blank text.

        Raises:
            InvalidInputError: a bare string or something that is no text.
        """
        listed = check_texts(texts)
        limit = self._passage_length
        steps = [
            min(-(-length // _STEP) * _STEP, limit)
            for length in self._lengths(self._loaded().doc_tokenizer, listed, limit)
        ]
        return self._in_batches(listed, steps, self._passages, progress=progress)

    def query_tokens(self, queries: Sequence[str]) -> list[list[str]]:
        """What each vector of `encode_queries` stands for; [] for a blank query."""
        texts = check_texts(check_queries(queries))
        lengths = self._query_lengths(texts)
        return [
            self._names(self._query_ids([text], length)[0], ()) if text.strip() else []
            for text, length in zip(texts, lengths, strict=True)
        ]

    def passage_tokens(self, texts: Sequence[str]) -> list[list[str]]:
        """What each vector of `encode_passages` stands for; punctuation has none."""
        model = self._loaded()
        names = []
        for text in check_texts(texts):
            with self._lock:
                ids, _ = model.doc_tokenizer.tensorize([text])
            names.append(self._names(ids, model.skiplist) if text.strip() else [])
        return names

    def _names(self, ids: torch.Tensor, skipped: Container[int]) -> list[str]:
        model = self._loaded()
        kept = [id_ for id_ in ids[0].tolist() if id_ != model.pad_token and id_ not in skipped]
        return readable(model.raw_tokenizer.convert_ids_to_tokens(kept))

    def _queries(self, texts: list[str], length: int) -> Iterable[torch.Tensor]:
        model = self._loaded()
        ids, mask = self._query_ids(texts, length)
        vectors = model.query(ids, mask)
        # A checkpoint that expands no queries says so by filling them up with padding.
        return _kept(vectors, (ids != model.pad_token).to(vectors.device))

    def _query_ids(self, texts: list[str], length: int) -> tuple[torch.Tensor, torch.Tensor]:
        tokenizer = self._loaded().query_tokenizer
        with self._lock:
            tokenizer.query_maxlen = length
            ids, mask = tokenizer.tensorize(texts)
        return ids, mask

    def _query_lengths(self, texts: list[str]) -> list[int]:
        """What each query is filled up to."""
        most = self._query_length or self._checkpoint.positions
        least = self._query_length or self._checkpoint.query_length
        lengths = self._lengths(self._loaded().query_tokenizer, texts, most)
        return [max(length, least) for length in lengths]

    def _passages(self, texts: list[str], length: int) -> Iterable[torch.Tensor]:
        from torch.nn.functional import pad

        model = self._loaded()
        with self._lock:
            ids, mask = model.doc_tokenizer.tensorize(texts)
        missing = (0, length - ids.shape[1])
        ids, mask = pad(ids, missing, value=model.pad_token), pad(mask, missing, value=0)
        vectors, kept = model.doc(ids, mask, keep_dims="return_mask")
        return _kept(vectors, kept.squeeze(-1))

    def _lengths(self, tokenizer: Any, texts: list[str], limit: int) -> list[int]:
        """How many tokens each text has, its marker included, where it is cut after `limit`."""
        if not texts:
            return []
        with self._lock:
            ids = tokenizer.tok(texts, truncation=True, max_length=limit - 1)["input_ids"]
        return [len(row) + 1 for row in ids]

    def _in_batches(
        self, texts: list[str], lengths: list[int], encode: Any, *, progress: bool = False
    ) -> list[Vectors]:
        import torch
        from tqdm import tqdm

        found = [np.empty((0, self.dimension), dtype=np.float32) for _ in texts]
        total = sum(bool(text.strip()) for text in texts)
        with (
            tqdm(total=total, desc="Encoding", unit="text", disable=not progress) as bar,
            torch.inference_mode(),
        ):
            for length, batch in _alike(texts, lengths, self._batch_size):
                rows = encode([texts[position] for position in batch], length)
                for position, row in zip(batch, rows, strict=True):
                    found[position] = row.cpu().float().numpy().copy()
                    if not np.isfinite(found[position]).all():
                        raise InvalidInputError(
                            f"the model gave NaN or infinity for {texts[position][:60]!r}: its "
                            "weights are damaged, or the text must be left out"
                        )
                bar.update(len(batch))
        return found

    def _loaded(self) -> Any:
        settle_threads()
        if self._model is None:
            ragatouille()
            with contained(), preserved(), LOADING:
                if self._model is None:
                    install()
                    model = load(self._checkpoint, self._device)
                    model.doc_tokenizer.doc_maxlen = self._passage_length
                    self._model = model
        return self._model


def _kept(vectors: torch.Tensor, kept: torch.Tensor) -> Iterator[torch.Tensor]:
    return (rows[keep] for rows, keep in zip(vectors, kept, strict=True))


def _alike(
    texts: Sequence[str], lengths: Sequence[int], size: int
) -> Iterator[tuple[int, list[int]]]:
    """The positions of texts that are not blank, in batches of one length, the longest first."""
    groups = defaultdict(list)
    for position, (text, length) in enumerate(zip(texts, lengths, strict=True)):
        if text.strip():
            groups[length].append(position)
    for length in sorted(groups, reverse=True):
        for start in range(0, len(groups[length]), size):
            yield length, groups[length][start : start + size]
