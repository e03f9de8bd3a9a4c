"""Loading a cross-encoder into ONNX Runtime."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..encoders.files import read_modules, read_object
from ..encoders.kinds import kind_of
from ..encoders.limits import saved_limit, transformer_folder
from ..encoders.onnx.export import Precision, verified
from ..encoders.onnx.files import MODEL_TYPES
from ..encoders.onnx.load import load_model
from ..encoders.onnx.model import OnnxModel, load_tokenizer
from ..encoders.onnx.processor import this_processor
from ..encoders.onnx.providers import providers
from ..encoders.onnx.unsupported import UnsupportedModelError
from ..encoders.positions import readable_tokens
from ..encoders.resolution import ModelSource
from .labels import check_label_count, check_saved_labels
from .loading import check_kind, check_length, default_length
from .scoring import OnnxScorer

__all__ = ["load_scorer"]

logger = logging.getLogger(__name__)


def load_scorer(
    source: ModelSource,
    dtype: Precision | None,
    max_length: int | None,
    *,
    device: str | None = None,
    export: bool = False,
) -> OnnxScorer:
    """Load a cross-encoder into ONNX Runtime.

    Args:
        source: where the model is; it is downloaded first if it is on the hub.
        dtype: the precision; None takes int8 where the processor multiplies it exactly and the
            graph was compared with the one in float32, else float32.
        max_length: tokens of a query and a passage that are read; None takes the model's own, 512
            at most.
        device: where it is computed in float32 (`hybridge.encoders.onnx.providers`).
        export: let torch export a graph where there is none.

    Raises:
        UnsupportedModelError: ONNX Runtime cannot run it here as torch would.
        MissingExtraError: what an export needs is not installed.
        InvalidInputError: the model cannot read `max_length` tokens, or gives more than one score
            a pair.
        ModelNotFoundError: a file is missing or damaged, or the model is no cross-encoder.
        ModelCacheError: its graph cannot be stored.
    """
    folder = source.fetch()
    check_kind(source, folder)
    transformer = transformer_folder(folder)
    if transformer is None:
        raise UnsupportedModelError(f"the model in {str(folder)!r} begins with no transformer")
    config = read_object(transformer / "config.json", optional=True)
    if source.num_labels is None:
        _check_plain(folder, transformer, config)
        check_saved_labels(config)
    else:
        check_label_count(source.num_labels)
    own = saved_limit(folder)
    if max_length is None:
        limit = default_length(own)
    else:
        specials = load_tokenizer(transformer).num_special_tokens_to_add(True)
        check_length(max_length, specials, readable_tokens(config) if config else own)
        limit = max_length
    if source.dtype is not None or dtype is not None:
        precision: Precision = dtype or source.dtype or "float32"
        return OnnxScorer(
            load_model(source, "score", precision, limit, device=device, export=export), precision
        )
    on_processor = providers(device) == providers("cpu")
    if on_processor and (model := _in_int8(source, limit)) is not None:
        return OnnxScorer(model, "int8")
    return OnnxScorer(
        load_model(source, "score", "float32", limit, device=device, export=export), "float32"
    )


def _in_int8(source: ModelSource, limit: int) -> OnnxModel | None:
    """Return a model in int8 if it is known to score as in float32."""
    if not this_processor().multiplies_int8:
        return None
    try:
        model = load_model(source, "score", "int8", limit)
    except UnsupportedModelError as error:
        logger.info("int8 is not taken: %s", error)
        return None
    return model if verified(model.graph) else None


def _check_plain(folder: Path, transformer: Path, config: Mapping[str, Any]) -> None:
    """Raise unless the model reads a pair as it is, and its first logit is the score."""
    modules = [str(each.get("type")).rpartition(".")[2] for each in read_modules(folder)]
    settings = read_object(folder / "config_sentence_transformers.json", optional=True)
    first = read_object(transformer / "sentence_bert_config.json", optional=True)
    tokenizer = read_object(transformer / "tokenizer_config.json", optional=True)
    task = first.get("transformer_task", "sequence-classification")
    found = kind_of(folder)
    reason = None
    if found.kind != "cross-encoder":
        reason = f"it is a {found.kind}"
    elif len(modules) > 1:
        reason = f"its score is made by {modules[-1]}"
    elif task != "sequence-classification":
        reason = f"its task is {task!r}"
    elif settings.get("default_prompt_name") or first.get("processing_kwargs"):
        reason = "it has a prompt, or settings for its tokenizer"
    elif "chat_template" in tokenizer or any(transformer.glob("*chat_template*")):
        reason = "it reads a pair in a chat"
    elif config.get("model_type") not in MODEL_TYPES and config.get("pad_token_id") is None:
        reason = "its configuration names no token for padding"  # which decoders look for
    if reason is not None:
        raise UnsupportedModelError(f"the model in {str(folder)!r} is for torch: {reason}")
