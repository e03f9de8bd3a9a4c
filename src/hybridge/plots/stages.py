"""The ranks and scores of one search's hits, one column a stage, in the order they ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from ..errors import InvalidInputError
from ..passages import Hit, StageScore
from .text import shortened

__all__ = ["FINAL", "Column", "check_hits", "columns", "wrapped"]

FINAL = "final"


@dataclass(frozen=True, slots=True)
class Column:
    """The ranks and scores that one stage gave.

    Args:
        stage: its name; the second run of a stage is ``"name (2)"``.
        entries: passage id → rank and score, for the hits that the stage ranked.
    """

    stage: str
    entries: Mapping[str, StageScore]


def check_hits(hits: Sequence[Hit]) -> list[Hit]:
    """Validate the hits of one query, and return them as a list.

    Raises:
        InvalidInputError: no hits, or an item that is no hit.
    """
    listed = list(hits)
    if not listed:
        raise InvalidInputError(
            "there are no hits to draw: search for something that finds passages"
        )
    for hit in listed:
        if not isinstance(hit, Hit):
            what = "lists of hits" if isinstance(hit, list) else type(hit).__name__
            raise InvalidInputError(
                f'hits must be the hits of one query, not {what}: draw retriever.search(["..."])[0]'
            )
    return listed


def columns(hits: Sequence[Hit]) -> list[Column]:
    """Return one column a stage; the ranks of the last column are the order of the hits.

    Where the last stage has other ranks, as after a retriever without traces, a column ``"final"``
    follows it.

    Raises:
        InvalidInputError: the stages ran in different orders for different hits.

    >>> from hybridge import Passage
    >>> found = Hit(Passage("a", "x"), 0.9, (StageScore("bm25", 1, 3.0), StageScore("rrf", 2, 0.9)))
    >>> [(column.stage, column.entries["a"].rank) for column in columns([found])]
    [('bm25', 1), ('rrf', 2), ('final', 1)]
    """
    found: dict[str, dict[str, StageScore]] = {}
    before: dict[str, set[str]] = {}
    for hit in hits:
        stages: list[str] = []
        for entry in hit.trace:
            again = sum(other.stage == entry.stage for other in hit.trace[: len(stages)])
            stages.append(f"{entry.stage} ({again + 1})" if again else entry.stage)
            found.setdefault(stages[-1], {})[hit.passage.id] = entry
            before.setdefault(stages[-1], set())
        for earlier, later in pairwise(stages):
            before[later].add(earlier)
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError as error:
        raise InvalidInputError(
            f"these hits are of several searches: their stages ran in different orders "
            f"({' → '.join(error.args[1])}); draw the hits of one search"
        ) from error
    listed = [Column(stage, found[stage]) for stage in order]
    final = {hit.passage.id: StageScore(FINAL, rank, hit.score) for rank, hit in enumerate(hits, 1)}
    last = listed[-1].entries if listed else {}
    if any(id_ not in last or last[id_].rank != entry.rank for id_, entry in final.items()):
        listed.append(Column(FINAL, final))
    return listed


def wrapped(stage: str) -> str:
    """Break a stage's name into lines after each ``-`` and ``:``.

    >>> wrapped("late-interaction:blend").split("\\n")
    ['late-', 'interaction:', 'blend']
    """
    stage = shortened(stage, 170)
    for sign in "-:":
        stage = stage.replace(sign, f"{sign}\n")
    return stage.rstrip("\n")
