"""The data contract: passages, and hits with the score of every stage."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .arguments import as_id, check_passages
from .errors import InvalidInputError
from .metadata import JSON, check_text, json_metadata

__all__ = [
    "JSON",
    "Hit",
    "Passage",
    "StageScore",
    "point_id",
    "point_number",
    "trace_to_dict",
    "unique_passages",
]

# UUIDv5 of this project's name under the DNS namespace: fixed for ever, ids on disk depend on it.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "hybridge")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text to search for.

    Args:
        id: any non-empty string; a whole number or `UUID` becomes its text. Adding a passage with
            the same id again replaces it.
        text: the text to return and to search. A title stands in front of it, or among the
            metadata; see `hybridge.search_text`.
        metadata: values under string keys, for filters and for the caller: JSON, and values that
            `hybridge.metadata` converts to JSON, like dates and paths; nested at most 64 levels
            deep. The passage holds a deep copy.

    Raises:
        InvalidInputError: an empty id, or a value that JSON cannot hold.

    >>> Passage("p1", "Aspirin thins the blood.", {"year": 2019}).metadata["year"]
    2019
    """

    id: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        rule = "a passage's id must be a non-empty string, a whole number or a UUID"
        object.__setattr__(self, "id", as_id(self.id, rule))
        if not self.id:
            raise InvalidInputError(f"{rule}, not ''")
        if not isinstance(self.text, str):
            raise InvalidInputError(
                f"passage {self.id!r}: text must be a string, not {type(self.text).__name__}"
            )
        for name in ("id", "text"):
            check_text(getattr(self, name), f"passage {self.id!r}: {name}")
        if not isinstance(self.metadata, Mapping):
            raise InvalidInputError(
                f"passage {self.id!r}: metadata must be a mapping, "
                f"not {type(self.metadata).__name__}"
            )
        # A copy, so that later changes by the caller have no effect.
        copy = json_metadata(self.metadata, f"passage {self.id!r}: metadata")
        object.__setattr__(self, "metadata", copy)


@dataclass(frozen=True, slots=True)
class StageScore:
    """The rank and score of a passage in one stage.

    Args:
        stage: the stage's name, for example ``"bm25"``, ``"dense"`` or ``"fusion"``.
        rank: the passage's rank in the stage's list, from 1.
        score: the stage's score, in the stage's unit.
        query: the query with its spelling corrected, as the stage read it but with its operators;
            None where nothing was corrected.
        passage: the id of the passage that the stage ranked, where the hit is another: of a parent,
            the child that was found.
        note: what else a stage reports, the same for each passage of its list, like the cost of a
            language model; None without.
    """

    stage: str
    rank: int
    score: float
    query: str | None = None
    passage: str | None = None
    note: str | None = None

    def __repr__(self) -> str:
        further = {"query": self.query, "passage": self.passage, "note": self.note}
        shown = [f"{name}={value!r}" for name, value in further.items() if value is not None]
        own = f"stage={self.stage!r}, rank={self.rank!r}, score={self.score!r}"
        return f"StageScore({', '.join([own, *shown])})"


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found by a search, its score, and its rank and score in every stage.

    Args:
        passage: the passage.
        score: the last stage's score, by which the list is sorted; higher is better.
        trace: one entry for each stage that ranked the passage, in the order they ran.

    >>> hit = Hit(Passage("p1", "text"), 2.5, (StageScore("bm25", 1, 2.5),))
    >>> hit.stage("bm25").rank, hit.stage("dense")
    (1, None)
    """

    passage: Passage
    score: float
    trace: tuple[StageScore, ...] = ()

    def stage(self, name: str) -> StageScore | None:
        """Return the passage's rank and score in a stage; None if the stage did not rank it."""
        return next((entry for entry in self.trace if entry.stage == name), None)


def trace_to_dict(trace: Iterable[StageScore]) -> dict[str, dict[str, Any]]:
    """Return a trace as JSON: each stage's rank, counted from 1, and score.

    A stage that read a corrected query has it as well, one that ranked another passage its id, and
    one with a note has that.

    >>> trace_to_dict([StageScore("bm25", 1, 0.5), StageScore("dense", 2, 0.9, "cats")])
    {'bm25': {'rank': 1, 'score': 0.5}, 'dense': {'rank': 2, 'score': 0.9, 'query': 'cats'}}
    """
    return {
        entry.stage: {
            "rank": entry.rank,
            "score": entry.score,
            **({} if entry.query is None else {"query": entry.query}),
            **({} if entry.passage is None else {"passage": entry.passage}),
            **({} if entry.note is None else {"note": entry.note}),
        }
        for entry in trace
    }


def point_id(passage_id: str) -> uuid.UUID:
    """Map a passage's id to a UUIDv5, the only strings that a Qdrant server accepts as ids.

    >>> point_id("p1") == point_id("p1") != point_id("p2")
    True
    """
    return uuid.uuid5(_NAMESPACE, passage_id)


def point_number(passage_id: str) -> int:
    """Hash a passage's id to 64 bits, its id in Qdrant Edge.

    Edge's Python binding takes seven times longer for a UUID than for a number, which was a third
    of a whole search. Among a million ids, two share a number with a probability of one in 37
    million; the store refuses the second of them.

    >>> point_number("p1") == point_number("p1") != point_number("p2")
    True
    """
    return int.from_bytes(hashlib.blake2b(passage_id.encode(), digest_size=8).digest(), "big")


def unique_passages(passages: Iterable[Passage]) -> Iterator[Passage]:
    """Yield the passages, and validate that each is a `Passage` and no id repeats.

    Raises:
        InvalidInputError: no list, an item that is no passage, or a repeated id.

    >>> [p.id for p in unique_passages([Passage("a", "x"), Passage("b", "x")])]
    ['a', 'b']
    """
    seen = set()
    for passage in check_passages(passages):
        if not isinstance(passage, Passage):
            raise InvalidInputError(
                f"expected a Passage, not {type(passage).__name__}: "
                "build one with Passage(id, text, metadata)"
            )
        if passage.id in seen:
            raise InvalidInputError(
                f"the id {passage.id!r} comes twice in one call: give each passage its own id"
            )
        seen.add(passage.id)
        yield passage
