"""How a setting is chosen, and what such a choice is worth on queries it has not seen.

Trying everything with everything would take tens of thousands of settings. So the parameters are
chosen one group after another, each with the best of those before: fusion, weights and depth
together; then k1 and b; then late interaction's blend; then the weights once more, which the others
may have moved. Then come a pipeline's rerankers in their order, each one's depth and blend
together. What stands before a reranker is chosen by its own list: so no reranker reads more
than the candidates of the few best.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..iteration import progress_over
from .bench import Bench, Values
from .setting import Setting
from .space import Space

__all__ = ["choose", "divided", "held_out"]


def choose(default: Setting, space: Space, k: int, worth: Callable[[Setting], float]) -> Setting:
    """The best setting found; of equals the one that was tried first, the default before all.

    Args:
        default: where to begin.
        space: what to try, nothing left open.
        k: how many passages a search is for.
        worth: a setting's value, higher is better.
    """
    least = max([k, *default.rerank_depths[:1]])
    best = default
    if default.rerank_depths:
        depth = max(default.depth, least)
        best = replace(default, depth=depth, rerank_depths=(), rerank_blends=())
    best = max([best, *space.fused(best, least)], key=worth)
    for tries in (space.reweighed, space.blended, space.weighed):
        best = max([best, *tries(best)], key=worth)
    for depth, blend in zip(default.rerank_depths, default.rerank_blends, strict=True):
        best = max(space.reranked(best, depth, blend, k), key=worth)
    return max([default, best], key=worth)


def held_out(
    bench: Bench, space: Space, folds: int, seed: int, progress: bool | None
) -> tuple[Setting, dict[Setting, Values], Values]:
    """The choice by all queries, and what choosing is worth without them.

    Args:
        bench: where settings are tried.
        space: what to try.
        folds: in how many parts the queries are divided, as equal as can be.
        seed: of the division.
        progress: show a bar; None shows it on a terminal.

    Returns:
        the choice by all queries, what that one looked at, and the value of each query by a choice
        that was made without its fold.
    """

    def chosen_on(seen: NDArray[np.bool_]) -> Setting:
        default = bench.subject.default
        return choose(default, space, bench.k, lambda each: float(bench.values(each)[seen].mean()))

    fold_of = divided(len(bench.queries), folds, seed)
    values = np.zeros(len(bench.queries))
    chosen, tried = bench.subject.default, bench.tried
    for fold in progress_over(range(-1, folds), "Tuning", "choice", progress):
        best = chosen_on(fold_of != fold)
        if fold < 0:  # which no query is in
            chosen, tried = best, dict(bench.tried)
        else:
            values[fold_of == fold] = bench.values(best)[fold_of == fold]
    return chosen, tried, values


def divided(queries: int, folds: int, seed: int) -> NDArray[np.int_]:
    """The fold of each query, at random, the folds as equal as can be.

    >>> sorted(divided(5, 2, seed=0).tolist())
    [0, 0, 0, 1, 1]
    """
    return np.random.default_rng(seed).permutation(np.arange(queries) % folds)
