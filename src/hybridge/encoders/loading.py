"""Loading a model from its folder: one at a time, in a known precision, in silence."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from ..errors import InvalidInputError, ModelNotFoundError, needs_extra
from ..forking import ForkSafeLock, renew_in_children
from .kinds import check_bi_encoder
from .padding import set_padding
from .positions import readable_tokens
from .resolution import ModelSource

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = [
    "DTYPES",
    "LOADING",
    "Dtype",
    "check_device",
    "load",
    "load_as",
    "no_bars",
    "settle_threads",
]

Model = TypeVar("Model")

logger = logging.getLogger(__name__)

Dtype: TypeAlias = Literal["float32", "int8", "bfloat16", "float16", "auto"]
DTYPES = ("float32", "int8", "bfloat16", "float16", "auto")

# One for the process: while it loads, transformers changes torch's default dtype, and we its bars.
# A child forked meanwhile would inherit both, and wait for ever for a module half imported.
LOADING = ForkSafeLock(awaited=True)

# Their pooling leaves the prompt's tokens out, which is missing in their configuration.
_INSTRUCTOR = {"hkunlp/instructor-base", "hkunlp/instructor-large", "hkunlp/instructor-xl"}


def load(
    source: ModelSource, *, device: str | None, dtype: Dtype, max_length: int | None
) -> SentenceTransformer:
    """Load a bi-encoder. Call it with `LOADING` held.

    Args:
        source: where the model is; it is downloaded first if it is on the hub.
        device: torch's name of a device; None takes the best there is.
        dtype: the precision.
        max_length: tokens of a text that are read; None takes the model's own.

    Raises:
        InvalidInputError: there is no such device, or the model cannot read `max_length` tokens.
        ModelNotFoundError: the download failed, or the files are not those of a bi-encoder.
    """
    folder = source.fetch()
    check_bi_encoder(folder)
    with needs_extra("torch"):
        from sentence_transformers import SentenceTransformer

    model = load_as(SentenceTransformer, replace(source, folder=folder), device=device, dtype=dtype)
    if source.name in _INSTRUCTOR:
        model.set_pooling_include_prompt(False)
    set_padding(model)
    maximum = readable_tokens(model.config)
    if max_length is not None and maximum is not None and max_length > maximum:
        raise InvalidInputError(
            f"max_length {max_length} is more than the {maximum} tokens that this model can read"
        )
    # Where the tokenizer names no limit, sentence-transformers takes every position for usable.
    if max_length is None and maximum is not None and (model.max_seq_length or 0) > maximum:
        max_length = maximum
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
    """Load a model from its folder, without the network and without running its code.

    Call it with `LOADING` held.

    Args:
        kind: the model's class in sentence-transformers.
        source: where the model is; it is downloaded first if it is on the hub.
        device: torch's name of a device; None takes the best there is.
        dtype: the precision; always set, for transformers 5 would take the checkpoint's, which may
            be a half precision that is slow on a CPU.
        settings: further arguments of `kind`.

    Raises:
        InvalidInputError: there is no such device, or torch does not compute in the precision.
        ModelNotFoundError: the download failed, or the files are not those of such a model or are
            damaged; the library's error is its cause.
    """
    if dtype == "int8":
        raise InvalidInputError(
            "torch does not run models in int8 here, and this needs torch: set dtype='float32'"
        )
    folder = source.fetch()
    check_device(device)
    with needs_extra("torch"):
        import torch

    logger.info("loading %s from %s", source.name or "a model", folder)
    try:
        with no_bars():
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


def check_device(device: str | None) -> None:
    """Raise if torch cannot use a device.

    Raises:
        InvalidInputError: it cannot; the message gives torch's reason.
    """
    with needs_extra("torch"):
        import torch

    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:
        raise InvalidInputError(
            f"device {device!r} cannot be used here: {error}; None takes the best there is"
        ) from error


def settle_threads() -> None:
    """Limit torch to one thread in a process forked from one that used torch.

    There GNU's OpenMP, torch's on Linux, would wait for ever for the threads of the parent
    (https://gcc.gnu.org/bugzilla/show_bug.cgi?id=58378). Call it before a model is used.
    """
    if not _inherited.torch:
        return
    _inherited.torch = False
    import torch

    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)
        logger.warning(
            "this process was forked from one that uses torch, whose threads a fork does not copy: "
            "models compute on one thread here. Start it by spawn or forkserver to use all threads"
        )


class _Inherited:
    """A flag: whether this process inherited torch by a fork."""

    torch = False

    def renew(self) -> None:
        self.torch = "torch" in sys.modules


_inherited = _Inherited()
renew_in_children(_inherited)


@contextmanager
def no_bars() -> Iterator[None]:
    """Hide the bar that transformers draws for every model it loads or saves."""
    from transformers.utils import logging as transformers_logging

    def hidden(make: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return make(*args, **{**options, "disable": True})

    previous = transformers_logging.set_tqdm_hook(hidden)
    try:
        yield
    finally:
        transformers_logging.set_tqdm_hook(previous)
