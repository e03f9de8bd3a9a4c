"""Fusion: one run out of several, by a method that has a name.

A new method is a class that satisfies `Fusion`, and one line in `FUSIONS`. A method of your own
enters by ``FUSIONS["mine"] = Mine``, or from your own distribution by an entry point in the group
``hybridge.fusions`` (`hybridge.plugins`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from math import inf, isfinite, isnan
from numbers import Real
from typing import (
    Any,
    ClassVar,
    Generic,
    Literal,
    Protocol,
    TypeAlias,
    TypeVar,
    runtime_checkable,
)

import numpy as np
from numpy.typing import NDArray

from . import plugins
from .arguments import check_flag
from .errors import InvalidInputError
from .passages import JSON

__all__ = [
    "FUSION",
    "FUSIONS",
    "RRF",
    "ConvexCombination",
    "Fusion",
    "RunPart",
    "check_weights",
    "from_config",
    "fusion_parts",
    "get_fusion",
]

K = TypeVar("K", bound=Hashable)
_Scores: TypeAlias = NDArray[np.float64]

FUSION = "fusion"
"""The stage in which the scores of several retrievers become one."""


@runtime_checkable
class Fusion(Protocol):
    """A method that makes one run out of several; a run maps each candidate to a score, unordered.

    Attributes:
        name: what the registry knows it by.
        completes: whether retrievers are to score the candidates of all the runs together. A run
            still lacks those that its retriever cannot score, or does not hold.
        weighted: optional, True where it is missing: whether weights that differ mean something.
    """

    @property
    def name(self) -> str: ...

    @property
    def completes(self) -> bool: ...

    def fuse(
        self, runs: Sequence[Mapping[K, float]], weights: Sequence[float] | None = None
    ) -> dict[K, float]:
        """Return the fused score of every candidate; a run without candidates adds nothing.

        Args:
            runs: one mapping a retriever, from candidate to score.
            weights: one number a run, not negative and not all 0; only their ratios matter. They
                are not spread anew when a run is empty: one constant scales every candidate, so
                the order stays. None weighs all runs alike.

        Raises:
            InvalidInputError: weights that do not fit, or a score that is not finite.
        """
        ...

    def to_config(self) -> dict[str, JSON]:
        """Return name and parameters as JSON; `hybridge.fusion.from_config` reads it back."""
        ...


@dataclass(frozen=True)
class _Normalization:
    """A way to normalise runs, and what a candidate counts that a run lacks.

    Args:
        scale: normalises finite scores, shape (scores,) or (runs, scores), each run on its own.
        absent: the value of a candidate that a run lacks, from the run's normalised scores.
    """

    scale: Callable[[_Scores], _Scores]
    absent: Callable[[_Scores], float]


def _standardize(scores: _Scores, *, sample: bool = False) -> _Scores:
    """Return the scores' distances from their mean in standard deviations; 0 for equal scores.

    Args:
        scores: finite, at least one in each row: shape (scores,) or (rows, scores).
        sample: divide the variance by n - 1, as for a sample, and not by n.

    >>> _standardize(np.array([[1.0, 3.0], [7.0, 7.0]])).tolist()
    [[-1.0, 1.0], [0.0, 0.0]]
    """
    low = scores.min(axis=-1, keepdims=True)
    width = scores.max(axis=-1, keepdims=True) - low
    width[width == 0] = 1
    # On [0, 1] no square can overflow or vanish, whatever unit the scores came in.
    unit = (scores - low) / width
    # Sums over the sorted scores do not depend on the order that the run was written down in.
    ordered = np.sort(unit)
    count = ordered.shape[-1]
    mean = ordered.sum(axis=-1, keepdims=True) / count
    ordered -= mean
    variance = (ordered * ordered).sum(axis=-1, keepdims=True) / max(count - sample, 1)
    variance[variance == 0] = 1
    standardized: _Scores = (unit - mean) / np.sqrt(variance)
    return standardized


def _min_max(scores: _Scores) -> _Scores:
    """Stretch the scores, shape (scores,) or (rows, scores), to [0, 1]; equal ones become 0.5.

    >>> _min_max(np.array([[2.0, 6.0, 4.0], [6.0, 6.0, 6.0]])).tolist()
    [[0.0, 1.0, 0.5], [0.5, 0.5, 0.5]]
    """
    low = scores.min(axis=-1, keepdims=True)
    width = scores.max(axis=-1, keepdims=True) - low
    halves = np.full_like(scores, 0.5)
    stretched: _Scores = np.divide(scores - low, width, out=halves, where=width > 0)
    return stretched


def _three_deviations(scores: _Scores) -> _Scores:
    return 0.5 + _standardize(scores, sample=True) / 6


def _lowest(normalized: _Scores) -> float:
    return float(normalized.min())


def _zero(normalized: _Scores) -> float:
    return 0.0


_NORMALIZATIONS: dict[str, _Normalization] = {
    "z-score": _Normalization(_standardize, _lowest),
    "min-max": _Normalization(_min_max, _zero),
    "dbsf": _Normalization(_three_deviations, _zero),
}


@dataclass(frozen=True)
class ConvexCombination:
    r"""The convex combination of the normalised scores that the runs give a candidate.

    .. math:: f(d) = \sum_r w_r \, n(s_r(d)), \qquad \sum_r w_r = 1

    **Completed**, the default: each retriever scores the candidates of all runs (`Scorer.score`),
    so a passage that only BM25 found still has its exact cosine. Nothing is missing, and every run
    is normalised over the same candidates. S. Bruch, S. Gai and A. Ingber, *An Analysis of Fusion
    Functions for Hybrid Retrieval*, arXiv 2210.11934, 2022, find that this beats reciprocal rank
    fusion, depends little on the normalisation and needs few queries to choose the weights.

    **Not completed**, or where a retriever cannot score given passages or does not hold them: each
    run is normalised over the candidates that it has, and one that it lacks gets a constant. The
    sum is CombSUM of E. A. Fox and J. A. Shaw, *Combination of multiple searches*, TREC-2, 1994,
    here with weights.

    The normalisations:

    | name        | normalised score                   | equal or one score | absent         |
    | ----------- | ---------------------------------- | ------------------ | -------------- |
    | ``z-score`` | (s - mean) / deviation             | 0                  | the run's last |
    | ``min-max`` | (s - lowest) / (highest - lowest)  | 0.5                | 0              |
    | ``dbsf``    | 0.5 + (s - mean) / (6 deviations)  | 0.5                | 0              |

    ``z-score`` takes the population's deviation. ``dbsf`` takes the sample's, lays the mean ± 3
    deviations on [0, 1], and does not clip an outlier beyond. An absent z-score counts as the run's
    lowest, because a passage that a retriever did not return scores no better than its last; 0,
    the mean, would put it above half of what was found. A run of equal scores decides nothing.

    The first two are ZMUV and "standard" of M. Montague and J. A. Aslam, *Relevance score
    normalization for metasearch*, CIKM 2001. The third is M. Mazzeschi, *Distribution-Based Score
    Fusion (DBSF), a new approach to Vector Search Ranking*, 2023, with the sample deviation and
    the 0.5 as in Qdrant. Qdrant adds the runs up without weights: its scores are those of equal
    weights times the number of runs, in the same order.

    The names ``"min-max"``, ``"z-score"`` and ``"dbsf"`` stand for these normalisations, not
    completed.

    Args:
        normalization: one of the names above.
        completes: whether retrievers score each other's candidates first.

    Raises:
        InvalidInputError: another normalisation, or `completes` is no bool.

    >>> bm25 = {"a": 4.0, "b": 0.0, "c": 2.0}
    >>> cosine = {"a": 0.25, "b": 0.5, "c": 0.75}
    >>> ConvexCombination(normalization="min-max").fuse([bm25, cosine], [0.5, 0.5])
    {'a': 0.5, 'b': 0.25, 'c': 0.75}
    >>> ConvexCombination(normalization="min-max").fuse([bm25, {"c": 0.75, "b": 0.25}])
    {'a': 0.5, 'b': 0.0, 'c': 0.75}
    """

    normalization: Literal["z-score", "min-max", "dbsf"] = "z-score"
    completes: bool = True

    def __post_init__(self) -> None:
        if self.normalization not in _NORMALIZATIONS:
            raise InvalidInputError(
                f"normalization must be one of {sorted(_NORMALIZATIONS)}, "
                f"not {self.normalization!r}"
            )
        check_flag(self.completes, "completes")

    @property
    def name(self) -> str:
        return "convex" if self.completes else self.normalization

    def fuse(
        self, runs: Sequence[Mapping[K, float]], weights: Sequence[float] | None = None
    ) -> dict[K, float]:
        """Return the fused score of every candidate; arguments as for `Fusion.fuse`."""
        normalization = _NORMALIZATIONS[self.normalization]
        shares = check_weights(weights, len(runs))
        filled = [(run, share) for run, share in zip(runs, shares, strict=True) if run]
        if not filled:
            return {}
        first = filled[0][0]
        if all(run.keys() == first.keys() for run, _ in filled[1:]):  # nothing is absent
            rows = _read_scores([run for run, _ in filled], first)
            added = normalization.scale(rows) * [[share] for _, share in filled]
            return dict(zip(first, _sum_in_order(added), strict=True))
        parts = []
        for run, share in filled:
            scores = normalization.scale(_read_scores([run], run)[0])
            parts.append((run, share * scores, share * normalization.absent(scores)))
        return _add_up(parts)

    def to_config(self) -> dict[str, JSON]:
        """Return name and parameters as JSON; `hybridge.fusion.from_config` reads it back."""
        if not self.completes:
            return {"name": self.name}
        return {"name": self.name, "normalization": self.normalization}


@dataclass(frozen=True)
class RRF:
    r"""Reciprocal rank fusion, with a weight for each run or without.

    .. math:: f(d) = \sum_r \frac{w_r}{k + \mathrm{rank}_r(d)}

    with ranks from 1, equal scores ranked by candidate. Without weights each :math:`w_r` is 1, as
    in G. V. Cormack, C. L. A. Clarke and S. Büttcher, *Reciprocal rank fusion outperforms Condorcet
    and individual rank learning methods*, SIGIR 2009, which sets k = 60. With weights they sum to
    1: equal ones give the same order and the scores divided by the number of runs. A candidate that
    a run lacks gets 0 from it. A run's only candidate has rank 1, like the best of a hundred: ranks
    know no more.

    Other engines count or choose otherwise. Qdrant's default is k = 2 with ranks from 0, so that
    its ``k=61`` is this ``k=60``, and its weighted form divides the rank by the weight.

    The names ``"rrf"`` and ``"weighted-rrf"`` stand for the form without weights and with them.

    Args:
        k: added to every rank; the larger, the less the first positions stand out. At least 0.
        weighted: whether runs have weights.

    Raises:
        InvalidInputError: `k` is negative or no finite number, or `weighted` is no bool.

    >>> RRF(k=3).fuse([{"a": 7.0, "b": 5.0}, {"b": 0.4}])
    {'a': 0.25, 'b': 0.45}
    >>> RRF(k=1, weighted=True).fuse([{"a": 7.0, "b": 5.0}, {"b": 0.4}], weights=[3, 1])
    {'a': 0.375, 'b': 0.375}
    """

    completes: ClassVar[bool] = False

    k: float = 60
    weighted: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, int | float) or not 0 <= self.k < inf:
            raise InvalidInputError(f"k must be a finite number of at least 0, not {self.k!r}")
        check_flag(self.weighted, "weighted")

    @property
    def name(self) -> str:
        return "weighted-rrf" if self.weighted else "rrf"

    def fuse(
        self, runs: Sequence[Mapping[K, float]], weights: Sequence[float] | None = None
    ) -> dict[K, float]:
        """Return the fused score of every candidate; arguments as for `Fusion.fuse`.

        Raises:
            InvalidInputError: weights that are not all equal, for the form without weights.
        """
        shares = check_weights(weights, len(runs))
        if not self.weighted:
            if len(set(shares)) > 1:
                raise InvalidInputError(
                    f"reciprocal rank fusion has no weights, but got {weights}: "
                    "use fusion 'weighted-rrf', or give no weights"
                )
            shares = [1.0] * len(runs)
        parts = []
        for run, share in zip(runs, shares, strict=True):
            if run:
                reciprocals = 1 / (self.k + np.arange(1, len(run) + 1))
                parts.append((_ranked(run), share * reciprocals, 0.0))
        return _add_up(parts)

    def to_config(self) -> dict[str, JSON]:
        """Return name and parameters as JSON; `hybridge.fusion.from_config` reads it back."""
        return {"name": self.name, "k": self.k}


def _ranked(run: Mapping[K, float]) -> list[K]:
    """Return a run's candidates, best first; equal scores in the candidates' own order.

    Candidates that have no order among themselves keep the run's where they tie.

    >>> _ranked({"b": 2.0, "c": 3.0, "a": 2.0})
    ['c', 'a', 'b']
    """
    _read_scores([run], run)
    try:
        candidates = sorted(run)  # type: ignore[type-var]
    except TypeError:
        candidates = list(run)
    # A sort that keeps the order of equals, also in reverse: ties stay as they are above.
    return sorted(candidates, key=run.__getitem__, reverse=True)


FUSIONS: dict[str, Callable[..., Fusion]] = {
    "convex": ConvexCombination,
    "min-max": partial(ConvexCombination, "min-max", completes=False),
    "z-score": partial(ConvexCombination, "z-score", completes=False),
    "dbsf": partial(ConvexCombination, "dbsf", completes=False),
    "rrf": RRF,
    "weighted-rrf": partial(RRF, weighted=True),
}


def get_fusion(fusion: str | Fusion = "convex") -> Fusion:
    """Return the fusion of this name with its default parameters, or the object itself.

    Args:
        fusion: a name in `FUSIONS` or of a plugin (`hybridge.plugins`), or a fusion.

    Raises:
        InvalidInputError: no fusion has this name, or the object is not a `Fusion`.
        HybridgeError: the plugin of this name cannot be loaded.

    >>> get_fusion("rrf"), get_fusion(RRF(k=10))
    (RRF(k=60, weighted=False), RRF(k=10, weighted=False))
    """
    return from_config({"name": fusion}) if isinstance(fusion, str) else _checked(fusion)


def from_config(config: Mapping[str, JSON]) -> Fusion:
    """Return the fusion that `Fusion.to_config` described.

    Raises:
        InvalidInputError: no fusion has this name, or it does not take these parameters.
        HybridgeError: the plugin of this name cannot be loaded.

    >>> from_config({"name": "rrf", "k": 10})
    RRF(k=10, weighted=False)
    """
    parameters = dict(config)
    name = parameters.pop("name", None)
    try:
        return _checked(_make(name)(**parameters))
    except TypeError as error:
        raise InvalidInputError(f"fusion {name!r} does not take {parameters}: {error}") from error


def _make(name: object) -> Callable[..., Fusion]:
    if not isinstance(name, str):
        raise InvalidInputError(f"a fusion's name is one of {list(FUSIONS)}, not {name!r}")
    return FUSIONS.get(name) or plugins.load(plugins.FUSIONS, name, built_in=FUSIONS)


def _checked(fusion: Any) -> Fusion:
    # A class has the methods of its objects, so the protocol alone would let it pass.
    if isinstance(fusion, type) or not isinstance(fusion, Fusion):
        raise InvalidInputError(
            f"fusion must be one of {list(FUSIONS)} or an object such as RRF(k=60), not {fusion!r}"
        )
    return fusion


def check_weights(weights: Sequence[float] | None, count: int) -> list[float]:
    """Return one weight a run, summing to 1; None stands for equal weights.

    Raises:
        InvalidInputError: not one weight a run, a weight that is negative or no finite number, or
            none above 0.

    >>> check_weights([3, 1], 2), check_weights(None, 4)
    ([0.75, 0.25], [0.25, 0.25, 0.25, 0.25])
    """
    values = [1.0] * count if weights is None else list(weights)
    if len(values) != count:
        raise InvalidInputError(
            f"{len(values)} weights for {count} runs: give each run one weight, or None"
        )
    numbers = [
        weight if type(weight) is float and 0 <= weight < inf else _weight(weight)
        for weight in values
    ]
    total = sum(numbers)
    if count and not 0 < total < inf:
        raise InvalidInputError(
            f"the weights {values} sum to {total}: at least one must be above 0"
        )
    return [number / total for number in numbers]


def _weight(weight: object) -> float:
    number = -inf
    if isinstance(weight, Real) and not isinstance(weight, bool):
        with suppress(OverflowError):  # an integer beyond all floats
            number = float(weight)
    if not 0 <= number < inf:
        raise InvalidInputError(f"a weight must be a finite number of at least 0: {weight!r}")
    return number


def _read_scores(runs: Sequence[Mapping[K, float]], candidates: Collection[K]) -> _Scores:
    """Return the scores of runs as float64, shape (runs, candidates); raise if one is not finite.

    Args:
        runs: a score for each candidate.
        candidates: all of each run's, at least one, in the order in which to read them.

    Raises:
        InvalidInputError: a score, or the distance of two of a run, is not finite.
    """
    values = chain.from_iterable(map(run.__getitem__, candidates) for run in runs)
    rows = np.fromiter(values, np.float64, len(runs) * len(candidates)).reshape(len(runs), -1)
    for run, scores in zip(runs, rows, strict=True):
        if not isfinite(float(scores.max()) - float(scores.min())):
            worst = max(run, key=lambda candidate: _size(run[candidate]))
            raise InvalidInputError(
                f"candidate {worst!r} has the score {float(run[worst])}: scores must be finite, "
                "and so must their distances"
            )
    return rows


def _add_up(parts: Sequence[tuple[Collection[K], _Scores, float]]) -> dict[K, float]:
    """Add up each candidate's contributions, in whatever order the parts come.

    Args:
        parts: one a run: its candidates, their contributions, and the contribution to a candidate
            that the run lacks.

    >>> _add_up([(["a", "b"], np.array([0.5, 0.25]), 0.0), (["b"], np.array([0.5]), -1.0)])
    {'a': -0.5, 'b': 0.75}
    """
    if not parts:
        return {}
    union = dict.fromkeys(chain.from_iterable(candidates for candidates, _, _ in parts))
    column = dict(zip(union, range(len(union)), strict=True))
    rows = np.array([[missing] for _, _, missing in parts]).repeat(len(union), axis=1)
    for row, (candidates, contributions, _) in zip(rows, parts, strict=True):
        columns = np.fromiter(map(column.__getitem__, candidates), np.intp, len(candidates))
        row[columns] = contributions
    return dict(zip(union, _sum_in_order(rows), strict=True))


def _sum_in_order(rows: _Scores) -> list[float]:
    """Return the sum of each column, from its least value to its greatest, so rows may swap.

    >>> _sum_in_order(np.array([[1.0, 2.0], [0.5, -2.0]]))
    [1.5, 0.0]
    """
    if len(rows) > 2:  # two numbers have one sum, in whatever order
        rows = np.sort(rows, axis=0)
    total: list[float] = rows.sum(axis=0).tolist()
    return total


def _size(score: float) -> float:
    return inf if isnan(score) else abs(score)


# Sums of a few floats of size 1 differ by less where they are added up in another order.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class RunPart(Generic[K]):
    """A run's contribution to every candidate's fused score.

    Args:
        weight: what its normalised scores are multiplied by.
        normalised: each candidate's normalised score, also of those that the run lacks.
    """

    weight: float
    normalised: Mapping[K, float]

    def part(self, candidate: K) -> float:
        """Return what the run adds to the candidate's fused score."""
        return self.weight * self.normalised[candidate]


def fusion_parts(
    fusion: Fusion, runs: Sequence[Mapping[K, float]], weights: Sequence[float] | None = None
) -> list[RunPart[K]] | None:
    """Return what each run adds to the fused scores, where they are sums of what runs add.

    The part of a run is found by fusing with all of the weight on that run; for a fusion without
    weights, by leaving the other runs out. The parts are checked to sum to the fused score of every
    candidate.

    Args:
        fusion: any fusion.
        runs: one mapping a retriever, from candidate to score.
        weights: one a run, as for `Fusion.fuse`.

    Returns:
        One part a run; None where the fused scores are no such sum.

    >>> runs = [{"a": 3.0, "b": 1.0}, {"b": 0.9, "c": 0.5}]
    >>> parts = fusion_parts(ConvexCombination(), runs, [3, 1])
    >>> [(part.weight, part.normalised["a"], part.part("a")) for part in parts]
    [(0.75, 1.0, 0.75), (0.25, -1.0, -0.25)]
    """
    fused = fusion.fuse(runs, weights)
    if getattr(fusion, "weighted", True):
        count = range(len(runs))
        alone = [fusion.fuse(runs, [float(other == run) for other in count]) for run in count]
        shares = check_weights(weights, len(runs))
    else:
        alone = [fusion.fuse([run]) if run else {} for run in runs]
        shares = [1.0] * len(runs)
    parts = [
        RunPart(share, {candidate: scores.get(candidate, 0.0) for candidate in fused})
        for share, scores in zip(shares, alone, strict=True)
    ]
    for candidate, score in fused.items():
        total = sum(part.part(candidate) for part in parts)
        if not abs(total - score) <= _ROUNDING * max(1.0, abs(score)):
            return None
    return parts
