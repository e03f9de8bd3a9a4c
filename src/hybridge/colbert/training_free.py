"""Late interaction without training, by the token vectors of any bi-encoder.

A bi-encoder averages its token vectors into one. Unaveraged, scaled to length 1 and matched by
MaxSim, they rerank well without a ColBERT checkpoint. ColBERT's marker token in front and [MASK]
tokens behind each query are left out: they disturb a model not trained with them. Punctuation in
passages is skipped as in ColBERT: that costs nothing in nDCG and saves 12% of the vectors of
English abstracts.
"""

from __future__ import annotations

import string
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..arguments import check_count, check_texts
from ..encoders import SentenceTransformerEncoder
from ..errors import InvalidInputError, needs_extra
from .limits import with_own_settings
from .projection import linear, principal_axes

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder, SentenceTransformer

__all__ = ["punctuation", "training_free"]


def training_free(
    model: str | Path | SentenceTransformer | SentenceTransformerEncoder | None = None,
    *,
    dimension: int | None = None,
    sample: Sequence[str] | None = None,
) -> MultiVectorEncoder:
    """Return a bi-encoder's token vectors as sentence-transformers' `MultiVectorEncoder`.

    Args:
        model: a bi-encoder: its name on the hub, its folder, or an object, whose weights are
            shared; None for ``sentence-transformers/all-MiniLM-L6-v2``. Its prompts stay.
        dimension: project the vectors to this length; None keeps their length.
        sample: a few hundred representative texts, to compute the projection from by
            `principal_axes`.

    Returns:
        A model of three modules, or four with the projection: save it, export it with
        `hybridge.colbert.export_checkpoint`, or pass it to `MultiVectorTokenEncoder`.

    Raises:
        InvalidInputError: the model has no transformer in front, only one of `dimension` and
            `sample` is given, or the sample has too few tokens.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> model = training_free()
    >>> [tuple(vectors.shape) for vectors in model.encode_document(["Aspirin thins blood."])]
    [(8, 384)]
    """
    with needs_extra("torch"):
        from sentence_transformers import MultiVectorEncoder
        from sentence_transformers.base.modules import Normalize, Transformer
        from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    if (dimension is None) != (sample is None):
        raise InvalidInputError(
            "a projection needs both dimension=, the length of its vectors, and sample=, the texts "
            "to compute it from"
        )
    encoder = (
        model
        if isinstance(model, SentenceTransformerEncoder)
        else SentenceTransformerEncoder(model)
    )
    loaded = encoder._loaded()
    first = loaded[0]
    if not isinstance(first, Transformer):
        raise InvalidInputError(
            f"this model begins with {type(first).__name__} and has no vectors a token: give a "
            "bi-encoder that begins with a transformer"
        )
    # Or a limit set here would truncate the bi-encoder's texts too.
    transformer = with_own_settings(first)
    prompts = {"query": encoder.prompts.query, "document": encoder.prompts.passage}
    mask = MultiVectorMask(punctuation(transformer.tokenizer.get_vocab()))
    parts = [transformer, mask, Normalize(module_input_name="token_embeddings")]
    full = MultiVectorEncoder(modules=parts, prompts=prompts, device=str(loaded.device))
    if dimension is None or sample is None:
        return full
    import torch

    texts = [text for text in check_texts(sample) if text.strip()]
    vectors = full.encode_document(texts, convert_to_numpy=True, show_progress_bar=False)
    axes = principal_axes(
        np.concatenate(vectors) if vectors else np.empty((0, 0), dtype=np.float32),
        check_count(dimension, "dimension"),
    )
    modules = [transformer, linear(torch.from_numpy(axes)), *parts[1:]]
    return MultiVectorEncoder(modules=modules, prompts=prompts, device=str(loaded.device))


def punctuation(vocabulary: Container[str]) -> list[str]:
    """Return ASCII's punctuation marks that are tokens.

    >>> punctuation({"one": 0, ",": 1, ".": 2})
    [',', '.']
    """
    return [mark for mark in string.punctuation if mark in vocabulary]
