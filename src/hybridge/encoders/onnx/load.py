"""A model with its graph, tokenizer and limit, from its files."""

from __future__ import annotations

from pathlib import Path

from ...errors import InvalidInputError
from ..files import read_object
from ..limits import saved_limit, transformer_folder
from ..positions import readable_tokens
from ..resolution import ModelSource
from .export import Precision, graph_for
from .graph import Head
from .model import OnnxModel, load_tokenizer, padding_of
from .unsupported import UnsupportedModelError

__all__ = ["load_model"]


def load_model(
    source: ModelSource,
    head: Head,
    dtype: Precision,
    max_length: int | None = None,
    *,
    part: Path | None = None,
    device: str | None = None,
    export: bool = False,
) -> OnnxModel:
    """Return a model that ONNX Runtime runs.

    Args:
        source: where it is; it is downloaded first if it is on the hub.
        head: what its graph ends with.
        dtype: the precision of its weights.
        max_length: tokens that are read of a text or a pair; None takes the model's own.
        part: the folder of its transformer, where that is not the model's first module.
        device: where it is computed in float32 (`hybridge.encoders.onnx.providers`); int8 is always
            computed by the processor.
        export: let torch export the graph where there is none
            (`hybridge.encoders.onnx.from_torch`).

    Raises:
        UnsupportedModelError: ONNX Runtime cannot run it here.
        MissingExtraError: what an export needs is not installed.
        InvalidInputError: the model cannot read `max_length` tokens, or ONNX Runtime has no such
            device.
        ModelNotFoundError: a file is missing or damaged.
        ModelCacheError: its graph cannot be stored.
    """
    folder = part or source.fetch()
    transformer = transformer_folder(folder)
    if transformer is None:
        raise UnsupportedModelError(f"the model in {str(folder)!r} begins with no transformer")
    config = read_object(transformer / "config.json", optional=True)
    maximum = readable_tokens(config)
    if max_length is not None and maximum is not None and max_length > maximum:
        raise InvalidInputError(
            f"max_length {max_length} is more than the {maximum} tokens that this model can read"
        )
    settings = read_object(transformer / "sentence_bert_config.json", optional=True)
    tokenizer = load_tokenizer(transformer, lower=bool(settings.get("do_lower_case")))
    return OnnxModel(
        graph_for(source, transformer, head, dtype, export=export),
        tokenizer,
        limit=saved_limit(folder) if max_length is None else max_length,
        padding=padding_of(transformer),
        device=device if dtype == "float32" else "cpu",
        alone=dtype == "int8",
    )
