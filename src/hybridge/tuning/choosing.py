"""The choice of a setting, and its score on queries that the choice has not seen.

All combinations would be tens of thousands of settings. So the parameters are chosen one group
after another, each with the best of the groups before: fusion, weights and depth together; then k1
and b; then late interaction's blend; then the weights once more, because the best ones may have
changed. Then come a pipeline's rerankers in order, the depth and blend of each together. The
parameters before a reranker are chosen by the measure of the lists there: so a reranker scores only
the candidates of the few best settings. The weights of boosts come last, one boost after another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..iteration import progress_over
from .setting import Setting
from .space import Space
from .trial_cache import TrialCache, Values

__all__ = ["choose", "divided", "held_out"]


def choose(default: Setting, space: Space, k: int, value: Callable[[Setting], float]) -> Setting:
    """Return the best setting; among equals the first that was tried, and the default before all.

    Args:
        default: the setting to begin with.
        space: the values to try, from `Space.within`.
        k: passages that the last reranker returns.
        value: returns a setting's score, higher is better.
    """
    minimum = max([k, *default.rerank_depths[:1]])
    best = replace(default, boost_weights=())
    if default.rerank_depths:
        depth = max(default.depth, minimum)
        best = replace(best, depth=depth, rerank_depths=(), rerank_blends=())
    best = max([best, *space.fused(best, minimum)], key=value)
    for tries in (space.reweighed, space.blended, space.weighed):
        best = max([best, *tries(best)], key=value)
    for depth, blend in zip(default.rerank_depths, default.rerank_blends, strict=True):
        best = max(space.reranked(best, depth, blend, k), key=value)
    for weight in default.boost_weights:
        best = max(space.boosted(best, weight), key=value)
    return max([default, best], key=value)


def held_out(
    trials: TrialCache, space: Space, folds: int, seed: int, progress: bool | None
) -> tuple[Setting, dict[Setting, Values], Values]:
    """Choose a setting by all queries, and score each query by a choice made without it.

    Args:
        trials: the cache of trials.
        space: the values to try.
        folds: the number of folds, as equal in size as possible.
        seed: of the assignment to folds.
        progress: show a bar; None shows it on a terminal.

    Returns:
        the choice by all queries, the trials it was made from, and the value of each query by a
        choice that was made without its fold.
    """

    def chosen_on(seen: NDArray[np.bool_]) -> Setting:
        default = trials.target.default
        return choose(
            default, space, trials.depth, lambda each: float(trials.values(each)[seen].mean())
        )

    fold_of = divided(len(trials.queries), folds, seed)
    values = np.zeros(len(trials.queries))
    chosen, tried = trials.target.default, trials.tried
    for fold in progress_over(range(-1, folds), "Tuning", "choice", progress):
        best = chosen_on(fold_of != fold)
        if fold < 0:  # which no query is in
            chosen, tried = best, dict(trials.tried)
        else:
            values[fold_of == fold] = trials.values(best)[fold_of == fold]
    return chosen, tried, values


def divided(queries: int, folds: int, seed: int) -> NDArray[np.int_]:
    """Divide queries into folds at random, as equal in size as possible.

    >>> sorted(divided(5, 2, seed=0).tolist())
    [0, 0, 0, 1, 1]
    """
    return np.random.default_rng(seed).permutation(np.arange(queries) % folds)
