"""colbert-ai's changes to the whole process, contained and undone.

It prints, draws bars, sets the start method of processes and environment variables, and reseeds
random numbers. All its work beyond arithmetic runs under one lock, in the blocks below.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...forking import ForkSafeLock, renew_in_children

__all__ = ["LOCK", "contained", "preserved", "quiet"]

# Reentrant, because a model is loaded while an index is opened.
LOCK = ForkSafeLock(reentrant=True)


@contextmanager
def preserved() -> Iterator[None]:
    """Restore the process after a block. Hold `LOCK`.

    That is the environment, the working folder, multiprocessing's start method, the random states
    of random, numpy and torch, and the warning filters.
    """
    environment = dict(os.environ)
    folder = os.getcwd()
    start_method = multiprocessing.get_start_method(allow_none=True)
    state, numpy_state = random.getstate(), np.random.get_state()
    # Outside the block below, for torch sets warning filters that must stay.
    import torch

    torch_state = torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for name in os.environ.keys() - environment.keys():
                del os.environ[name]
            os.environ.update(environment)
            os.chdir(folder)
            if multiprocessing.get_start_method(allow_none=True) != start_method:
                multiprocessing.set_start_method(start_method, force=True)
            random.setstate(state)
            np.random.set_state(numpy_state)
            torch.set_rng_state(torch_state)


@contextmanager
def quiet() -> Iterator[None]:
    """Mute this thread's standard streams within a block; other threads print as before."""
    muted = [_Muted(sys.stdout), _Muted(sys.stderr)]
    sys.stdout, sys.stderr = muted
    try:
        yield
    finally:
        # Another stream put in front meanwhile stays there; ours lets everything through from now.
        if sys.stdout is muted[0]:
            sys.stdout = muted[0].stream
        if sys.stderr is muted[1]:
            sys.stderr = muted[1].stream
        for stream in muted:
            stream.thread = None


@contextmanager
def contained() -> Iterator[None]:
    """Run a block of colbert-ai's work alone, in silence and without a GPU.

    On a GPU it would compile CUDA code for vectors and codes; the model may be on any device.
    """
    with LOCK, quiet():
        from colbert.infra.config.settings import RunSettings

        gpus = RunSettings.total_visible_gpus
        RunSettings.total_visible_gpus = 0
        try:
            yield
        finally:
            RunSettings.total_visible_gpus = gpus


class _Muted:
    """A stream that drops what one thread writes to it."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.thread: int | None = threading.get_ident()
        renew_in_children(self)

    def renew(self) -> None:
        if self.thread != threading.get_ident():  # a new thread may get the number of the lost one
            self.thread = None

    def write(self, text: str) -> int:
        if threading.get_ident() == self.thread:
            return len(text)
        written: int = self.stream.write(text)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
