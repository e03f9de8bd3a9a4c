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
from .labels import check_label_count

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

__all__ = [
    "DEFAULT_MODEL",
    "check_kind",
    "check_labels",
    "check_length",
    "check_verdict",
    "check_windows",
    "default_length",
    "find",
    "load",
]

DEFAULT_MODEL = "cross-encoder/ms-marco-MiniLM-L6-v2"

# The default limit of a query and a passage together: thousands of tokens would cost too much.
_LONGEST = 512
# sentence-transformers' names of the tasks of models that generate text.
_GENERATING = ("text-generation", "any-to-any")


def find(model: str | Path | None, *, dtype: str = "float32", onnx: bool = False) -> ModelSource:
    """Find a cross-encoder, without loading it.

    Args:
        model: a folder, a name on the hub (without an owner, one of ``cross-encoder``'s), or None
            for the default.
        dtype: the precision that it is to have, as in `hybridge.encoders.resolution.resolve`.
        onnx: whether an ONNX file suffices.

    Raises:
        InvalidInputError: `model` is neither a string nor a path.
        ModelNotFoundError: it is neither on this machine nor on a hub that answers, or the folder
            holds no cross-encoder.

    >>> find("/no/such/folder")
    Traceback (most recent call last):
    ...
    hybridge.errors.ModelNotFoundError: there is no folder '/no/such/folder', and it is no name ...
    """
    name = DEFAULT_MODEL if model is None else model
    source = resolve(name, owner="cross-encoder", dtype=dtype, onnx=onnx)
    if source.folder is not None:
        check_kind(source, source.folder)
    return source


def load(
    source: ModelSource, *, device: str | None, dtype: Dtype | None, max_length: int | None
) -> CrossEncoder:
    """Load a cross-encoder into torch. Call it with `hybridge.encoders.loading.LOADING` held.

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
    check_kind(source, folder)
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
        model.max_seq_length = default_length(model.max_seq_length, readable_tokens(model.config))
    else:
        specials = model.tokenizer.num_special_tokens_to_add(pair=True)
        check_length(max_length, specials, readable_tokens(model.config))
        model.max_seq_length = max_length
    set_padding(model)
    check_labels(model)
    return model


def default_length(*limits: int | None) -> int:
    """Return how many tokens of a pair are read by default.

    >>> default_length(None, 8192), default_length(128)
    (512, 128)
    """
    return min(limit for limit in (*limits, _LONGEST) if limit is not None)


def check_length(max_length: int, specials: int, maximum: int | None) -> None:
    """Raise unless a model can read so many tokens of a pair.

    Args:
        max_length: the tokens.
        specials: special tokens around a pair.
        maximum: tokens that the model can read; None for any number.

    Raises:
        InvalidInputError: it cannot, or they leave no room for a query and a passage.
    """
    minimum = specials + 2  # a query and a passage of one token each
    maximum = max_length if maximum is None else maximum
    if not minimum <= max_length <= maximum:
        raise InvalidInputError(
            f"max_length must be from {minimum} to {maximum} for this model, not {max_length}"
        )


def check_labels(model: CrossEncoder) -> None:
    """Raise unless a model gives one score a pair.

    Raises:
        InvalidInputError: it gives several, as models that classify pairs do.
    """
    check_label_count(model.num_labels, (getattr(model.config, "id2label", None) or {}).values())


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


def check_kind(source: ModelSource, folder: Path) -> None:
    """Raise unless a model has a head: transformers would add a random one, and only log it.

    Args:
        source: where the model is from; a packaged one may be known to score pairs.
        folder: its files.

    Raises:
        ModelNotFoundError: it has none.
    """
    if source.num_labels is not None:
        return
    found = kind_of(folder)
    if found.kind not in ("cross-encoder", "language model"):
        raise ModelNotFoundError(
            f"{str(folder)!r} holds no cross-encoder but a {found.found}: "
            f"{where_kind_belongs(found.kind)}; a cross-encoder was trained to score pairs, like "
            f"{DEFAULT_MODEL!r}"
        )
