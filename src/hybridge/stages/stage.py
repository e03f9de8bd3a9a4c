"""What a stage of an index is: a definition, which creates it, and the open stage, which searches.

A definition (`BM25`, `Dense`, `LateInteraction`, your own) says what is kept of each passage. It is
written into the index's manifest as JSON. Opened on an index it becomes an `OpenStage`. A search
works in two steps: `encode` turns queries into what the stage compares with, and may take long;
`begin` then opens one search over the state of that moment, under the index's lock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from ..errors import InvalidInputError
from ..filters import Filter
from ..passages import JSON, Passage
from ..search import FUSION
from ..vectors.options import VectorKind
from ..vectors.store import Ranking, Rows, VectorStore
from .record import StageRecord

__all__ = ["OpenStage", "Prepared", "Stage", "StageSearch", "StageStorage", "check_stage_name"]


class StageSearch(Protocol):
    """One search of one stage for a list of queries."""

    def top(self, depth: int, where: Filter | None) -> list[Ranking]:
        """Return each query's best `depth` points, best first."""
        ...

    def exact(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        """Return each query's scores of the given points."""
        ...


class StageStorage(Protocol):
    """The place of an index, as one of its stages uses it."""

    name: str
    """The stage's name."""
    vector: str
    """The name of the stage's vectors in the store."""
    store: VectorStore
    """The store of the passages."""

    @property
    def place(self) -> str:
        """The index's place, for messages."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether others may write to the store without notice."""
        ...

    @property
    def generation(self) -> str:
        """The token that derived files must carry to be of this state of the store."""
        ...

    @property
    def file(self) -> Path | None:
        """Where to keep what is derived; None where nothing outlives this object."""
        ...

    @property
    def state(self) -> Mapping[str, Any]:
        """What the manifest keeps for the stage, as JSON."""
        ...

    def save_state(self, **state: JSON) -> None:
        """Change entries of `state`, so that they outlive a kill."""
        ...

    def reload_manifest(self) -> bool:
        """Read the manifest as other clients left it; return False where there can be none."""
        ...

    def mark_derived_stale(self) -> None:
        """Mark derived files as stale; to be called before each write."""
        ...


@dataclass(frozen=True)
class Prepared:
    """Passages as an open stage keeps them.

    Args:
        rows: the vectors to store with them, where the stage makes these when they are written.
        derived: what the stage keeps beside the store, in its own form.
    """

    rows: Rows | None = None
    derived: Any = None


class OpenStage(ABC):
    """A stage of an open index: its searches, and how it follows the store's writes.

    The methods that follow writes do nothing here: what lies in the store needs no following.

    Args:
        storage: the index's place, as this stage uses it.

    Attributes:
        name: in traces and weights.
    """

    def __init__(self, storage: StageStorage) -> None:
        self.name = storage.name
        self._storage = storage

    @abstractmethod
    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        """Return the queries as this stage compares them."""

    @abstractmethod
    def begin(self, encoded: Sequence[Any]) -> StageSearch:
        """Return a search for encoded queries."""

    def learn(self, passages: Iterable[Passage], count: int) -> Iterator[None]:
        """Read from passages about to be added what the stage needs to know of the corpus.

        Yields:
            after each step that has to keep searches out; others may come in between.
        """
        return iter(())

    def prepare(self, passages: Sequence[Passage]) -> Prepared:
        """Return what passages become: the slow part of adding them, before the lock."""
        return Prepared()

    def upsert(self, passages: Sequence[Passage], prepared: Prepared) -> None:
        """Follow passages that were written to the store."""

    def update_metadata(self) -> None:
        """Follow passages whose metadata alone were changed in the store."""

    def delete(self, points: Sequence[int]) -> None:
        """Follow points that are about to be deleted from the store."""

    def invalidate(self) -> None:
        """Trust nothing derived until it is made again: a write failed half-way."""

    def refresh(self, *, exactly: bool = False) -> Iterator[None]:
        """Bring up to date after a write what depends on all passages.

        Args:
            exactly: however little has changed.

        Yields:
            as `learn` does.
        """
        return iter(())

    def renewed(self, store: VectorStore) -> Callable[[], None]:
        """Derive everything again from a store: slow, but searches may go on meanwhile.

        Args:
            store: the present one, or a later state of it, which takes its place.

        Returns:
            what puts the result in place; to be called with no search running.
        """
        return lambda: None

    def save(self) -> None:
        """Keep what is derived beside the store, stamped with the store's generation."""


class Stage(ABC):
    """The definition of a stage of an index.

    For a stage of your own, derive from `VectorStage` where it keeps a vector of each passage in
    the store, else from this. Register the class as an entry point of the group
    ``hybridge.stages``, under its `kind`: then an index that has it can be opened again.

    Attributes:
        kind: the name of this kind of stages, in manifests.
        finds: whether it finds candidates; if not, it scores those of the other stages.
        name: in traces and weights, unique in an index.
    """

    kind: ClassVar[str]
    finds: ClassVar[bool] = True
    name: str

    @property
    @abstractmethod
    def identity(self) -> str:
        """Name what makes the stage's rows; two with one identity make the same."""

    @property
    def vectors(self) -> VectorKind | None:
        """The kind of vectors that the store keeps for it; None where it keeps none."""
        return None

    @property
    def state(self) -> dict[str, JSON]:
        """What the manifest keeps for it when the index is created, and it may change later."""
        return {}

    @abstractmethod
    def to_config(self) -> Mapping[str, JSON]:
        """Return this definition as JSON."""

    @classmethod
    @abstractmethod
    def restored(cls, record: StageRecord, given: Any = None, stages: Sequence[Stage] = ()) -> Self:
        """Return the definition of a stage of an index that is opened again.

        Args:
            record: what the manifest keeps of it; its `config` is what `to_config` gave.
            given: what the caller passed for this stage on opening the index: a definition, or
                what it is made of, such as an encoder; None for nothing.
            stages: those that find candidates, where this one only scores them.

        Raises:
            EncoderMismatchError: the stage cannot be made of the record alone.
        """

    def within(self, stages: Sequence[Stage], *, served: bool) -> Stage:
        """Return this definition completed by what else an index is made of.

        Args:
            stages: all stages of the index.
            served: whether it lives on a server.
        """
        return self

    @property
    def nameless_part(self) -> object:
        """What it is made of that `restored` has to be given again; None for nothing."""
        return None

    @property
    def settings(self) -> dict[str, JSON]:
        """What `HybridIndex.info` says of it, as JSON."""
        return dict(self.to_config())

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"

    @abstractmethod
    def open(self, storage: StageStorage) -> OpenStage:
        """Return the stage of an open index."""


def check_stage_name(name: str) -> str:
    """Return a stage's name.

    Raises:
        InvalidInputError: it is no string, empty, ``"fusion"``, or has a ``/`` or ``:`` in it.
    """
    if not isinstance(name, str) or not name.strip() or name == FUSION or set(name) & {"/", ":"}:
        raise InvalidInputError(
            f"a stage's name must be a non-empty string, not {FUSION!r} and without '/' and ':', "
            f"not {name!r}"
        )
    return name
