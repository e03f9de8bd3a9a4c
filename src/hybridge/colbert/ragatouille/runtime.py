"""What colbert-ai changes for the whole process, changed for nobody else and put back.

It prints, draws bars, chooses how processes are started, sets environment variables and reseeds
everybody's random numbers. What it does beyond arithmetic it does under one lock, in the blocks
below.
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
    """A block after which the process is as it was, whatever colbert-ai did to it.

    Put back are the environment, the working folder, how multiprocessing starts processes, the
    random states of random, numpy and torch, and the filters of warnings. Hold `LOCK`.
    """
    environment = dict(os.environ)
    folder = os.getcwd()
    starting = multiprocessing.get_start_method(allow_none=True)
    state, numpy_state = random.getstate(), np.random.get_state()
    # Outside the block below: what warnings torch filters for itself is torch's own business.
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
            if multiprocessing.get_start_method(allow_none=True) != starting:
                multiprocessing.set_start_method(starting, force=True)
            random.setstate(state)
            np.random.set_state(numpy_state)
            torch.set_rng_state(torch_state)


@contextmanager
def quiet() -> Iterator[None]:
    """A block in which this thread prints nothing; other threads do as before."""
    muted = [_Muted(sys.stdout), _Muted(sys.stderr)]
    sys.stdout, sys.stderr = muted
    try:
        yield
    finally:
        # Somebody may have put another stream in front meanwhile, which stays there; ours lets
        # everything through from now on.
        if sys.stdout is muted[0]:
            sys.stdout = muted[0].stream
        if sys.stderr is muted[1]:
            sys.stderr = muted[1].stream
        for stream in muted:
            stream.thread = None


@contextmanager
def contained() -> Iterator[None]:
    """A block of work for colbert-ai: alone, in silence and on the CPU.

    Its vectors and codes are worked on by the CPU because on a GPU it would compile CUDA code; the
    model itself may be on any device.
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
