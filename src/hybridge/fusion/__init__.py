"""Fusion: one run out of several, by a method that has a name.

A new method is a file with a class that satisfies `Fusion`, and one line in `FUSIONS`; a method of
your own enters by the same door: ``FUSIONS["mine"] = Mine``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..errors import InvalidInputError
from ..passages import JSON
from .base import Fusion, check_weights
from .convex import ConvexCombination
from .dbsf import DBSF
from .min_max import MinMax
from .parts import RunPart, fusion_parts
from .rrf import RRF
from .weighted_rrf import WeightedRRF
from .z_score import ZScore

__all__ = [
    "DBSF",
    "FUSIONS",
    "RRF",
    "ConvexCombination",
    "Fusion",
    "MinMax",
    "RunPart",
    "WeightedRRF",
    "ZScore",
    "check_weights",
    "from_config",
    "fusion_parts",
    "get_fusion",
]

FUSIONS: dict[str, Callable[..., Fusion]] = {
    "convex": ConvexCombination,
    "min-max": MinMax,
    "z-score": ZScore,
    "dbsf": DBSF,
    "rrf": RRF,
    "weighted-rrf": WeightedRRF,
}


def get_fusion(fusion: str | Fusion = "convex") -> Fusion:
    """The fusion of this name with its default parameters, or the object itself.

    Raises:
        InvalidInputError: no fusion has this name, or the object is not a `Fusion`.

    >>> get_fusion("rrf"), get_fusion(RRF(k=10))
    (RRF(k=60), RRF(k=10))
    """
    if isinstance(fusion, str):
        return _maker(fusion)()
    # A class has the methods of its objects, so the protocol alone would let it pass.
    if isinstance(fusion, type) or not isinstance(fusion, Fusion):
        raise InvalidInputError(
            f"fusion must be one of {list(FUSIONS)} or an object such as RRF(k=60), not {fusion!r}"
        )
    return fusion


def from_config(config: Mapping[str, JSON]) -> Fusion:
    """The fusion that `Fusion.to_config` described.

    Raises:
        InvalidInputError: no fusion has this name, or it does not take these parameters.

    >>> from_config({"name": "rrf", "k": 10})
    RRF(k=10)
    """
    parameters = dict(config)
    name = parameters.pop("name", None)
    try:
        return _maker(name)(**parameters)
    except TypeError as error:
        raise InvalidInputError(f"fusion {name!r} does not take {parameters}: {error}") from error


def _maker(name: object) -> Callable[..., Fusion]:
    if not isinstance(name, str) or name not in FUSIONS:
        raise InvalidInputError(f"there is no fusion {name!r}: choose one of {list(FUSIONS)}")
    return FUSIONS[name]
