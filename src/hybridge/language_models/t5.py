"""T5 models that were trained to write a query for a passage, and others of their shape."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from ..arguments import check_count, check_seed
from ..encoders.identity import folder_digest
from ..encoders.loading import LOADING, load_as, settle_threads
from ..encoders.resolution import resolve
from .models import LanguageModel

__all__ = ["doc2query"]

# Of a query, which is one line.
_TOKENS = 64


def doc2query(
    model: str | Path,
    *,
    max_length: int = 320,
    batch_size: int = 8,
    device: str | None = None,
    seed: int = 0,
) -> LanguageModel:
    """Return a model that was trained to write a query for a passage: T5, and others of its shape.

    R. Nogueira et al., *Document Expansion by Query Prediction*, arXiv 1904.08375, 2019. Queries
    are sampled from the ten likeliest tokens, as there.

    Args:
        model: a folder, or a name on the hub, such as ``"doc2query/msmarco-t5-base-v1"``. It runs
            in torch, and no code of the model runs.
        max_length: the tokens of a passage that are read.
        batch_size: passages at once.
        device: torch's name of a device; None takes the best there is.
        seed: of the sampling.

    Raises:
        InvalidInputError: an argument is not valid, or there is no such device.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers, or its
            files are of another kind; the latter at its first use.
    """
    for value, argument in ((max_length, "max_length"), (batch_size, "batch_size")):
        check_count(value, argument)
    check_seed(seed)
    source = resolve(model, owner="doc2query")

    @cache
    def loaded() -> tuple[Any, Any]:
        with LOADING:
            pair: tuple[Any, Any] = load_as(
                _load_sequence_to_sequence, source, device=device, dtype="float32"
            )
            return pair

    def write(passages: list[str]) -> list[str]:
        tokenizer, network = loaded()
        import torch

        settle_threads()
        tokens = tokenizer(
            passages, max_length=max_length, truncation=True, padding=True, return_tensors="pt"
        )
        # Drawn from the texts and the seed alone, not from what was written before.
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(seed)
            written = network.generate(
                input_ids=tokens["input_ids"].to(network.device),
                attention_mask=tokens["attention_mask"].to(network.device),
                do_sample=True,
                top_k=10,
                max_new_tokens=_TOKENS,
            )
        texts: list[str] = tokenizer.batch_decode(written, skip_special_tokens=True)
        return texts

    named = source.name or f"folder:{folder_digest(source.fetch())}"
    name = f"doc2query:{named}:seed={seed}:max_length={max_length}"
    return LanguageModel(write, name, batch_size, reads_passages=True)


def _load_sequence_to_sequence(
    folder: str, *, device: str | None, model_kwargs: dict[str, Any], **settings: Any
) -> tuple[Any, Any]:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, **settings)
    network = AutoModelForSeq2SeqLM.from_pretrained(folder, **model_kwargs, **settings)
    return tokenizer, network.to(device).eval()
