"""A collection that another program made and writes to: its settings stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..errors import IndexNotFoundError, InvalidInputError
from ..filters import Filter
from ..passages import JSON
from .client import EXACT, ClientStore
from .collection import describe, names, vector_params
from .connection import Connection
from .layouts import Layout
from .options import Distance
from .store import VectorQuery

__all__ = ["AttachedStore", "DenseVector", "dense_vector"]


class AttachedStore(ClientStore):
    """A `VectorStore` in another program's collection; arguments as for `ClientStore`.

    A search uses the collection's graph and copies of vectors, with Qdrant's default settings. With
    a filter it is exact: a graph may have no path to most of the matches. The collection's payload
    indexes are used, and none is made.
    """

    def is_prepared(self, where: Filter) -> bool:
        return True

    def prepare(self, where: Filter) -> None:
        """Do nothing: payload indexes are the collection's own."""

    def _params(self, query: VectorQuery) -> Mapping[str, JSON] | None:
        return None if query.where is None and query.ids is None else EXACT


@dataclass(frozen=True)
class DenseVector:
    """A dense vector that points of a collection have.

    Args:
        name: "" for the unnamed one.
        dimension: its length.
        distance: ``"cosine"`` or ``"dot"``.
    """

    name: str
    dimension: int
    distance: Distance


def dense_vector(connection: Connection, collection: str, layout: Layout) -> DenseVector:
    """Return the dense vector of a layout in a collection.

    Raises:
        IndexNotFoundError: there is no such collection.
        InvalidInputError: it has no such vector, or several where the layout names none, or one
            that is compared neither by cosine nor by dot product.
    """
    try:
        vectors = vector_params(describe(connection, collection))
    except IndexNotFoundError as error:
        raise IndexNotFoundError(
            f"there is no collection {collection!r} to attach to; those there are: "
            f"{_listed(names(connection))}"
        ) from error
    # Vectors of tokens are compared by MaxSim.
    single = {name: one for name, one in vectors.items() if not one.get("multivector_config")}
    name = layout.vector
    if name is None and len(single) == 1:
        [name] = single
    if name is None or name not in single:
        raise InvalidInputError(
            f"collection {collection!r} has "
            + ("not one dense vector" if name is None else f"no dense vector named {name!r}")
            + f"; those it has are: {_listed(single)}: name one of them with the layout's vector="
        )
    distance = _DISTANCES.get(single[name]["distance"])
    if distance is None:
        raise InvalidInputError(
            f"collection {collection!r} compares its vector {name!r} by "
            f"{single[name]['distance']}, and not by Cosine or Dot: index it again with one of "
            "these"
        )
    return DenseVector(name, single[name]["size"], distance)


_DISTANCES: dict[str, Distance] = {"Cosine": "cosine", "Dot": "dot"}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
