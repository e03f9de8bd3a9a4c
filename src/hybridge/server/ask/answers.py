"""The answers to a question as a page shows them: marked texts, bars, and moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from ...analyzer import Analyzer
from ...errors import InvalidInputError
from ...index import HybridIndex
from ...metadata import JSON
from ...passages import Hit, Passage
from ...query_syntax import plain_texts
from ...report import one_line
from ...spelling import corrected_query
from ..options import Options
from .highlights import Piece, highlighted
from .moves import Move, gone, moves

__all__ = ["Answer", "Bar", "Row", "analyzer_of", "title_of"]

_TITLE, _CHIP, _CHIPS = 140, 48, 4


@dataclass(frozen=True)
class Bar:
    """The rank and score of a passage in one stage.

    Args:
        stage: its name.
        rank: from 1.
        score: in the stage's unit.
        share: of the bar's length, from 0 to 1: between the stage's worst, or 0, and its best.
    """

    stage: str
    rank: int
    score: float
    share: float


@dataclass(frozen=True)
class Row:
    """A hit.

    Args:
        rank: from 1.
        id: of the passage.
        title: of the passage, or its id.
        is_titled: whether it has a title.
        pieces: the best part of its text.
        bars: of the stages that ranked it.
        score: by which it is ranked.
        move: from another list; None where there is none.
        chips: some of its metadata.
    """

    rank: int
    id: str
    title: str
    is_titled: bool
    pieces: Sequence[Piece]
    bars: Sequence[Bar]
    score: float
    move: Move | None
    chips: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """The answers to a question by one setting.

    Args:
        rows: the hits.
        gone: the rank and title of what another list has, and this one lacks.
        seconds: that the search took.
        corrected: the question with its spelling corrected; None as it is.
        notes: of stages, such as the cost of a language model.
    """

    rows: Sequence[Row]
    gone: Sequence[tuple[int, str]]
    seconds: float
    corrected: str | None
    notes: Sequence[tuple[str, str]]

    @classmethod
    def of(
        cls,
        index: HybridIndex,
        question: str,
        hits: Sequence[Hit],
        options: Options,
        *,
        seconds: float = 0.0,
        before: Sequence[str] | None = None,
    ) -> Self:
        """Return the answers that hits make.

        Args:
            index: where they are from.
            question: what was searched for.
            hits: the best first.
            options: the setting.
            seconds: that the search took.
            before: the ids of another list; None for none.
        """
        corrected = corrected_query(hits)
        read = question if corrected is None else corrected
        if options.query_syntax:
            [read] = plain_texts([read])
        analyzer = analyzer_of(index)
        ids = [hit.passage.id for hit in hits]
        moved = [None] * len(ids) if before is None else moves(before, ids)
        ranges = _ranges(hits)
        rows = [
            _row(rank, hit, move, ranges, highlighted(_body(hit.passage), read, analyzer))
            for rank, (hit, move) in enumerate(zip(hits, moved, strict=True), start=1)
        ]
        notes = {e.stage: e.note for hit in hits for e in hit.trace if e.note is not None}
        lost = [] if before is None else gone(before, ids)
        passages = index.get([passage for _, passage in lost])
        named = [
            (rank, passage_id if passage is None else title_of(passage)[0])
            for (rank, passage_id), passage in zip(lost, passages, strict=True)
        ]
        return cls(rows, named, seconds, corrected, [*notes.items()])


def analyzer_of(index: HybridIndex) -> Analyzer | None:
    """Return the analyzer of an index's words; None without BM25."""
    try:
        return index.analyzer
    except InvalidInputError:
        return None


def title_of(passage: Passage) -> tuple[str, bool]:
    """Return a passage's title, or its id, and whether it is a title.

    >>> title_of(Passage("p1", "text", {"title": "Aspirin"})), title_of(Passage("p1", "text"))
    (('Aspirin', True), ('p1', False))
    """
    title = passage.metadata.get("title")
    line = one_line(title, _TITLE) if isinstance(title, str) else ""
    return (line, True) if line else (one_line(passage.id, _TITLE) or "·", False)


def _body(passage: Passage) -> str:
    """Return the text of a passage without the title on its first line, if there is more."""
    first, _, rest = passage.text.partition("\n")
    return rest.lstrip() or passage.text if first == passage.metadata.get("title") else passage.text


def _row(
    rank: int,
    hit: Hit,
    move: Move | None,
    ranges: Mapping[str, tuple[float, float]],
    pieces: Sequence[Piece],
) -> Row:
    bars = [
        Bar(entry.stage, entry.rank, entry.score, _share(entry.score, *ranges[entry.stage]))
        for entry in hit.trace
    ]
    title, is_titled = title_of(hit.passage)
    chips = [
        (one_line(name, _CHIP), text)
        for name, value in hit.passage.metadata.items()
        if name != "title" and not name.startswith("_") and (text := _chip(value))
    ]
    return Row(
        rank, hit.passage.id, title, is_titled, pieces, bars, hit.score, move, chips[:_CHIPS]
    )


def _ranges(hits: Sequence[Hit]) -> dict[str, tuple[float, float]]:
    """Return the least score of each stage, or 0, and the greatest."""
    scores: dict[str, list[float]] = {}
    for hit in hits:
        for entry in hit.trace:
            scores.setdefault(entry.stage, []).append(entry.score)
    return {stage: (min(0.0, *some), max(some)) for stage, some in scores.items()}


def _share(score: float, low: float, high: float) -> float:
    return (score - low) / (high - low) if high > low else 0.0


def _chip(value: JSON) -> str:
    if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
        return one_line(", ".join(map(str, value)), _CHIP)
    if isinstance(value, bool):
        return "true" if value else "false"
    return one_line(str(value), _CHIP) if isinstance(value, str | int | float) else ""
