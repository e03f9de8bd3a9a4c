"""Finding, loading and validating a cross-encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..encoders.kinds import kind_of, where_kind_belongs
from ..encoders.loading import Dtype, load_as
from ..encoders.padding import set_padding
from ..encoders.positions import readable_tokens
from ..encoders.resolution import ModelSource, resolve
from ..errors import InvalidInputError, ModelNotFoundError, needs_extra
from .hardware import has_native_bfloat16

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

__all__ = ["DEFAULT_MODEL", "check_labels", "check_verdict", "check_windows", "find", "load"]

DEFAULT_MODEL = "cross-encoder/ms-marco-MiniLM-L6-v2"

# The default limit of a query and a passage together: thousands of tokens would cost too much.
_LONGEST = 512
# sentence-transformers' names of the tasks of models that generate text.
_GENERATING = ("text-generation", "any-to-any")


def find(model: str | Path | None) -> ModelSource:
    """Find a cross-encoder, without loading it.

    Args:
        model: a folder, a name on the hub (without an owner, one of ``cross-encoder``'s), or None
            for the default.

    Raises:
        InvalidInputError: `model` is neither a string nor a path.
        ModelNotFoundError: it is neither on this machine nor on a hub that answers, or the folder
            holds no cross-encoder.

    >>> find("/no/such/folder")
    Traceback (most recent call last):
    ...
    hybridge.errors.ModelNotFoundError: there is no folder '/no/such/folder', and it is no name ...
    """
    source = resolve(DEFAULT_MODEL if model is None else model, owner="cross-encoder")
    if source.folder is not None:
        _check_kind(source.folder)
    return source


def load(
    source: ModelSource, *, device: str | None, dtype: Dtype | None, max_length: int | None
) -> CrossEncoder:
    """Load a cross-encoder. Call it with `hybridge.encoders.loading.LOADING` held.

    Args:
        source: where the model is; it is downloaded first if it is on the hub.
        device: torch's name of a device; None takes the best there is.
        dtype: the precision; None takes bfloat16 where the device has it natively, else float32.
        max_length: tokens of a query and a passage that are read; None takes the model's own, 512
            at most.

    Raises:
        InvalidInputError: there is no such device, the model cannot read `max_length` tokens, or
            gives more than one score a pair.
        ModelNotFoundError: the download failed, or the files are not those of a cross-encoder.
    """
    folder = source.fetch()
    _check_kind(folder)
    with needs_extra("torch"):
        from sentence_transformers import CrossEncoder
        from sentence_transformers.util import get_device_name

    device = get_device_name() if device is None else device
    if dtype is None:
        dtype = "bfloat16" if has_native_bfloat16(device) else "float32"
    model: CrossEncoder = load_as(
        CrossEncoder, replace(source, folder=folder), device=device, dtype=dtype
    )
    if max_length is None:
        own = (model.max_seq_length, readable_tokens(model.config), _LONGEST)
        model.max_seq_length = min(length for length in own if length is not None)
    else:
        model.max_seq_length = _checked_length(model, max_length)
    set_padding(model)
    check_labels(model)
    return model


def check_labels(model: CrossEncoder) -> None:
    """Raise unless a model gives one score a pair.

    Raises:
        InvalidInputError: it gives several, as models that classify pairs do.
    """
    if model.num_labels != 1:
        names = getattr(model.config, "id2label", None) or {}
        raise InvalidInputError(
            f"the model gives {model.num_labels} scores a pair "
            f"({', '.join(map(str, names.values()))}), and a reranker needs one: "
            "give a cross-encoder that was trained to rank, with num_labels=1"
        )


def check_verdict(model: CrossEncoder) -> None:
    """Raise if a language model that scores by two words lacks their tokens.

    Raises:
        InvalidInputError: it does, so that every score would be 0.
    """
    from sentence_transformers.cross_encoder.modules import LogitScore

    for module in model:
        if isinstance(module, LogitScore) and module.true_token_id == module.false_token_id:
            raise InvalidInputError(
                "the model scores a pair by the words yes and no, and its tokenizer has no such "
                "tokens, so that every score would be 0: give a language model that was trained "
                "to rerank, or a cross-encoder with a classification head"
            )


def check_windows(model: CrossEncoder) -> None:
    """Raise unless passages can be split into windows of a known length beside a query.

    Raises:
        InvalidInputError: the tokenizer gives no offsets of its tokens, or the model puts query and
            passage into a prompt.
    """
    if not model.tokenizer.is_fast:
        raise InvalidInputError(
            f"window needs a tokenizer that gives the offsets of its tokens, and "
            f"{type(model.tokenizer).__name__} is one in Python, which does not: leave window out"
        )
    first: Any = model[0]
    task = getattr(first, "transformer_task", None)
    if task in _GENERATING or "message" in getattr(first, "modalities", ()):
        raise InvalidInputError(
            f"window is not for a model that reads query and passage in its own prompt, as this "
            f"{type(model.model).__name__} does: how much the prompt leaves of its "
            f"{model.max_seq_length} tokens is not known; leave window out"
        )


def _checked_length(model: CrossEncoder, max_length: int) -> int:
    # A query and a passage of one token each, and the special tokens around them.
    minimum = 2 + model.tokenizer.num_special_tokens_to_add(pair=True)
    maximum = readable_tokens(model.config) or max_length
    if not minimum <= max_length <= maximum:
        raise InvalidInputError(
            f"max_length must be from {minimum} to {maximum} for this model, not {max_length}"
        )
    return max_length


def _check_kind(folder: Path) -> None:
    """Raise unless a model has a head: transformers would add a random one, and only log it."""
    found = kind_of(folder)
    if found.kind not in ("cross-encoder", "language model"):
        raise ModelNotFoundError(
            f"{str(folder)!r} holds no cross-encoder but a {found.found}: "
            f"{where_kind_belongs(found.kind)}; a cross-encoder was trained to score pairs, like "
            f"{DEFAULT_MODEL!r}"
        )
