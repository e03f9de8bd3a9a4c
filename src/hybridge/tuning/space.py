"""The space of settings: the values of each parameter to try, and their useful combinations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import Any

from ..arguments import check_count, check_share
from ..errors import InvalidInputError
from ..fusion import FUSIONS, ConvexCombination, Fusion, get_fusion
from ..lexical.parameters import BM25Parameters
from ..results.boosts import check_weight
from .setting import Setting

__all__ = ["Space"]


def _all_fusions() -> list[str | Fusion]:
    return [*FUSIONS, ConvexCombination("min-max")]


def _tenths(end: int) -> tuple[float, ...]:
    return tuple(tenth / 10 for tenth in range(end + 1))


# Tried by default, where the retriever has the parameter.
_USUAL = {
    "blend": _tenths(6),
    "k1": (0.6, 0.9, 1.2, 1.5, 2.0),
    "b": (0.3, 0.5, 0.75, 0.9),
    "rerank_depths": (10, 20, 50, 100),
    "rerank_blends": _tenths(10),
    "boost_weights": (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5),
}


@dataclass(frozen=True)
class Space:
    """The values to try of each parameter; an empty list leaves a parameter as it is.

    None tries the usual values if the retriever has the parameter; a list for a parameter that it
    does not have is an error.

    Args:
        fusion: names or objects; all of `hybridge.fusion.FUSIONS` and the min-max form of
            ``"convex"`` by default.
        weights: the bi-encoder's shares, from 0 to 1; BM25 has the rest. Of a `FusedRetriever`,
            the shares of each member but the first, which has the rest: all combinations that
            leave it one. Of more than two members, the usual shares are fifths and not tenths.
        depth: candidates each stage contributes.
        blend: late interaction's shares, from 0 to 1, if the index keeps token vectors.
        k1: of BM25, above 0, if the index has ``lexical="bm25s"``.
        b: of BM25, from 0 to 1, likewise.
        rerank_depths: candidates a reranker gets, if there is one.
        rerank_blends: shares of a reranker, from 0 to 1.
        boost_weights: of each boost, if there are any; 0 is none.

    Raises:
        InvalidInputError: a value outside its range.

    >>> Space(fusion=["rrf"], depth=[100, 50]).fusion
    (RRF(k=60, weighted=False),)
    """

    fusion: Sequence[str | Fusion] = field(default_factory=_all_fusions)
    weights: Sequence[float] = _tenths(10)
    depth: Sequence[int] = (20, 50, 100, 200)
    blend: Sequence[float] | None = None
    k1: Sequence[float] | None = None
    b: Sequence[float] | None = None
    rerank_depths: Sequence[int] | None = None
    rerank_blends: Sequence[float] | None = None
    boost_weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            values = getattr(self, each.name)
            if values is None and each.name in _USUAL:
                continue
            if isinstance(values, str) or not isinstance(values, Sequence):
                raise InvalidInputError(
                    f"{each.name} of a Space must be a list of values to try, not {values!r}"
                )
            checked = tuple(_CHECKS[each.name](value) for value in values)
            object.__setattr__(self, each.name, checked)

    def within(self, possible: Sequence[str], reason: str) -> Space:
        """Return the space with the usual values in place of None, for a retriever's parameters.

        Args:
            possible: the names of the optional parameters that can change.
            reason: why the others cannot change.

        Raises:
            InvalidInputError: values are values for one that cannot change.
        """
        filled: dict[str, Sequence[float]] = {}
        for name, usual in _USUAL.items():
            values = getattr(self, name)
            if values and name not in possible:
                raise InvalidInputError(
                    f"{name} cannot be tuned here: {reason}; leave it out of the Space"
                )
            if values is None:
                filled[name] = usual if name in possible else ()
        return replace(self, **filled)  # type: ignore[arg-type]

    def fused(self, setting: Setting, minimum: int) -> Iterator[Setting]:
        """Yield the setting with each useful combination of fusion, weights and depth.

        A fusion without weights is tried once for each depth, and a single stage with one fusion
        only, because there is nothing to fuse.

        Args:
            setting: its other parameters stay.
            minimum: of the depth; a search raises smaller depths to it.
        """
        depths = dict.fromkeys(max(minimum, depth) for depth in self.depth or [setting.depth])
        fusions = [get_fusion(fusion) for fusion in self.fusion] or [setting.fusion]
        for depth in depths:
            weighted = 0
            for fusion in fusions:
                changed = replace(setting, fusion=fusion, depth=depth)
                if not getattr(fusion, "weighted", True):
                    yield replace(changed, weights=None)
                    continue
                yield from self.weighed(changed, alone=not weighted)
                weighted += 1

    def weighed(self, setting: Setting, *, alone: bool = True) -> Iterator[Setting]:
        """Yield the setting with each weight; with those of a single stage only if `alone`."""
        if not getattr(setting.fusion, "weighted", True):
            return
        if not self.weights:
            yield setting
        names = list(setting.weights or setting.stages)
        fifths = len(names) > 2 and self.weights == _tenths(10)
        for shares in product(self.weights[:: 2 if fifths else 1], repeat=len(names) - 1):
            rest = round(1 - sum(shares), 9) + 0.0  # no minus zero
            if rest >= 0 and (alone or max((rest, *shares)) < 1):
                yield replace(setting, weights=dict(zip(names, (rest, *shares), strict=True)))

    def reweighed(self, setting: Setting) -> Iterator[Setting]:
        """Yield the setting with each k1 and b."""
        if not self.k1 and not self.b:
            return
        for k1 in self.k1 or (setting.k1,):
            for b in self.b or (setting.b,):
                yield replace(setting, k1=k1, b=b)

    def blended(self, setting: Setting) -> Iterator[Setting]:
        """Yield the setting with each share of late interaction."""
        for blend in self.blend or ():
            yield replace(setting, blend=blend)

    def reranked(self, setting: Setting, depth: int, blend: float, k: int) -> Iterator[Setting]:
        """Yield the setting with one more reranker, at each depth and blend.

        A blend of 0 is tried at one depth only: the reranker then changes nothing.

        Args:
            setting: its rerankers stay as they are.
            depth: the default where the space has none.
            blend: the default where the space has none.
            k: passages a search returns; no reranker gets fewer.
        """
        most = setting.rerank_depths[-1] if setting.rerank_depths else None
        depths = sorted({max(k, each) for each in self.rerank_depths or [depth]})
        depths = [each for each in depths if most is None or each <= most] or [most or k]
        for each in depths:
            for share in self.rerank_blends or [blend]:
                if share > 0 or each == depths[0]:
                    yield replace(
                        setting,
                        rerank_depths=(*setting.rerank_depths, each),
                        rerank_blends=(*setting.rerank_blends, share),
                    )

    def boosted(self, setting: Setting, weight: float) -> Iterator[Setting]:
        """Yield the setting with one more boost, with each weight.

        Args:
            setting: its boosts stay as they are.
            weight: the default where the space has none.
        """
        for each in self.boost_weights or [weight]:
            yield replace(setting, boost_weights=(*setting.boost_weights, each))


def _check_k1(value: float) -> float:
    return BM25Parameters(k1=value).k1


def _check_b(value: float) -> float:
    return BM25Parameters(b=value).b


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "fusion": get_fusion,
    "weights": lambda value: check_share(value, "each of weights"),
    "depth": lambda value: check_count(value, "each depth"),
    "blend": lambda value: check_share(value, "each blend"),
    "k1": _check_k1,
    "b": _check_b,
    "rerank_depths": lambda value: check_count(value, "each of rerank_depths"),
    "rerank_blends": lambda value: check_share(value, "each of rerank_blends"),
    "boost_weights": check_weight,
}
