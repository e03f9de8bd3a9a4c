"""How a store keeps and searches its vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

from ..errors import InvalidInputError
from ..passages import JSON

__all__ = ["HNSW", "Distance", "Quantization", "StoreOptions"]

Distance: TypeAlias = Literal["cosine", "dot"]
Quantization: TypeAlias = Literal["int8", "binary"]


@dataclass(frozen=True)
class HNSW:
    """Approximate search by a navigable small-world graph, for 100,000 passages and more.

    Args:
        m: edges a node keeps.
        ef_construct: candidates looked at while building.
        ef: candidates looked at while searching; more is slower and finds more.

    Source: Malkov and Yashunin 2016, arXiv 1603.09320.
    """

    m: int = 16
    ef_construct: int = 200
    ef: int = 256


@dataclass(frozen=True)
class StoreOptions:
    """How a store keeps and searches its vectors.

    Args:
        dimension: the length of a dense vector.
        distance: ``"cosine"`` or ``"dot"``; higher is better in both.
        sparse: keep a sparse vector beside each dense one, weighted by IDF at search.
        hnsw: approximate search; None searches exactly.
        quantization: ``"int8"`` or ``"binary"`` copies for the first pass, rescored by the
            originals; None keeps none.

    Raises:
        InvalidInputError: a dimension below 1, or a distance or quantisation we do not know.
    """

    dimension: int
    distance: Distance = "cosine"
    sparse: bool = False
    hnsw: HNSW | None = None
    quantization: Quantization | None = None

    def __post_init__(self) -> None:
        if self.dimension < 1:
            raise InvalidInputError(f"dimension must be at least 1, not {self.dimension}")
        if self.distance not in get_args(Distance):
            raise InvalidInputError(
                f"distance must be one of {get_args(Distance)}, not {self.distance!r}"
            )
        if self.hnsw is not None and not isinstance(self.hnsw, HNSW):
            raise InvalidInputError(f"hnsw must be None or HNSW(m=16, ...), not {self.hnsw!r}")
        if self.quantization is not None and self.quantization not in get_args(Quantization):
            raise InvalidInputError(
                f"quantization must be None or one of {get_args(Quantization)}, "
                f"not {self.quantization!r}"
            )

    @property
    def exact(self) -> bool:
        """Whether every search looks at every vector."""
        return self.hnsw is None and self.quantization is None

    def to_config(self) -> dict[str, JSON]:
        """These options as JSON."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> StoreOptions:
        """The options that `to_config` wrote.

        >>> options = StoreOptions(384, hnsw=HNSW(m=32))
        >>> StoreOptions.from_config(options.to_config()) == options
        True
        """
        hnsw = config["hnsw"]
        return cls(**{**config, "hnsw": HNSW(**hnsw) if hnsw else None})
