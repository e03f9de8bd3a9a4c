"""From a folder to a model in memory: once at a time, in the precision asked for, in silence."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from ..errors import InvalidInputError, ModelNotFoundError
from ..forking import ForkSafeLock, renew_in_children
from .kinds import check_bi_encoder
from .padding import set_padding
from .positions import readable_tokens
from .resolution import ModelSource

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["DTYPES", "LOADING", "Dtype", "load", "load_as", "settle_threads"]

Model = TypeVar("Model")

logger = logging.getLogger(__name__)

Dtype: TypeAlias = Literal["float32", "bfloat16", "float16", "auto"]
DTYPES = ("float32", "bfloat16", "float16", "auto")

# One for the process: while it loads, transformers changes torch's default dtype, and we its bars.
# A child forked meanwhile would keep them so, and wait for ever for a module half imported.
LOADING = ForkSafeLock(awaited=True)

# Their pooling leaves the prompt's own tokens out, which their configuration does not say.
_INSTRUCTOR = {"hkunlp/instructor-base", "hkunlp/instructor-large", "hkunlp/instructor-xl"}


def load(
    source: ModelSource, *, device: str | None, dtype: Dtype, max_length: int | None
) -> SentenceTransformer:
    """Load a bi-encoder; arguments and errors as for `load_as`, and one more.

    Args:
        source: where the model is; what is on the hub is downloaded first.
        device: torch's name of a device; None takes the best there is.
        dtype: the precision.
        max_length: tokens of a text that are read; None takes the model's own.

    Raises:
        InvalidInputError: there is no such device, or the model cannot read `max_length` tokens.
        ModelNotFoundError: the download failed, or the files are not those of a bi-encoder.
    """
    folder = source.fetch()
    check_bi_encoder(folder)
    from sentence_transformers import SentenceTransformer

    model = load_as(SentenceTransformer, replace(source, folder=folder), device=device, dtype=dtype)
    if source.name in _INSTRUCTOR:
        model.set_pooling_include_prompt(False)
    set_padding(model)
    most = readable_tokens(model.config)
    if max_length is not None and most is not None and max_length > most:
        raise InvalidInputError(
            f"max_length {max_length} is more than the {most} tokens that this model can read"
        )
    # Where the tokenizer names no limit, sentence-transformers takes every position for usable.
    if max_length is None and most is not None and (model.max_seq_length or 0) > most:
        max_length = most
    if max_length is not None:
        model.max_seq_length = max_length
    return model


def load_as(
    kind: Callable[..., Model],
    source: ModelSource,
    *,
    device: str | None,
    dtype: Dtype,
    **settings: Any,
) -> Model:
    """Load a model from its folder, without asking the network and without running its code.

    Call it with `LOADING` held.

    Args:
        kind: the class of sentence-transformers that the model is of.
        source: where the model is; what is on the hub is downloaded first.
        device: torch's name of a device; None takes the best there is.
        dtype: the precision. transformers 5 would take the checkpoint's, which may be a half
            precision that is slow on a CPU: so it is always said.
        settings: what else `kind` takes.

    Raises:
        InvalidInputError: there is no such device.
        ModelNotFoundError: the download failed, or the files are not those of such a model or are
            damaged. What was caught is its cause.
    """
    folder = source.fetch()
    import torch

    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:
        raise InvalidInputError(
            f"device {device!r} cannot be used here: {error}; None takes the best there is"
        ) from error
    logger.info("loading %s from %s", source.name or "a model", folder)
    try:
        with _no_bars():
            return kind(
                str(folder),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"dtype": dtype},
                **settings,
            )
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a damaged file makes each of the libraries below raise its own
        raise ModelNotFoundError(
            f"the files in {str(folder)!r} cannot be loaded as a model: "
            f"{type(error).__name__}: {error}"
        ) from error


def settle_threads() -> None:
    """Let torch compute on one thread in a process that was forked from one that had torch.

    GNU's OpenMP, which torch has on Linux, else waits there for ever for the threads that its
    parent computed with (https://gcc.gnu.org/bugzilla/show_bug.cgi?id=58378). Call it before a
    model is used.
    """
    if not _inherited.torch:
        return
    _inherited.torch = False
    import torch

    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)
        logger.warning(
            "this process was forked from one that uses torch, whose threads a fork does not copy: "
            "models compute on one thread here. Start it by spawn or forkserver to have all of them"
        )


class _Inherited:
    """Whether torch came to this process by a fork."""

    torch = False

    def renew(self) -> None:
        self.torch = "torch" in sys.modules


_inherited = _Inherited()
renew_in_children(_inherited)


@contextmanager
def _no_bars() -> Iterator[None]:
    """transformers draws a bar for every model it loads: not in a library."""
    from transformers.utils import logging as transformers_logging

    def hidden(make: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return make(*args, **{**options, "disable": True})

    previous = transformers_logging.set_tqdm_hook(hidden)
    try:
        yield
    finally:
        transformers_logging.set_tqdm_hook(previous)
