"""What passages know of the text that they are a part of: parent and position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeGuard

from ..filters import Eq, Filter, In, Or
from ..filters.fields import Field, lookup, parse_field, spell_field
from ..metadata import JSON
from ..passages import Passage
from .joining import Piece, joined

__all__ = ["Links"]


class Links:
    """How parts of a text, the children, know their parent and their position: by their metadata.

    The fields of `hybridge.sentences.children`, of `hybridge.splitting` (parent ``"source"``), and
    of LangChain's splitters and its `ParentDocumentRetriever` (parent ``"doc_id"``) are understood
    as they are. A subclass can read something else, like LlamaIndex's relationships.

    Args:
        parent: the field with the parent's id, a string or a whole number, as in a filter.
        position: the field with the child's number among its siblings, where there is one.
        start: the field with the position of its first character in the parent, where there is one.

    Raises:
        InvalidInputError: a parent that is no field's name.

    >>> from hybridge.sentences import children
    >>> first, second = children([Passage("p1", "Cats sleep. Dogs bark.")])
    >>> links = Links()
    >>> links.parent(second), links.whole("p1", [first, second]).text
    ('p1', 'Cats sleep. Dogs bark.')
    """

    def __init__(
        self, parent: Field = "parent", *, position: str = "position", start: str = "start_index"
    ) -> None:
        self._path = parse_field(parent)
        self._position = position
        self._start = start

    def parent(self, child: Passage) -> str | None:
        """Return the id of a passage's parent; None for one that has none."""
        value = self._value(child)
        return None if value is None else str(value)

    def family(self, found: Iterable[Passage], window: int | None = None) -> Filter:
        """Return a filter that these children and their siblings pass.

        Args:
            found: children, each with a parent.
            window: how many siblings on each side are needed; None for all.
        """
        by_parent: dict[str | int, list[int | None]] = {}
        for child in found:
            value = self._value(child)
            if value is not None:
                by_parent.setdefault(value, []).append(self._number(child, self._position))
        if window is None:
            return In(self._path, list(by_parent))
        return Or(*(self._near(value, some, window) for value, some in by_parent.items()))

    def placed(self, children: Iterable[Passage]) -> dict[int, Passage]:
        """Return the children of one parent by their positions, in the order of its text.

        Two are neighbors if their positions are. One without a position, or with that of another,
        has the next one: the first characters give the order then, and without them the ids.
        """
        ordered = sorted(children, key=self._order)
        placed: dict[int, Passage] = {}
        before = -1
        for child in ordered:
            before = max(before + 1, self._number(child, self._position) or 0)
            placed[before] = child
        return placed

    def whole(self, parent: str, children: Sequence[Passage]) -> Passage:
        """Return a parent, put together of its children.

        It has the metadata that its children have in common, but for their positions.

        Args:
            parent: its id.
            children: at least one, in the order of their positions.
        """
        first, *others = children
        common = {
            key: value
            for key, value in first.metadata.items()
            if key not in (self._position, self._start)
            and all(key in each.metadata and each.metadata[key] == value for each in others)
        }
        return Passage(parent, self._text(children), common)

    def around(self, child: Passage, children: Sequence[Passage]) -> Passage:
        """Return a child with the text of its neighbors around its own.

        Args:
            child: what was found.
            children: it and its neighbors, in the order of their positions.
        """
        return replace(child, text=self._text(children))

    def __repr__(self) -> str:
        fields = f"position={self._position!r}, start={self._start!r}"
        return f"{type(self).__name__}({spell_field(self._path)!r}, {fields})"

    def _text(self, children: Sequence[Passage]) -> str:
        pieces, heading = [], None
        for child in children:
            # `hybridge.splitting` puts the heading in front of each passage.
            title = child.metadata.get("title")
            begun = f"{title}\n\n" if isinstance(title, str) else None
            repeated = begun is not None and begun == heading
            pieces.append(
                Piece(
                    child.text.removeprefix(begun) if repeated and begun else child.text,
                    self._number(child, self._start),
                    self._number(child, self._position),
                )
            )
            heading = begun if begun and child.text.startswith(begun) else None
        return joined(pieces)

    def _value(self, child: Passage) -> str | int | None:
        values = lookup(child.metadata, self._path)
        value = values[0] if values else None
        return value if (isinstance(value, str) and value) or _is_number(value) else None

    def _near(self, value: str | int, numbers: Sequence[int | None], window: int) -> Filter:
        siblings = Eq(self._path, value)
        near: set[int] = set()
        for number in numbers:
            if number is None:
                return siblings
            near.update(range(number - window, number + window + 1))
        return siblings & In((self._position,), sorted(near))

    def _order(self, child: Passage) -> tuple[float, float, str]:
        numbers = (self._number(child, field) for field in (self._position, self._start))
        position, start = (float("inf") if number is None else number for number in numbers)
        return position, start, child.id

    def _number(self, child: Passage, field: str) -> int | None:
        value = child.metadata.get(field)
        return value if _is_number(value) and value >= 0 else None


def _is_number(value: JSON) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
