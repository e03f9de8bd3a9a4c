"""What a browser sends of the form of a page, and the tags of a page."""

from __future__ import annotations

from html.parser import HTMLParser

__all__ = ["form_values", "tags"]


def form_values(html: str) -> list[tuple[str, str]]:
    """Return the names and values of the inputs of the form with the id ``ask``."""
    form = _Form()
    form.feed(html)
    return form.values


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """Return each tag of a page with its attributes."""
    found = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, dict(attrs)))

    Tags().feed(html)
    return found


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: list[tuple[str, str]] = []
        self._is_inside = False
        self._select: str | None = None
        self._options: list[tuple[str | None, bool]] = []
        self._text: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            self._is_inside = found.get("id") == "ask"
        elif not self._is_inside:
            return
        elif tag == "input" and (found.get("type") != "checkbox" or "checked" in found):
            self.values.append((str(found["name"]), found.get("value") or ""))
        elif tag == "select":
            self._select, self._options = found["name"], []
        elif tag == "option":
            self._options.append((found.get("value"), "selected" in found))
        elif tag == "textarea":
            self._text = found["name"]
            self.values.append((str(self._text), ""))

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self.values[-1] = (self._text, self.values[-1][1] + data)
        elif self._select is not None and self._options and self._options[-1][0] is None:
            self._options[-1] = (data, self._options[-1][1])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        elif tag == "textarea":
            self._text = None
        elif tag == "select" and self._select is not None:
            chosen = [value for value, selected in self._options if selected]
            self.values.append((self._select, (chosen or [self._options[0][0]])[0] or ""))
            self._select = None
