"""What the stages of one search thought of its hits: one column a stage, in the order they ran."""

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
    """What one stage said.

    Args:
        stage: its name; a stage that ran for the second time is called ``"name (2)"``.
        entries: passage id → rank and score, for the hits that it ranked.
    """

    stage: str
    entries: Mapping[str, StageScore]


def check_hits(hits: Sequence[Hit]) -> list[Hit]:
    """The hits of one query, once it is sure that they are some.

    Raises:
        InvalidInputError: none, or something else.
    """
    listed = list(hits)
    if not listed:
        raise InvalidInputError("there are no hits to draw: ask something that finds passages")
    for hit in listed:
        if not isinstance(hit, Hit):
            what = "lists of hits" if isinstance(hit, list) else type(hit).__name__
            raise InvalidInputError(
                f'hits must be the hits of one query, not {what}: draw retriever.search(["..."])[0]'
            )
    return listed


def columns(hits: Sequence[Hit]) -> list[Column]:
    """The stages' columns; the last one's ranks are the hits' places.

    Where the last stage's ranks are others, as after a retriever that leaves no trace, a column
    ``"final"`` follows it.

    Raises:
        InvalidInputError: stages ran in one order for one hit and in another for the next.

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
            f"these hits are of several searches, for their stages ran in different orders "
            f"({' → '.join(error.args[1])}): draw the hits of one"
        ) from error
    listed = [Column(stage, found[stage]) for stage in order]
    places = {
        hit.passage.id: StageScore(FINAL, place, hit.score) for place, hit in enumerate(hits, 1)
    }
    last = listed[-1].entries if listed else {}
    if any(id_ not in last or last[id_].rank != entry.rank for id_, entry in places.items()):
        listed.append(Column(FINAL, places))
    return listed


def wrapped(stage: str) -> str:
    """A stage's name over several lines, broken where its parts meet.

    >>> wrapped("late-interaction:blend").split("\\n")
    ['late-', 'interaction:', 'blend']
    """
    stage = shortened(stage, 170)
    for sign in "-:":
        stage = stage.replace(sign, f"{sign}\n")
    return stage.rstrip("\n")
