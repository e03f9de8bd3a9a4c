"""Fusion: one run out of several, by a method that has a name.

A new method is a file with a class that satisfies `Fusion`, and one line in `FUSIONS`. A method of
your own enters by ``FUSIONS["mine"] = Mine``, or from your own distribution by an entry point in
the group ``hybridge.fusions`` (`hybridge.plugins`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .. import plugins
from ..errors import InvalidInputError
from ..passages import JSON
from .base import Fusion, check_weights
from .convex import ConvexCombination
from .parts import RunPart, fusion_parts
from .rrf import RRF

__all__ = [
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
