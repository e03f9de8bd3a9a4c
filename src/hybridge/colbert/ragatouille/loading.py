"""A ColBERT checkpoint, loaded as RAGatouille loads it and freed of what it holds on to."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from ...errors import InvalidInputError, ModelNotFoundError
from .checkpoint import StanfordCheckpoint

__all__ = ["load"]


def load(found: StanfordCheckpoint, device: str | None) -> Any:
    """colbert-ai's `Checkpoint`, as RAGatouille makes it, in float32.

    Call it within `contained` and `preserved`.

    Args:
        found: the checkpoint, looked over already.
        device: torch's name of a device; None takes the best there is.

    Raises:
        InvalidInputError: there is no such device.
        ModelNotFoundError: the files cannot be loaded.
    """
    import torch
    from colbert.utils.amp import MixedPrecisionManager
    from ragatouille.models import ColBERT

    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:
        raise InvalidInputError(
            f"device {device!r} cannot be used here: {error}; None takes the best there is"
        ) from error
    try:
        # An absolute path in a string, without the name of another model that this one was made
        # of: whatever else it is given it looks for on the hub.
        model = ColBERT(str(found.folder), n_gpu=1, verbose=0, model_name=None)
    except (AttributeError, OSError, RuntimeError, ValueError) as error:
        raise ModelNotFoundError(
            f"{str(found.folder)!r} cannot be loaded as a ColBERT checkpoint: {error}"
        ) from error
    # Now, in its turn, instead of whenever it is collected.
    model.run_context.__exit__(None, None, None)
    model.run_context = nullcontext()
    checkpoint = model.inference_ckpt
    checkpoint.model.float()  # the precision of the file may be one that is slow here
    if device is not None:
        checkpoint.model.to(device)
    checkpoint.amp_manager = MixedPrecisionManager(False)
    checkpoint.query_tokenizer.used = True  # what it prints at its first use
    return checkpoint
