"""The rendering of an explanation's parts, by the function registered for each class.

`hybridge.explanation.layout` registers one function for each class of part.
"""

from __future__ import annotations

from functools import singledispatch

from ..report import Renderable, Section

__all__ = ["RenderablePart", "report", "sections"]


class RenderablePart(Renderable):
    """A part of an explanation, rendered by its `report`."""

    __slots__ = ()

    def _report(self) -> Section:
        return report(self)


@singledispatch
def report(part: object) -> Section:
    """Build the report of a part, an explanation or an explained search."""
    return Section(body=sections(part), brief=True)


@singledispatch
def sections(part: object) -> list[Section]:
    """Build the sections of a part of an explanation, or of all its parts."""
    raise TypeError(f"no report is registered for {type(part).__name__}")
