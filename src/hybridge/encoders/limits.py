"""How much of a text a saved bi-encoder reads, from its files: no model is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import ModelNotFoundError
from .files import read_modules, read_object
from .positions import readable_tokens
from .tokens import TokenCounter

__all__ = ["least_limit", "saved_counter", "saved_limit", "transformer_folder"]

# Tokenizers without a limit have an astronomic one.
_BEYOND_ALL = 10**9

_TRANSFORMERS = ("Transformer", "MLMTransformer")


def least_limit(limits: Iterable[float | None]) -> int | None:
    """Return the lowest real limit; None where there is none.

    >>> least_limit([512, None, 1e30])
    512
    >>> least_limit([float("inf"), -1]) is None
    True
    """
    real = [int(limit) for limit in limits if limit is not None and 0 < limit < _BEYOND_ALL]
    return min(real, default=None)


def saved_limit(folder: Path) -> int | None:
    """Return how many tokens of a text a saved model reads, special ones included.

    Args:
        folder: the folder of a saved model.

    Returns:
        None where its files name no limit.

    Raises:
        ModelNotFoundError: a configuration file cannot be read.
    """
    first = transformer_folder(folder)
    if first is None:
        return None
    config = read_object(first / "config.json", optional=True)
    saved = [
        settings.get("max_seq_length")
        for path in sorted(first.glob("sentence_*_config.json"))
        if (settings := read_object(path))
    ]
    if not saved or saved[0] is None:
        tokenizer = read_object(first / "tokenizer_config.json", optional=True)
        saved = [tokenizer.get("model_max_length"), config.get("max_position_embeddings")]
    return least_limit([*saved, readable_tokens(config)])


def saved_counter(folder: Path) -> TokenCounter | None:
    """Return a counter of tokens by the tokenizer of a saved model.

    Args:
        folder: the folder of a saved model.

    Returns:
        None where there is no `tokenizer.json`.

    Raises:
        ModelNotFoundError: a file cannot be read.
    """
    from tokenizers import Tokenizer

    first = transformer_folder(folder)
    path = None if first is None else first / "tokenizer.json"
    if path is None or not path.is_file():
        return None
    try:
        return TokenCounter(Tokenizer.from_file(str(path)))
    except Exception as error:  # tokenizers raises nothing narrower
        raise ModelNotFoundError(f"{str(path)!r} is no tokenizer: {error}") from error


def transformer_folder(folder: Path) -> Path | None:
    """Return the folder of a model's first module; None where it is no transformer."""
    modules = read_modules(folder)
    if not modules:
        return folder
    first = modules[0]
    is_transformer = str(first.get("type")).rpartition(".")[2] in _TRANSFORMERS
    return folder / str(first.get("path") or "") if is_transformer else None
