"""The comparison of two lists of values, one a question, where some questions vary together."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..evaluation.significance import Comparison, compare

__all__ = ["compare_groups"]


def compare_groups(
    before: ArrayLike, after: ArrayLike, groups: NDArray[np.int_], measure: str, seed: int = 0
) -> Comparison:
    """Compare the means of two lists of values, with groups resampled and permuted whole.

    Questions about one passage vary together, and taken one by one they make a difference look
    surer than it is: C. A. Field and A. H. Welsh, *Bootstrapping Clustered Data*, J. R. Statist.
    Soc. B 69, 2007. Wins, ties and losses are those of groups.

    Args:
        before: one value a question.
        after: the same questions'.
        groups: the group of each question, numbers from 0; two groups at least.
        measure: the name of what was measured.
        seed: of the resampling.

    >>> compare_groups([0, 0, 0], [1, 1, 1], np.array([0, 0, 1]), "R@1").wins
    2
    """
    count = int(groups.max()) + 1

    def by_group(values: ArrayLike) -> dict[str, float]:
        # Sums, scaled so that their mean is the mean of the questions.
        sums = np.bincount(groups, np.asarray(values), count) * (count / len(groups))
        return {str(group): float(value) for group, value in enumerate(sums)}

    values = {"before": {measure: by_group(before)}, "after": {measure: by_group(after)}}
    [found] = compare(values, "before", [measure], correction=None, seed=seed)
    return found
