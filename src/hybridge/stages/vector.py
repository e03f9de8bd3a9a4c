"""Stages that store a vector of each passage, which the engine compares."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from numpy.typing import ArrayLike

from ..colbert.tokens import TokenEncoder
from ..encoders.caching import query_cache
from ..encoders.mapped import passage_encoder
from ..encoders.passage_cache import CachedEncoder
from ..encoders.sparse import SparseEncoder
from ..errors import EncoderMismatchError, InvalidInputError
from ..filters import Filter
from ..passages import JSON
from ..protocols import Encoder
from ..vectors.options import DenseVectors, SparseVectors, VectorKind
from ..vectors.store import (
    Ranking,
    Rows,
    VectorQuery,
    check_sparse,
    check_tokens,
    check_vectors,
)
from .record import StageRecord
from .stage import OpenStage, Stage, StageStorage, check_stage_name

__all__ = [
    "AbsentEncoder",
    "EncoderStage",
    "OpenVectorStage",
    "VectorSearch",
    "VectorStage",
    "check_rows",
    "described",
    "nameless",
    "with_passage_cache",
]


E = TypeVar("E", bound=Encoder | SparseEncoder | TokenEncoder)


class VectorStage(Stage):
    """A stage of one kind of vectors and their encoder.

    A subclass has `kind`, `name`, `identity`, `vectors`, `to_config`, `restored`, and the two
    methods that encode. A query's vector is compared with a passage's by the store: by cosine or
    dot product, for tokens by MaxSim.

    Attributes:
        loss: the effect on text that is too long for the encoder, for a warning.
        remedy: the remedy beside splitting, for a warning.
    """

    loss: ClassVar[str] = "not seen by this stage"
    remedy: ClassVar[str] = "take an encoder that reads more"

    @property
    @abstractmethod
    def vectors(self) -> VectorKind:
        """The kind of its vectors in the store."""

    @property
    def encoder(self) -> object:
        """The encoder, whose ``max_tokens`` and ``count_truncated`` are used if it has them."""
        return None

    @abstractmethod
    def encode_queries(self, queries: Sequence[str]) -> Rows:
        """Return one row a query: of a matrix, a sparse vector, or a matrix of tokens."""

    def encodes_quickly(self, queries: Sequence[str]) -> bool:
        """Return whether `encode_queries` takes no longer than a thread would to begin."""
        return False

    @abstractmethod
    def encode_passages(self, texts: Sequence[str]) -> Rows:
        """Return one row a text, as `encode_queries` does; the texts are those it searches."""

    def open(self, storage: StageStorage) -> OpenVectorStage:
        return OpenVectorStage(storage, self)


class EncoderStage(VectorStage, Generic[E]):
    """A `VectorStage` whose vectors an encoder makes of queries and passages."""

    _encoder: E

    @property
    def encoder(self) -> E:
        """The encoder of queries and passages."""
        return self._encoder

    def with_encoder(self, encoder: E, *, name: str | None = None) -> Self:
        """Return the same stage with another encoder, and with another name if one is given."""
        other = copy.copy(self)
        other._encoder = encoder
        other.name = self.name if name is None else check_stage_name(name)
        return other

    @property
    def identity(self) -> str:
        return self._encoder.identity

    def encode_queries(self, queries: Sequence[str]) -> Rows:
        rows: Rows = query_cache.encode(self._encoder, queries)
        return rows

    def encodes_quickly(self, queries: Sequence[str]) -> bool:
        return query_cache.has(self._encoder, queries)

    def encode_passages(self, texts: Sequence[str]) -> Rows:
        return self._encoder.encode_passages(texts)

    @property
    def for_passages(self) -> Self:
        """This definition with the encoder of passages alone: equal ones have equal vectors."""
        return self.with_encoder(passage_encoder(self._encoder))

    @property
    def nameless_part(self) -> object:
        encoder = passage_encoder(self._encoder)
        return encoder if described(encoder) is None else None

    @property
    def settings(self) -> dict[str, JSON]:
        return {"encoder": self.identity}


def with_passage_cache(stages: Sequence[Stage], folder: str | Path | bool) -> list[Stage]:
    """Return the stages with encoders that keep the vectors of passages.

    Args:
        stages: the definitions.
        folder: where; True for the user's cache, False for nowhere.

    Raises:
        InvalidInputError: something else, or a file.
    """
    if not isinstance(folder, str | Path | bool):
        raise InvalidInputError(f"passage_cache must be a folder, True or False, not {folder!r}")
    found = list(stages)
    for i, stage in enumerate(found):
        if folder and isinstance(stage, EncoderStage):
            cached = CachedEncoder(stage.encoder, None if folder is True else folder)
            found[i] = stage.with_encoder(cached)
    return found


class OpenVectorStage(OpenStage):
    """A `VectorStage` of an open index.

    Args:
        storage: of the index, as this stage uses it.
        stage: the definition.

    Attributes:
        vector_kind: of the vectors that the store keeps for it.
    """

    asks_store = True

    def __init__(self, storage: StageStorage, stage: VectorStage) -> None:
        super().__init__(storage)
        self.stage = stage
        # By the store, for the stage itself may have to load its model to know it.
        self.vector_kind = storage.store.options.vectors[storage.vector]

    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        return self.encoded(self.stage.encode_queries(queries), len(queries))

    def encodes_quickly(self, queries: Sequence[str]) -> bool:
        return self.stage.encodes_quickly(queries)

    def encoded(self, rows: Rows | ArrayLike, count: int) -> Sequence[Any]:
        """Return the rows of `count` queries, whatever made them, as this stage compares them."""
        if isinstance(self.vector_kind, DenseVectors):
            return list(check_vectors(rows, count, self.vector_kind.dimension).tolist())
        checked = check_rows(self.vector_kind, rows, count)
        return [row if isinstance(row, tuple) else row.tolist() for row in checked]

    def begin(self, encoded: Sequence[Any]) -> VectorSearch:
        return VectorSearch(self._storage, encoded)


def check_rows(kind: VectorKind, rows: Any, count: int) -> Rows:
    """Return rows as the store takes them.

    Raises:
        InvalidInputError: they are not `count` valid vectors of this kind.
    """
    if isinstance(kind, DenseVectors):
        return check_vectors(rows, count, kind.dimension)
    if isinstance(kind, SparseVectors):
        return check_sparse(rows, count)
    return check_tokens(rows, count, kind.dimension)


class VectorSearch:
    """A search by the engine.

    Args:
        storage: of the vectors.
        encoded: the queries' vectors, as the store takes them.
    """

    def __init__(self, storage: StageStorage, encoded: Sequence[Any]) -> None:
        self._storage = storage
        self._name = storage.vector
        self._encoded = encoded

    def probe(self, depth: int, where: Filter | None) -> list[VectorQuery | None]:
        return [
            None if scoring is None else VectorQuery(*scoring, depth, where)
            for scoring in self.scoring()
        ]

    def scoring(self) -> list[tuple[str, Any] | None]:
        # A sparse vector is a pair of lists, which are empty for a query without terms.
        return [
            (self._name, query) if query and query[0] != [] else None for query in self._encoded
        ]

    def top(self, depth: int, where: Filter | None) -> list[Ranking]:
        return self._query(self.probe(depth, where))

    def exact(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        # A sparse search leaves out passages that share no term with the query: their score is 0.
        return [
            dict.fromkeys(batch, 0.0) | scores
            for batch, scores in zip(points, self.scored(points), strict=True)
        ]

    def scored(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        """Return each query's scores of those of its points that the engine scores."""
        return self._query(
            [
                None if scoring is None else VectorQuery(*scoring, len(batch), ids=batch)
                for scoring, batch in zip(self.scoring(), points, strict=True)
            ]
        )

    def _query(self, queries: Sequence[VectorQuery | None]) -> list[Ranking]:
        """Return the answers; queries for no points are left out."""
        nonempty = [query if query is not None and query.limit else None for query in queries]
        answers = iter(
            self._storage.store.query([query for query in nonempty if query is not None])
        )
        return [{} if query is None else next(answers) for query in nonempty]


def described(encoder: object) -> dict[str, JSON] | None:
    """Return an encoder as JSON; None where it cannot be made again from such."""
    describe = getattr(encoder, "to_config", None)
    config = None if describe is None else describe()
    return None if config is None else dict(config)


class AbsentEncoder:
    """The encoder of a stage in an index that was opened without it, to encode nothing.

    Args:
        identity: of the encoder that the stage was made with.
        kind: of the vectors in the store.
        reason: raised when something is to be encoded.
    """

    def __init__(self, identity: str, kind: VectorKind, reason: EncoderMismatchError) -> None:
        self.identity = identity
        self.dimension: int | None = getattr(kind, "dimension", None)
        self._reason = reason

    def encode_queries(self, queries: Sequence[str]) -> Rows:
        """Raise that the encoder is missing."""
        raise self._reason

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> Rows:
        """Raise that the encoder is missing."""
        raise self._reason

    def to_config(self) -> None:
        """Return None: it cannot be made again."""


def nameless(record: StageRecord, stage: type[Stage]) -> EncoderMismatchError:
    """Return the error of opening a stage whose encoder cannot be loaded by its name."""
    short = {"dense": "encoder=", "late-interaction": "late_interaction="}.get(record.name)
    argument = short or f"stages=[{stage.__name__}(..., name={record.name!r})]"
    return EncoderMismatchError(
        f"the stage {record.name!r} was made with the encoder {record.identity!r}, which cannot be "
        f"loaded by name: pass it as {argument}"
    )
