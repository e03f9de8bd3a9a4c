"""Options for what a search returns of its hits: groups of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import click

if TYPE_CHECKING:
    from ..protocols import Retriever

__all__ = ["Results"]


@dataclass
class Results:
    """The groups of a search."""

    group_by: Annotated[
        str | None,
        click.option(
            "--group-by",
            metavar="FIELD",
            help="Let K count the values of this metadata field, such as source.",
        ),
    ]
    per_group: Annotated[
        int | None,
        click.option(
            "--per-group",
            type=click.IntRange(min=1),
            help="Passages of each value at most.  [default: 1]",
        ),
    ]

    def __post_init__(self) -> None:
        if self.per_group is not None and self.group_by is None:
            raise click.UsageError("--per-group needs --group-by: the field that makes groups.")

    def of(self, retriever: Retriever) -> Retriever:
        """Return a retriever of these results of another's hits."""
        from ..results import GroupedRetriever

        if self.group_by is None:
            return retriever
        return GroupedRetriever(retriever, self.group_by, per_group=self.per_group or 1)
