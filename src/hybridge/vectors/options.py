"""How a store keeps and searches its vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from ..errors import InvalidInputError
from ..filters.fields import parse_field, spell_field
from ..filters.indexes import payload_path
from ..passages import JSON

__all__ = [
    "HNSW",
    "Datatype",
    "Distance",
    "FieldKind",
    "Quantization",
    "StoreOptions",
    "TokenOptions",
]

Distance: TypeAlias = Literal["cosine", "dot"]
Quantization: TypeAlias = Literal["int8", "binary"]
Datatype: TypeAlias = Literal["float32", "float16", "turbo8", "turbo4"]
FieldKind: TypeAlias = Literal["keyword", "float", "datetime", "bool"]

_BYTES: dict[Datatype, float] = {"float32": 4.0, "float16": 2.0, "turbo8": 1.0, "turbo4": 0.5}


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
class TokenOptions:
    """How a store keeps one vector a token beside each passage's own.

    Args:
        dimension: the length of a token's vector.
        datatype: what a number takes: ``"float32"`` 4 bytes, ``"float16"`` 2, and Qdrant's
            quantised ``"turbo8"`` 1 and ``"turbo4"`` half a byte, each less exact.

    Raises:
        InvalidInputError: a dimension below 1, or a datatype we do not know.
    """

    dimension: int
    datatype: Datatype = "float16"

    def __post_init__(self) -> None:
        _check_dimension(self.dimension)
        if self.datatype not in get_args(Datatype):
            raise InvalidInputError(
                f"datatype must be one of {get_args(Datatype)}, not {self.datatype!r}"
            )

    @property
    def vector_bytes(self) -> float:
        """What one token's vector takes in the store."""
        return self.dimension * _BYTES[self.datatype]


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
        tokens: keep token vectors as well, for late interaction; None keeps none.
        filter_fields: the metadata fields to index from the start, name to kind of value:
            ``"keyword"`` for strings, ``"float"`` for numbers, ``"datetime"`` for dates in ISO form
            and ``"bool"``.

    Raises:
        InvalidInputError: a dimension below 1, an unknown distance, quantisation or kind, or a
            field that cannot be indexed.
    """

    dimension: int
    distance: Distance = "cosine"
    sparse: bool = False
    hnsw: HNSW | None = None
    quantization: Quantization | None = None
    tokens: TokenOptions | None = None
    filter_fields: Mapping[str, FieldKind] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_dimension(self.dimension)
        object.__setattr__(self, "filter_fields", _checked_fields(self.filter_fields))
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

    @property
    def payload_indexes(self) -> dict[str, str]:
        """The payload indexes that `filter_fields` asks for, path to kind."""
        paths = {name: payload_path(parse_field(name)) for name in self.filter_fields}
        return {path: self.filter_fields[name] for name, path in paths.items() if path is not None}

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
        hnsw, tokens = config["hnsw"], config["tokens"]
        return cls(
            **{
                **config,
                "hnsw": HNSW(**hnsw) if hnsw else None,
                "tokens": TokenOptions(**tokens) if tokens else None,
            }
        )


def _check_dimension(dimension: int) -> None:
    if dimension < 1:
        raise InvalidInputError(f"dimension must be at least 1, not {dimension}")


def _checked_fields(fields: object) -> dict[str, FieldKind]:
    if not isinstance(fields, Mapping):
        raise InvalidInputError(
            "filter_fields must be a dict from a field's name to the kind of its values, such as "
            f"{{'year': 'float', 'topic': 'keyword'}}, not {fields!r}"
        )
    checked: dict[str, FieldKind] = {}
    for name, kind in fields.items():
        path = parse_field(name)
        if kind not in get_args(FieldKind):
            raise InvalidInputError(
                f"filter_fields: the kind of {name!r} must be one of {get_args(FieldKind)}, not "
                f"{kind!r}; 'float' is for whole numbers too"
            )
        if payload_path(path) is None:
            raise InvalidInputError(
                f"filter_fields: {name!r} cannot be indexed, for its name holds a quote or a "
                "backslash; filters on it work without an index"
            )
        checked[spell_field(path)] = kind
    return checked
