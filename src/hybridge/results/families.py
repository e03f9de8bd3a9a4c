"""The children of one parent, and what is returned for those of them that are found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..passages import Passage
from .links import Links

__all__ = ["Family", "Unit"]

_PARENT = -1  # the position of a parent that is found itself


@dataclass(frozen=True, slots=True)
class Unit:
    """What makes one result.

    Args:
        found: the positions of the children that were found.
        returned: the positions of those that are returned together; None for the parent.
    """

    found: Sequence[int]
    returned: Sequence[int] | None


class Family:
    """A parent and its children in a store, and how much of them a result takes.

    Args:
        parent: the parent's id.
        children: those that a search may return.
        links: how they are placed and put together.
        stored: the parent, where it is a passage of the store.
        window: neighbors on each side of a child, in a result; None for the parent.
        merge: the share of the children above which the parent is returned; None for always.
    """

    def __init__(
        self,
        parent: str,
        children: Iterable[Passage],
        links: Links,
        *,
        stored: Passage | None = None,
        window: int | None = None,
        merge: float | None = None,
    ) -> None:
        self._parent = parent
        self._children = links.placed(children)
        self._positions = {child.id: position for position, child in self._children.items()}
        self._links = links
        self._stored = stored
        self._window = window
        self._merge = merge

    @classmethod
    def alone(cls, passage: Passage, links: Links) -> Family:
        """Return the family of a passage that is returned as it is."""
        return cls(passage.id, (), links, stored=passage)

    def position(self, passage: Passage) -> int | None:
        """Return the position of a child, or of the parent; None for what is returned apart."""
        if passage.id == self._parent and self._window is None:
            return _PARENT
        return self._positions.get(passage.id)

    def count(self, positions: Collection[int]) -> int:
        """Return how many units the children of these positions make, at least one."""
        if self._window is None and self._merge is None:
            return 1
        return len(self.units(positions))

    def units(self, positions: Collection[int]) -> list[Unit]:
        """Return the units that the children of these positions make."""
        found = sorted(positions)
        if not found:
            return []
        if self._window is not None:
            return [self._around(group) for group in _groups(found, 2 * self._window + 1)]
        if (
            self._merge is None
            or found[0] == _PARENT
            or len(found) > self._merge * len(self._children)
        ):
            return [Unit(found, None)]
        return [Unit([position], [position]) for position in found]

    def result(self, unit: Unit, best: Passage) -> Passage:
        """Return the passage of a unit, of whose children `best` was found first."""
        if unit.returned is None:
            return self._stored or self._links.whole(self._parent, [*self._children.values()])
        children = [self._children[position] for position in unit.returned]
        return best if len(children) == 1 else self._links.around(best, children)

    def _around(self, found: Sequence[int]) -> Unit:
        assert self._window is not None
        first, last = found[0] - self._window, found[-1] + self._window
        return Unit(found, [position for position in self._children if first <= position <= last])


def _groups(positions: Sequence[int], reach: int) -> list[Sequence[int]]:
    """Divide positions in ascending order where two are further apart than `reach`."""
    cuts = [i for i, (one, other) in enumerate(pairwise(positions), 1) if other - one > reach]
    return [positions[i:j] for i, j in pairwise([0, *cuts, len(positions)])]
