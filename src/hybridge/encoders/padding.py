"""A padding token for models without one, so that texts of several lengths share a batch.

Decoders are often saved without one. Those that classify read the score from the last token before
the padding, so that the padding token matters, and its side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidInputError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer

__all__ = ["lacks_padding", "set_padding"]

# Special tokens that may pad.
_CANDIDATES = ("eos_token_id", "bos_token_id", "sep_token_id", "cls_token_id", "mask_token_id")


def lacks_padding(model: SentenceTransformer | CrossEncoder) -> bool:
    """Return whether the model's tokenizer or its configuration lacks a padding token."""
    config = _text_config(model)
    return getattr(model.tokenizer, "pad_token_id", None) is None or (
        config is not None and config.pad_token_id is None
    )


def set_padding(model: SentenceTransformer | CrossEncoder) -> None:
    """Set a padding token in a model that lacks one, without a change for a single text.

    For a caller's model, which must not be changed, use `lacks_padding`.

    Args:
        model: a model that was just loaded.

    Raises:
        InvalidInputError: it has no token that could pad.
    """
    tokenizer, config = model.tokenizer, _text_config(model)
    if config is None or not hasattr(tokenizer, "pad_token_id"):
        return
    # Heads of this name, all of them decoders', take the last token before the padding.
    takes_last = hasattr(model.transformers_model, "score")
    if tokenizer.pad_token_id is not None and not takes_last:
        return
    # The configuration's token first: for a text alone, the model takes it for padding.
    padding = config.pad_token_id
    if padding is None:
        padding = _unused(tokenizer, tokenizer("a", "b")["input_ids"][-1])
    if padding != tokenizer.pad_token_id:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(padding)
    if takes_last:
        config.pad_token_id = padding
        # Padding on the left would move the text to later positions.
        tokenizer.padding_side = "right"


def _unused(tokenizer: Any, last: int) -> int:
    """Return a padding token that ends no text, or a text's end would count as padding."""
    for name in ("pad_token_id", *_CANDIDATES):
        token = getattr(tokenizer, name, None)
        if token is not None and token != last:
            return int(token)
    raise InvalidInputError(
        "the model's tokenizer has no padding token, and no other special token that could pad: "
        "add one with tokenizer.add_special_tokens({'pad_token': '[PAD]'}), resize the model's "
        "embeddings, set config.pad_token_id, and save both"
    )


def _text_config(model: SentenceTransformer | CrossEncoder) -> Any:
    transformer = model.transformers_model
    return None if transformer is None else transformer.config.get_text_config()
