"""One way to search, out of the many that are tried."""

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
        fusion: how scores become one.
        weights: one a stage; None weighs them as the index does, or alike where the fusion knows
            no weights.
        depth: candidates each stage contributes.
        blend: late interaction's share; None without token vectors.
        k1: how slowly a term's further occurrences stop counting in BM25; None where that cannot
            change.
        b: how much a passage's length counts in BM25; None where that cannot change.
        rerank_depths: candidates each reranker gets; as many as rerankers take part.
        rerank_blends: each reranker's share.

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

    def value(self, name: str) -> Value:
        """What a parameter is set to, in a form to print and to sort by.

        The fusion is its name. The weights of two stages are the second's share, as the
        bi-encoder's; those of more are the shares of all. Where there is one reranker, its depth
        and blend are numbers. None stands for what the setting leaves alone.
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


PARAMETERS = tuple(each.name for each in fields(Setting))


def fusion_label(fusion: Fusion) -> str:
    """A fusion's name and its parameters.

    >>> from hybridge.fusion import ConvexCombination
    >>> fusion_label(ConvexCombination("min-max"))
    'convex normalization=min-max'
    """
    config = dict(fusion.to_config())
    name = config.pop("name", fusion.name)
    return " ".join([str(name), *(f"{key}={value}" for key, value in config.items())])
