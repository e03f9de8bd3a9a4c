"""bm25s's scoring loop compiled by numba, in the background, once a process.

Compiling takes seconds, and pays only after thousands of queries; until then numpy computes the
same scores.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from importlib.util import find_spec
from threading import Thread
from typing import Any, TypeAlias

import numpy as np

from ..errors import InvalidInputError, MissingExtraError
from ..forking import ForkSafeLock, renew_in_children

__all__ = ["Scorer", "check_backend", "compiled_scorer", "warm_up"]

logger = logging.getLogger(__name__)

Scorer: TypeAlias = Callable[..., Any]


def check_backend(backend: str) -> str:
    """Return `backend`; raise if it cannot be used. Numba begins to warm up.

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
    """Start compiling, unless it has started; return a future of the compiled loop.

    In a process that was forked meanwhile nothing compiles, and the future holds an error.
    """
    return _compiler.started()


def compiled_scorer() -> Scorer | None:
    """Return the compiled loop, or None while it is not ready."""
    _compiler.started()
    return _compiler.scorer


class _Compiler:
    """A compilation in a thread, once.

    Attributes:
        scorer: the compiled loop; None until it is ready.
    """

    def __init__(self) -> None:
        self.scorer: Scorer | None = None
        self._future: Future[Scorer] | None = None
        self._starting = ForkSafeLock()
        # A child would wait for ever for a module half imported by its parent.
        self._importing = ForkSafeLock(awaited=True)
        renew_in_children(self)

    def started(self) -> Future[Scorer]:
        with self._starting:
            if self._future is None:
                self._future = Future()
                work = Thread(target=self._compile, args=[self._future], name="hybridge-numba")
                work.daemon = True
                work.start()
            return self._future

    def renew(self) -> None:
        if self._future is not None and self.scorer is None:  # the thread that compiles is not here
            self._future = Future()
            self._future.set_exception(RuntimeError("forked while numba was compiling"))

    def _compile(self, future: Future[Scorer]) -> None:
        try:
            with self._importing:
                import numba
                from bm25s.scoring import _compute_relevance_from_scores_jit_ready as loop
            self.scorer = _compiled(numba, loop)
        except Exception as error:  # noqa: BLE001  # any error of a compiler: numpy goes on
            logger.warning("numba could not compile the scoring loop, numpy goes on: %s", error)
            future.set_exception(error)
        else:
            future.set_result(self.scorer)


_compiler = _Compiler()


def _compiled(numba: Any, loop: Callable[..., Any]) -> Scorer:
    if numba.config.DISABLE_JIT:
        raise RuntimeError("NUMBA_DISABLE_JIT is set")
    scorer: Scorer = numba.njit(nogil=True)(loop)
    # The types of a real call: others would be compiled at the first query.
    scorer(
        data=np.zeros(1, dtype=np.float32),
        indptr=np.array([0, 1], dtype=np.int64),
        indices=np.zeros(1, dtype=np.int32),
        num_docs=1,
        query_tokens_ids=np.zeros(1, dtype=np.int32),
        dtype=np.dtype(np.float32),
    )
    return scorer
