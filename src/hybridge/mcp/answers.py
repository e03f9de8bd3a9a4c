"""What tools answer: structured, and small enough for a language model's context."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ..passages import Hit, Passage, trace_to_dict
from .framing import NOTICE

__all__ = [
    "SIZE",
    "Added",
    "Deleted",
    "Explained",
    "Fields",
    "Found",
    "FoundHit",
    "Got",
    "ShownPassage",
    "hits_shown",
    "passages_shown",
]

SIZE = 20_000
"""Characters of an answer's texts and metadata, together."""
# Of the text and of the metadata of a hit, and the share of an answer that is for metadata.
_TEXT, _METADATA, _SHARE = 1_200, 600, 0.25

_Notice = Annotated[str, Field(description="How to read this.")]


class ShownPassage(BaseModel):
    """A passage, perhaps a part of it.

    Args:
        id: its id.
        text: its text, or the part of it that begins at `offset`.
        offset: characters before that part.
        characters: of the whole text.
        metadata: its metadata; a framework's own fields, whose names begin with _, are left out.
        left_out: how many of its fields are left out because they are large.
    """

    id: str
    text: str
    offset: int = 0
    characters: int
    metadata: dict[str, Any]
    left_out: int = 0

    @property
    def rest(self) -> int | None:
        """The offset of what is behind the part; None where nothing is."""
        end = self.offset + len(self.text)
        return end if end < self.characters else None


class FoundHit(ShownPassage):
    """A passage that was found.

    Args:
        score: the last stage's score.
        trace: stage → rank, from 1, and score; None without.
    """

    score: float
    trace: dict[str, dict[str, Any]] | None = None


class Found(BaseModel):
    """What a search found.

    Args:
        hits: best first.
        query: the query with its spelling corrected; None where nothing was.
        notice: how to read this.
    """

    hits: list[FoundHit]
    query: str | None = None
    notice: _Notice = NOTICE


class Got(BaseModel):
    """Passages by their ids.

    Args:
        passages: those that are there.
        missing: ids that are not.
        notice: how to read this.
    """

    passages: list[ShownPassage]
    missing: list[str]
    notice: _Notice = NOTICE


class Explained(BaseModel):
    """Why a passage ranks where it does.

    Args:
        rank: from 1; None if it is not among the first `k`.
        score: its score there; None without a rank.
        missed: why it is not found; None where it is.
        trace: stage → rank and score.
        report: the explanation as text.
        notice: how to read this.
    """

    rank: int | None
    score: float | None
    missed: str | None
    trace: dict[str, dict[str, Any]]
    report: str
    notice: _Notice = NOTICE


class Fields(BaseModel):
    """The fields of an index.

    Args:
        passages: how many there are.
        fields: as `hybridge.index.FieldSummary.to_dict` gives them.
        notice: how to read this.
    """

    passages: int
    fields: list[dict[str, Any]]
    notice: _Notice = NOTICE


class Added(BaseModel):
    """How many passages were added.

    Args:
        added: those of this call.
        passages: all that the index holds now.
    """

    added: int
    passages: int


class Deleted(BaseModel):
    """How many passages were deleted.

    Args:
        deleted: those of this call.
        passages: all that the index still holds.
    """

    deleted: int
    passages: int


def hits_shown(hits: Sequence[Hit], with_trace: bool) -> list[FoundHit]:
    """Return hits, all of them, with texts and metadata cut to an answer's size."""
    room = SIZE // max(len(hits), 1)
    text, metadata = min(_TEXT, int(room * (1 - _SHARE))), min(_METADATA, int(room * _SHARE))
    return [
        FoundHit(
            **_shown(hit.passage, 0, text, metadata),
            score=hit.score,
            trace=trace_to_dict(hit.trace) if with_trace else None,
        )
        for hit in hits
    ]


def passages_shown(passages: Sequence[Passage], offset: int) -> list[ShownPassage]:
    """Return passages from an offset of their texts on, cut to an answer's size."""
    room = SIZE // max(len(passages), 1)
    sizes = int(room * (1 - _SHARE)), int(room * _SHARE)
    return [ShownPassage(**_shown(passage, offset, *sizes)) for passage in passages]


def _shown(passage: Passage, offset: int, text: int, metadata: int) -> dict[str, Any]:
    shown, left_out = _small(passage.metadata, metadata)
    return {
        "id": passage.id,
        "text": passage.text[offset : offset + text],
        "offset": offset,
        "characters": len(passage.text),
        "metadata": shown,
        "left_out": left_out,
    }


def _small(metadata: Mapping[str, Any], size: int) -> tuple[dict[str, Any], int]:
    """Return the fields that fit, in their order, and the number of the others."""
    shown: dict[str, Any] = {}
    left_out = 0
    for name, value in metadata.items():
        if name.startswith("_"):
            continue
        length = len(json.dumps({name: value}, ensure_ascii=False))
        if length <= size:
            shown[name] = value
            size -= length
        else:
            left_out += 1
    return shown, left_out
