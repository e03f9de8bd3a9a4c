"""bm25s's scoring loop compiled by numba, in the background, once a process.

Compiling takes seconds, and pays only after thousands of queries: until it is done numpy answers,
with the same scores.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from importlib.util import find_spec
from threading import Thread
from typing import Any, TypeAlias

import numpy as np

from ..errors import InvalidInputError, MissingExtraError
from ..forking import ForkSafeLock

__all__ = ["Scorer", "check_backend", "compiled_scorer", "warm_up"]

logger = logging.getLogger(__name__)

Scorer: TypeAlias = Callable[..., Any]

_starting = ForkSafeLock()


def check_backend(backend: str) -> str:
    """`backend`, once it is sure that it can be used; numba begins to warm up.

    Raises:
        InvalidInputError: neither ``"numpy"`` nor ``"numba"``.
        MissingExtraError: numba is not installed.

    >>> check_backend("numpy")
    'numpy'
    """
    if backend not in ("numpy", "numba"):
        raise InvalidInputError(f"backend must be 'numpy' or 'numba', not {backend!r}")
    if backend == "numba":
        if find_spec("numba") is None:
            raise MissingExtraError("numba", "numba")
        warm_up()
    return backend


def warm_up() -> Future[Scorer]:
    """Starts compiling, if nothing did before; the future holds the compiled loop."""
    with _starting:
        return _started()


def compiled_scorer() -> Scorer | None:
    """The compiled loop, or None while it is not ready."""
    future = warm_up()
    return future.result() if future.done() and future.exception() is None else None


@cache
def _started() -> Future[Scorer]:
    future: Future[Scorer] = Future()
    Thread(target=_compile, args=[future], name="hybridge-numba", daemon=True).start()
    return future


def _compile(future: Future[Scorer]) -> None:
    try:
        import numba
        from bm25s.scoring import _compute_relevance_from_scores_jit_ready

        if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
            raise RuntimeError("NUMBA_DISABLE_JIT is set")
        scorer = numba.njit(nogil=True)(_compute_relevance_from_scores_jit_ready)
        # The types of a real call: others would be compiled at the first query.
        scorer(
            data=np.zeros(1, dtype=np.float32),
            indptr=np.array([0, 1], dtype=np.int64),
            indices=np.zeros(1, dtype=np.int32),
            num_docs=1,
            query_tokens_ids=np.zeros(1, dtype=np.int32),
            dtype=np.dtype(np.float32),
        )
    except Exception as error:  # noqa: BLE001  # whatever a compiler throws, numpy goes on
        logger.warning("numba could not compile the scoring loop, numpy goes on: %s", error)
        future.set_exception(error)
    else:
        future.set_result(scorer)
