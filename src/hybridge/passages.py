"""The data contract: passages go in, hits with the trace of every stage come out."""

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
    "stored_passage",
    "unique_passages",
]

# UUIDv5 of this project's name under the DNS namespace: fixed for ever, ids on disk depend on it.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "hybridge")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text that can be found.

    Args:
        id: any non-empty string; a whole number or `UUID` is taken as its text. Adding a passage
            with the same id again replaces it.
        text: what is searched. Put a title in front of it if there is one.
        metadata: values under string keys, for filters and for the caller: JSON, and what
            `hybridge.metadata` makes JSON of, like dates and paths; lists and dicts nested 64
            levels deep at most, itself counted. The passage holds a deep copy.

    Raises:
        InvalidInputError: the id is empty, or JSON cannot hold a value.

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
        # A copy, so that what the caller does to theirs later does not reach us.
        copy = json_metadata(self.metadata, f"passage {self.id!r}: metadata")
        object.__setattr__(self, "metadata", copy)


def stored_passage(id: str, text: str, metadata: Mapping[str, JSON]) -> Passage:  # noqa: A002
    """A passage read back from where it was kept: checked before it was written, not again.

    >>> stored_passage("p1", "text", {}) == Passage("p1", "text")
    True
    """
    passage = object.__new__(Passage)
    for name, value in (("id", id), ("text", text), ("metadata", metadata)):
        object.__setattr__(passage, name, value)
    return passage


@dataclass(frozen=True, slots=True)
class StageScore:
    """What one stage thought of a passage.

    Args:
        stage: the stage's name, for example ``"bm25"``, ``"dense"`` or ``"fusion"``.
        rank: the passage's place in that stage's list, counted from 1.
        score: the stage's own score, in the stage's own unit.
    """

    stage: str
    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found, the score its list is sorted by, and how it got there.

    Args:
        passage: the passage.
        score: the last stage's score; higher is better.
        trace: one entry for each stage that ranked the passage, in the order they ran.

    >>> hit = Hit(Passage("p1", "text"), 2.5, (StageScore("bm25", 1, 2.5),))
    >>> hit.stage("bm25").rank, hit.stage("dense")
    (1, None)
    """

    passage: Passage
    score: float
    trace: tuple[StageScore, ...] = ()

    def stage(self, name: str) -> StageScore | None:
        """What the stage called `name` thought of this passage, or None if it did not rank it."""
        return next((entry for entry in self.trace if entry.stage == name), None)


def point_id(passage_id: str) -> uuid.UUID:
    """The UUIDv5 that stands for a passage's id on a Qdrant server, which allows no other strings.

    >>> point_id("p1") == point_id("p1") != point_id("p2")
    True
    """
    return uuid.uuid5(_NAMESPACE, passage_id)


def point_number(passage_id: str) -> int:
    """The 64 bits that stand for a passage's id inside Qdrant Edge, where UUIDs are slow.

    Edge's Python binding takes seven times longer for a UUID than for a number, which was a third
    of a whole search. Two of a million ids share a number with odds of one to 37 million; the
    store refuses the second of them.

    >>> point_number("p1") == point_number("p1") != point_number("p2")
    True
    """
    return int.from_bytes(hashlib.blake2b(passage_id.encode(), digest_size=8).digest(), "big")


def unique_passages(passages: Iterable[Passage]) -> Iterator[Passage]:
    """The passages, one by one, each a `Passage` and no id twice.

    Raises:
        InvalidInputError: no list, something in it that is no passage, or an id that comes twice.

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
