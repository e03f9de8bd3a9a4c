"""T5 models that were trained to write a query for a passage, and others of their shape."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from ..encoders.identity import folder_digest
from ..encoders.loading import LOADING, load_as, settle_threads
from ..encoders.resolution import resolve

__all__ = ["t5_writer"]

# Of a query, which is one line.
_TOKENS = 64


def t5_writer(
    model: str | Path, *, max_length: int, device: str | None, seed: int
) -> tuple[Callable[[list[str]], list[str]], str]:
    """Return the function of `doc2query`'s model, and its name; arguments as there."""
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
    return write, name


def _load_sequence_to_sequence(
    folder: str, *, device: str | None, model_kwargs: dict[str, Any], **settings: Any
) -> tuple[Any, Any]:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, **settings)
    network = AutoModelForSeq2SeqLM.from_pretrained(folder, **model_kwargs, **settings)
    return tokenizer, network.to(device).eval()
