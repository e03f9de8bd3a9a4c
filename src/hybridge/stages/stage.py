"""The stages of an index: a definition, which creates a stage, and the open stage, which searches.

A definition (`BM25`, `Dense`, `LateInteraction`, your own) states what is stored of each passage.
It is written into the index's manifest as JSON. Opened on an index it becomes an `OpenStage`. A
search works in two steps: `encode` encodes the queries, and may take long; `begin` then opens one
search over the state of that moment, under the index's lock.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self
from urllib.parse import quote

from ..errors import InvalidInputError
from ..filters import Filter
from ..fusion import FUSION
from ..passages import JSON, Passage
from ..search_text import TEXT_ALONE, SearchText
from ..spelling import Speller
from ..vectors.options import VectorKind
from ..vectors.store import Ranking, Rows, VectorQuery, VectorStore
from .record import StageRecord

__all__ = [
    "OpenStage",
    "Prepared",
    "Stage",
    "StageSearch",
    "StageStorage",
    "StoreSearch",
    "check_stage_name",
]


# Of a name as it is quoted in the name of a file, where a system takes 255.
_LONGEST_NAME = 200


class StageSearch(Protocol):
    """One search of one stage for a list of queries.

    A stage whose vectors lie in the store has a `StoreSearch`, whose questions go to the store
    together with those of other stages.
    """

    def top(self, depth: int, where: Filter | None) -> list[Ranking]:
        """Return each query's best `depth` points, best first."""
        ...

    def exact(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        """Return each query's scores of the given points."""
        ...


class StoreSearch(StageSearch, Protocol):
    """A search whose queries go to the store with those of other stages."""

    def probe(self, depth: int, where: Filter | None) -> list[VectorQuery | None]:
        """Return what finds each query's best `depth` points; None where nothing can."""
        ...

    def scoring(self) -> list[tuple[str, Any] | None]:
        """Return the vectors' name and each query's vector; None where it compares with nothing."""
        ...


class StageStorage(Protocol):
    """The storage of an index, as one of its stages uses it."""

    name: str
    """The stage's name."""
    vector: str
    """The name of the stage's vectors in the store."""

    @property
    def store(self) -> VectorStore:
        """The store of the passages."""
        ...

    @property
    def location(self) -> str:
        """The index's location, for messages."""
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
        """The file of derived data; None where nothing outlives this object."""
        ...

    @property
    def state(self) -> Mapping[str, Any]:
        """The stage's state in the manifest, as JSON."""
        ...

    def save_state(self, **state: JSON) -> None:
        """Save entries of `state`, so that they outlive a kill."""
        ...

    def reload_manifest(self) -> bool:
        """Read the manifest that other clients may have changed; False where there are none."""
        ...

    def mark_derived_stale(self) -> None:
        """Mark derived files as stale; to be called before each write."""
        ...


@dataclass(frozen=True)
class Prepared:
    """The rows and derived data of passages for a stage.

    Args:
        rows: the vectors to store with them, if the stage makes them at the time of writing.
        derived: the stage's data beside the store, in its own form.
    """

    rows: Rows | None = None
    derived: Any = None


class OpenStage(ABC):
    """A stage of an open index: its searches, and how it follows the store's writes.

    The methods that follow writes do nothing by default: a stage in the store needs none.

    Args:
        storage: of the index, as this stage uses it.

    Attributes:
        name: in traces and weights.
        asks_store: whether its searches are each a `StoreSearch`, with no work in this process.
    """

    asks_store: ClassVar[bool] = False

    def __init__(self, storage: StageStorage) -> None:
        self.name = storage.name
        self._storage = storage

    @abstractmethod
    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        """Return the encoded queries."""

    def encodes_quickly(self, queries: Sequence[str]) -> bool:
        """Return whether `encode` takes no longer than a thread would to begin."""
        return False

    @abstractmethod
    def begin(self, encoded: Sequence[Any]) -> StageSearch:
        """Return a search for encoded queries."""

    def learn(self, passages: Iterable[Passage], count: int) -> Iterator[None]:
        """Read statistics of the corpus from passages about to be added.

        Yields:
            after each step that excludes searches; others may run in between.
        """
        return iter(())

    def prepare(self, passages: Sequence[Passage]) -> Prepared:
        """Prepare passages: the slow part of adding them, before the lock."""
        return Prepared()

    def upsert(self, passages: Sequence[Passage], prepared: Prepared) -> None:
        """Follow passages that were written to the store."""

    def update_metadata(self) -> None:
        """Follow passages of which only the metadata were changed in the store."""

    def delete(self, points: Sequence[int]) -> None:
        """Follow points that are about to be deleted from the store."""

    def invalidate(self) -> None:
        """Discard derived data after a write that failed half-way."""

    def refresh(self, *, exactly: bool = False) -> Iterator[None]:
        """Bring data that depend on all passages up to date after a write.

        Args:
            exactly: even if little has changed.

        Yields:
            after each step that excludes searches, as `learn` does.
        """
        return iter(())

    def renewed(self, store: VectorStore) -> Callable[[], None]:
        """Derive everything again from a store, while searches go on.

        Args:
            store: the present one, or a later state that replaces it.

        Returns:
            the function that installs the result; call it with no search running.
        """
        return lambda: None

    def save(self) -> None:
        """Save the derived data, stamped with the store's generation."""

    @property
    def speller(self) -> Speller | None:
        """The corrector of queries by the words of the corpus; None for a stage without words.

        Called, and used, while no write is under way.
        """
        return None

    @property
    def words_are_in_store(self) -> bool:
        """Whether `speller` asks a server for the words, and `uncounted` says what to ask for."""
        return False

    def uncounted(self, queries: Iterable[str]) -> list[VectorQuery]:
        """Return searches that each find a point if the store has a word of the queries.

        None for words that are known to be there.
        """
        return []

    def count(self, searches: Sequence[VectorQuery], found: Sequence[Ranking]) -> None:
        """Take over the answers to `uncounted`."""


class Stage(ABC):
    """The definition of a stage of an index.

    To write one, derive from `VectorStage` if it stores a vector of each passage, else from this
    class. Register the class as an entry point of the group
    ``hybridge.stages``, under its `kind`: then an index that has it can be opened again.

    Attributes:
        kind: the name of this kind of stages, in manifests.
        finds: whether it finds candidates; if not, it scores those of the other stages.
        query_dependent: whether its scores grow with the query's words, so that no one minimum
            fits all queries; see `hybridge.results.FlooredRetriever`.
        name: in traces and weights, unique in an index.
        own_search_text: what it searches of a passage; None for what its index searches.
    """

    kind: ClassVar[str]
    finds: ClassVar[bool] = True
    query_dependent: ClassVar[bool] = False
    name: str
    own_search_text: SearchText | None = None

    @property
    def search_text(self) -> SearchText:
        """What it searches of a passage. A stage that reads passages itself reads them by it."""
        return TEXT_ALONE if self.own_search_text is None else self.own_search_text

    def with_search_text(self, search_text: SearchText) -> Self:
        """Return a copy that searches this of a passage."""
        other = copy.copy(self)
        other.own_search_text = search_text
        return other

    @property
    @abstractmethod
    def identity(self) -> str:
        """The name of the stage's encoder; equal names mean equal rows."""

    @property
    def vectors(self) -> VectorKind | None:
        """The kind of its vectors in the store; None without."""
        return None

    @property
    def state(self) -> dict[str, JSON]:
        """The state in the manifest of a new index, which the open stage may change."""
        return {}

    @abstractmethod
    def to_config(self) -> Mapping[str, JSON]:
        """Return this definition as JSON."""

    @classmethod
    @abstractmethod
    def restored(
        cls, record: StageRecord, override: Any = None, stages: Sequence[Stage] = ()
    ) -> Self:
        """Return the definition of a stage of an index that is opened again.

        Args:
            record: of the stage, in the manifest; its `config` is from `to_config`.
            override: the caller's object for this stage on opening the index: a definition, or a
                part of it, such as an encoder; None without.
            stages: the restored stages that find candidates, if this one only scores them.

        Raises:
            EncoderMismatchError: the record alone is not enough to make the stage.
        """

    def within(self, stages: Sequence[Stage], *, served: bool) -> Stage:
        """Return this definition, completed by the other stages and the store.

        Args:
            stages: all stages of the index.
            served: whether it lives on a server.
        """
        return self

    def replacing(self, old: Stage) -> Stage:
        """Return this definition under the name of a stage that it replaces."""
        if self.name == old.name:
            return self
        renamed = copy.copy(self)
        renamed.name = old.name
        return renamed

    def comparable_scores(
        self, queries: Sequence[str], scores: Sequence[Sequence[float]]
    ) -> list[list[float]]:
        """Return each query's scores on a scale that is the same for all queries."""
        return [list(some) for some in scores]

    @property
    def nameless_part(self) -> object:
        """The part that `restored` needs again as its override; None without."""
        return None

    @property
    def settings(self) -> dict[str, JSON]:
        """Its settings in `HybridIndex.info`, as JSON."""
        return dict(self.to_config())

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"

    @abstractmethod
    def open(self, storage: StageStorage) -> OpenStage:
        """Return the stage of an open index."""


def check_stage_name(name: str) -> str:
    """Validate a stage's name: vectors and files are called by it.

    Raises:
        InvalidInputError: it is no string, blank, ``"fusion"``, ``"."`` or ``".."``, longer than
            200 characters as a URL quotes it, or has a ``/``, a ``:`` or a control character in it.
    """
    is_valid = (
        isinstance(name, str)
        and name.strip()
        and name not in (FUSION, ".", "..")
        and name.isprintable()
        and len(quote(name, safe="")) <= _LONGEST_NAME
        and not set(name) & {"/", ":"}
    )
    if not is_valid:
        raise InvalidInputError(
            f"a stage's name must be a non-empty string of at most {_LONGEST_NAME} characters, as "
            f"a URL quotes it, without '/', ':' and control characters, and not {FUSION!r}: "
            f"{name!r} is not"
        )
    return name
