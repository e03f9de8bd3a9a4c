"""How explanations are shown: as text, on a terminal of rich, and in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .console import as_rich
from .html import as_html
from .text import as_text

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Shown"]


class Shown:
    """Gives a part of an explanation its three forms, all of the same tables."""

    __slots__ = ()

    def __str__(self) -> str:
        return as_text(self)

    def __rich__(self) -> RenderableType:
        return as_rich(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}
