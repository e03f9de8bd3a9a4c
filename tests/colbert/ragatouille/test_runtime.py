"""What happens in the blocks stays there."""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hybridge.colbert.ragatouille.compat import ragatouille
from hybridge.colbert.ragatouille.runtime import contained, preserved, quiet


def state() -> tuple[object, ...]:
    return (
        dict(os.environ),
        os.getcwd(),
        multiprocessing.get_start_method(allow_none=True),
        random.getstate(),
        np.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
        list(warnings.filters),
    )


def test_the_process_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANGED", "before")
    monkeypatch.setenv("REMOVED", "before")
    before = state()
    with pytest.raises(KeyError), preserved():  # noqa: PT012
        os.environ["CHANGED"] = os.environ["NEW"] = "after"
        del os.environ["REMOVED"]
        os.chdir(tmp_path)
        multiprocessing.set_start_method("spawn", force=True)
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        warnings.warn("is not heard", stacklevel=1)
        warnings.simplefilter("always")
        raise KeyError
    assert state() == before


def test_one_thread_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    streams = sys.stdout, sys.stderr
    with quiet():
        print("not this")
        print("nor this", file=sys.stderr)
        other = threading.Thread(target=print, args=("but this",))
        other.start()
        other.join()
        sys.stdout.flush()
        kept = sys.stdout
    print("and this")
    print("and this too", file=kept)
    assert (sys.stdout, sys.stderr) == streams
    assert capsys.readouterr() == ("but this\nand this\nand this too\n", "")


def test_a_stream_that_was_put_in_front_stays(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout

    class Louder:
        def __init__(self) -> None:
            self.inner = sys.stdout

        def write(self, text: str) -> int:
            return self.inner.write(text.upper())

        def flush(self) -> None:
            self.inner.flush()

    with quiet():
        sys.stdout = louder = Louder()  # type: ignore[assignment]
    try:
        assert sys.stdout is louder  # type: ignore[comparison-overlap]
        print("heard")
    finally:
        sys.stdout = before
    assert capsys.readouterr().out == "HEARD\n"


def test_no_graphics_processor_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    ragatouille()
    from colbert.infra import ColBERTConfig
    from colbert.infra.config.settings import RunSettings

    monkeypatch.setattr(RunSettings, "total_visible_gpus", 2)
    with contained():
        with contained():  # it is reentrant
            pass
        assert ColBERTConfig().total_visible_gpus == 0
    assert ColBERTConfig().total_visible_gpus == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_prints_even_by_a_thread_with_the_number_of_one_that_was_quiet(
    forked: Callable[[Callable[[], Any]], Any],
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with quiet():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait()

    def child() -> object:
        return sys.stdout.thread  # type: ignore[attr-defined]

    assert sys.stdout.thread == thread.ident  # type: ignore[attr-defined]
    try:
        assert forked(child) is None
    finally:
        leave.set()
        thread.join()
