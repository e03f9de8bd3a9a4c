"""Docstrings as Markdown: doctests and formulas become code blocks; and what `__all__` names."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import griffe

_DOCTEST = re.compile(
    r"^(?P<indent> *)>>> .*(?:\n(?P=indent)\S.*|\n(?P=indent) +\S.*)*", re.MULTILINE
)
_FORMULA = re.compile(
    r"^(?P<indent> *)\.\. math::\s+(?P<tex>\S.*(?:\n(?P=indent) +\S.*)*)", re.MULTILINE
)
_SYMBOL = re.compile(r":math:(`[^`]+`)")


class MarkdownDocstrings(griffe.Extension):
    """What mkdocstrings reads of a module."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Translate a docstring."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)

    def on_attribute(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Let a public constant or type alias be shown for its value alone."""
        named = attr.parent is not None and attr.name in (attr.parent.exports or ())
        if named and attr.docstring is None and not attr.name.startswith("_"):
            attr.docstring = griffe.Docstring("", parent=attr)

    def on_module(self, *, mod: griffe.Module, **_: Any) -> None:
        """Find the public names that Python finds and a reader of the source does not."""
        if "__all__" in mod.members and not mod.exports:  # made when it is imported
            mod.exports = list(import_module(mod.path).__all__)
        for name in map(str, mod.exports or ()):  # a function in a module of its own name
            home = mod.members.get(name)
            if isinstance(home, griffe.Module) and name in home.members:
                mod.set_member(name, griffe.Alias(name, home.members[name], parent=mod))
                self._translate_members(home)  # to which nothing leads any more

    def _translate_members(self, owner: griffe.Object) -> None:
        for member in owner.members.values():
            if isinstance(member, griffe.Object):  # and no name that was imported
                self.on_object(obj=member)
                self._translate_members(member)


def as_markdown(docstring: str) -> str:
    """The docstring with its doctests and its `.. math::` in fences."""
    text = _DOCTEST.sub(lambda match: _fenced(match["indent"], "pycon", match[0]), docstring)
    text = _FORMULA.sub(lambda match: _fenced(match["indent"], "tex", match["tex"]), text)
    return _SYMBOL.sub(r"\1", text)


def _fenced(indent: str, language: str, lines: str) -> str:
    body = [indent + line.strip() if language == "tex" else line for line in lines.splitlines()]
    return "\n".join([f"{indent}```{language}", *body, f"{indent}```"])
