"""The options of a floor: minima of stages' scores, below which nothing is an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import click

if TYPE_CHECKING:
    from ..protocols import Retriever

__all__ = ["Floor", "read_off_topic"]


def _to_floor(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> dict[str, float]:
    floor = {}
    for value in values:
        stage, _, minimum = value.rpartition("=")
        try:
            floor[stage] = float(minimum)
        except ValueError:
            stage = ""
        if not stage:
            raise click.BadParameter(f"{value!r} is not a stage and a number: write dense=0.3")
    return floor


@dataclass
class Floor:
    """The minima of a search."""

    floor: Annotated[
        dict[str, float],
        click.option(
            "--floor",
            multiple=True,
            metavar="STAGE=MINIMUM",
            callback=_to_floor,
            help="Drop what a stage scores below, as dense=0.3; repeatable.",
        ),
    ]
    floor_of: Annotated[
        Literal["hit", "list"],
        click.option(
            "--floor-of",
            type=click.Choice(["hit", "list"]),
            default="hit",
            show_default=True,
            help="Hold each passage to it, or the list: all stay if one reaches it.",
        ),
    ]

    def under(self, retriever: Retriever) -> Retriever:
        """Put the floor under a retriever, if there is one."""
        if not self.floor:
            return retriever
        from ..results import FlooredRetriever

        return FlooredRetriever(retriever, self.floor, of=self.floor_of)


def read_off_topic(path: Path) -> Sequence[str]:
    """Read questions without an answer from a text file, one a line; blank lines do not count."""
    from ..evaluation.tables import read_lines

    lines, _ = read_lines(path)
    return [line.strip() for line in lines if line.strip()]
