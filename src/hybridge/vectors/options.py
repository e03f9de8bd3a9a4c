"""The options of a store: its vectors, and how they are searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from ..errors import InvalidInputError
from ..filters.fields import parse_field, spell_field
from ..filters.indexes import payload_path
from ..passages import JSON
from .cluster import Cluster, terms_path

__all__ = [
    "HNSW",
    "TERMS_SCHEMA",
    "Datatype",
    "DenseVectors",
    "Distance",
    "FieldKind",
    "Quantization",
    "SparseVectors",
    "StoreOptions",
    "TokenVectors",
    "VectorKind",
]

Distance: TypeAlias = Literal["cosine", "dot"]
Quantization: TypeAlias = Literal["int8", "binary"]
Datatype: TypeAlias = Literal["float32", "float16", "turbo8", "turbo4"]
FieldKind: TypeAlias = Literal["keyword", "float", "datetime", "bool"]

# Of the numbers of a point's terms, which are only counted.
TERMS_SCHEMA: dict[str, JSON] = {"type": "integer", "lookup": True, "range": False}

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
class DenseVectors:
    """One vector a passage, as a bi-encoder makes it.

    Args:
        dimension: the length of a vector.
        distance: ``"cosine"`` or ``"dot"``; higher is better in both.

    Raises:
        InvalidInputError: a dimension below 1, or an unknown distance.
    """

    dimension: int
    distance: Distance = "cosine"

    def __post_init__(self) -> None:
        _check_dimension(self.dimension)
        if self.distance not in get_args(Distance):
            raise InvalidInputError(
                f"distance must be one of {get_args(Distance)}, not {self.distance!r}"
            )


@dataclass(frozen=True)
class SparseVectors:
    """One sparse vector a passage: weights of some numbers, which stand for terms.

    Args:
        idf: multiply a query's weights by inverse document frequencies at search, as BM25 does.
    """

    idf: bool = False


@dataclass(frozen=True)
class TokenVectors:
    """One vector a token of a passage, for late interaction.

    Args:
        dimension: the length of a token's vector.
        datatype: of a number: ``"float32"`` 4 bytes, ``"float16"`` 2, and Qdrant's
            quantised ``"turbo8"`` 1 and ``"turbo4"`` half a byte, each less exact.

    Raises:
        InvalidInputError: a dimension below 1, or an unknown datatype.
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


VectorKind: TypeAlias = DenseVectors | SparseVectors | TokenVectors

_KINDS: dict[str, Callable[..., VectorKind]] = {
    "dense": DenseVectors,
    "sparse": SparseVectors,
    "tokens": TokenVectors,
}


@dataclass(frozen=True)
class StoreOptions:
    """How a store keeps and searches its vectors.

    Args:
        vectors: what it keeps of each passage: a vector's name to its kind.
        hnsw: approximate search of dense vectors; None searches exactly.
        quantization: ``"int8"`` or ``"binary"`` copies for the first pass, rescored by the
            originals; None keeps none.
        filter_fields: the metadata fields to index from the start, name to kind of value:
            ``"keyword"`` for strings, ``"float"`` for numbers, ``"datetime"`` for dates in ISO form
            and ``"bool"``.
        cluster: how a collection lies on a cluster; None for the server's defaults.

    Raises:
        InvalidInputError: an unknown quantisation or kind, or a field that cannot be indexed.
    """

    vectors: Mapping[str, VectorKind]
    hnsw: HNSW | None = None
    quantization: Quantization | None = None
    filter_fields: Mapping[str, FieldKind] = field(default_factory=dict)
    cluster: Cluster | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "filter_fields", _checked_fields(self.filter_fields))
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
    def idf_vectors(self) -> list[str]:
        """The names of the sparse vectors that are weighed by inverse document frequencies."""
        return [
            name
            for name, kind in self.vectors.items()
            if isinstance(kind, SparseVectors) and kind.idf
        ]

    @property
    def counts_terms(self) -> bool:
        """Whether document frequencies are counted here, as shards have each their own."""
        return self.cluster is not None and self.cluster.has_several_shards

    @property
    def payload_indexes(self) -> dict[str, str]:
        """The payload indexes that `filter_fields` asks for, path to kind."""
        paths = {name: payload_path(parse_field(name)) for name in self.filter_fields}
        return {path: self.filter_fields[name] for name, path in paths.items() if path is not None}

    @property
    def index_schemas(self) -> dict[str, JSON]:
        """The payload indexes of a new collection, path to Qdrant's schema."""
        schemas: dict[str, JSON] = dict(self.payload_indexes)
        if self.cluster is not None:
            schemas |= self.cluster.tenant_index
        if self.counts_terms:
            schemas |= {terms_path(name): TERMS_SCHEMA for name in self.idf_vectors}
        return schemas

    def in_engine(self, kind: VectorKind) -> VectorKind:
        """Return vectors as the engine makes them: without its IDF where terms are counted here."""
        is_ours = self.counts_terms and isinstance(kind, SparseVectors)
        return SparseVectors() if is_ours else kind

    def to_config(self) -> dict[str, JSON]:
        """Return these options as JSON."""
        names = {class_: name for name, class_ in _KINDS.items()}
        vectors = {
            name: {"kind": names[type(kind)], **asdict(kind)} for name, kind in self.vectors.items()
        }
        config = {**asdict(self), "vectors": vectors}
        del config["cluster"]
        return config if self.cluster is None else {**config, "cluster": self.cluster.to_config()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> StoreOptions:
        """Return the options that `to_config` wrote.

        >>> options = StoreOptions({"dense": DenseVectors(384)}, hnsw=HNSW(m=32))
        >>> StoreOptions.from_config(options.to_config()) == options
        True
        """
        vectors = {}
        for name, kind in config["vectors"].items():
            arguments = dict(kind)
            vectors[name] = _KINDS[arguments.pop("kind")](**arguments)
        hnsw = config["hnsw"]
        read = {**config, "vectors": vectors, "hnsw": None if hnsw is None else HNSW(**hnsw)}
        if "cluster" in config:
            read["cluster"] = Cluster.from_config(config["cluster"])
        return cls(**read)


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
