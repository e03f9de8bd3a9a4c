"""What the page on which to ask shows: a question, one setting or two, and an explained passage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import urlencode

from ..options import Options

__all__ = ["View", "beside"]

_SECOND = "b."


@dataclass(frozen=True)
class View:
    """All that a link of the page holds.

    Args:
        question: may be blank.
        first: the setting.
        second: the setting beside it, which shares its filter; None for one alone.
        explained: the id of the passage that is explained; None for none.
        side: the setting by which it is explained: ``"a"`` or ``"b"``.

    >>> view = View("how?", Options(k=3), Options(k=5))
    >>> view.link()
    '/?q=how%3F&k=3&compare=1&b.k=5'
    >>> View.from_params({"q": "how?", "k": "3", "compare": "1", "b.k": "5"}) == view
    True
    """

    question: str = ""
    first: Options = field(default_factory=Options)
    second: Options | None = None
    explained: str | None = None
    side: str = "a"

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """Return the view of a link.

        Raises:
            InvalidInputError: an unknown parameter, or a value that is not valid.
        """
        page = {name: params[name] for name in _PAGE if name in params}
        rest = {name: value for name, value in params.items() if name not in _PAGE}
        second = {
            name.removeprefix(_SECOND): rest.pop(name)
            for name in list(rest)
            if name.startswith(_SECOND)
        }
        first = Options.from_params(rest)
        return cls(
            page.get("q", ""),
            first,
            beside(first, Options.from_params(second)) if page.get("compare") else None,
            page.get("explain") or None,
            "b" if page.get("side") == "b" else "a",
        )

    def options(self) -> Options:
        """Return the setting by which a passage is explained."""
        return self.second if self.side == "b" and self.second is not None else self.first

    def with_options(self, side: str, **changes: Any) -> View:
        """Return the view with changes of one setting's options."""
        if side == "b" and self.second is not None:
            return replace(self, second=self.second.model_copy(update=changes))
        return replace(self, first=self.first.model_copy(update=changes))

    def reset(self) -> View:
        """Return the view of the question alone, by the index's own setting."""
        return View(self.question)

    def params(self) -> dict[str, str]:
        """Return the parameters of the view's link."""
        params = {"q": self.question} if self.question else {}
        params |= self.first.to_params()
        if self.second is not None:
            own = self.second.to_params()
            own.pop("where", None)
            params["compare"] = "1"
            params |= {_SECOND + name: value for name, value in own.items()}
        if self.explained is not None:
            params["explain"] = self.explained
        if self.side != "a":
            params["side"] = self.side
        return params

    def link(self, path: str = "/", **changes: Any) -> str:
        """Return the link of the view, or of one with changes.

        Args:
            path: of a page or a part of one that takes a view.
            changes: of the view's fields.
        """
        params = (replace(self, **changes) if changes else self).params()
        return f"{path}?{urlencode(params)}" if params else path


_PAGE = ("q", "compare", "explain", "side")


def beside(first: Options, second: Options) -> Options:
    """Return a second setting with the first one's filter."""
    return second.model_copy(update={"where": first.where})
