"""A setting: the options of a search and of the rerankers behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TypeAlias

from ..fusion import Fusion

__all__ = ["PARAMETERS", "Setting", "Value", "fusion_label"]

Value: TypeAlias = float | str | tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class Setting:
    """The options of a search, and of the rerankers behind it.

    Args:
        fusion: the fusion of the stages' scores.
        weights: one a stage, by name; None keeps the index's own, or equal ones where the fusion
            has no weights.
        depth: candidates each stage contributes.
        blend: late interaction's share in the score; None without token vectors.
        k1: BM25's saturation of term frequency; None where that cannot change.
        b: BM25's normalisation by length; None where that cannot change.
        rerank_depths: candidates of each reranker, one number a reranker.
        rerank_blends: each reranker's share in the score.
        boost_weights: one a boost of a `hybridge.results.BoostedRetriever`.
        stages: the names that weights are for.

    >>> from hybridge.fusion import RRF
    >>> setting = Setting(RRF(), {"bm25": 1, "dense": 3}, depth=50)
    >>> setting.value("fusion"), setting.value("weights"), setting.value("depth")
    ('rrf k=60', 0.75, 50)
    """

    fusion: Fusion = field(hash=False)  # one's own may be a plain dataclass, which has no hash
    weights: Mapping[str, float] | None = field(hash=False)
    depth: int
    blend: float | None = None
    k1: float | None = None
    b: float | None = None
    rerank_depths: tuple[int, ...] = ()
    rerank_blends: tuple[float, ...] = ()
    boost_weights: tuple[float, ...] = ()
    stages: tuple[str, ...] = field(default=("bm25", "dense"), compare=False, repr=False)

    def value(self, name: str) -> Value:
        """Return a parameter's value in a form to print and to sort by.

        The fusion is its label. The weights of two stages are the second's share; those of more
        are the shares of all. The depth and blend of a single reranker are numbers. A parameter
        that the setting leaves alone is None.
        """
        value = getattr(self, name)
        if name == "fusion":
            return fusion_label(self.fusion)
        if name == "weights" and self.weights is not None:
            total = sum(self.weights.values())
            shares = tuple(round(weight / total, 6) for weight in self.weights.values())
            return shares[-1] if len(shares) <= 2 else shares
        if isinstance(value, tuple) and len(value) < 2:
            return value[0] if value else None
        shown: Value = value
        return shown


PARAMETERS = tuple(each.name for each in fields(Setting) if each.name != "stages")


def fusion_label(fusion: Fusion) -> str:
    """Return a fusion's name and parameters.

    >>> from hybridge.fusion import ConvexCombination
    >>> fusion_label(ConvexCombination("min-max"))
    'convex normalization=min-max'
    """
    config = dict(fusion.to_config())
    name = config.pop("name", fusion.name)
    return " ".join([str(name), *(f"{key}={value}" for key, value in config.items())])
