"""Small to big: small passages are found, and what they are a part of is returned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from ..arguments import check_count, check_share
from ..errors import InvalidInputError
from ..filters import Filter
from ..filters.fields import Field
from ..passages import Hit, Passage, StageScore
from ..protocols import Where
from .deepening import DeepRetriever
from .families import Family
from .groups import GroupedRetriever
from .links import Links
from .passage_store import PassageStore, passage_store, passing

__all__ = ["ParentRetriever"]


class ParentRetriever(DeepRetriever):
    """A retriever that returns the parents of the passages that it finds, or their neighborhood.

    Small passages, such as sentences, are found best, and long ones are understood best. One index
    is enough: a parent that is no passage of it is put together of its children there. What the
    filter of a search excludes, or a scope of the retriever, is in no text that is put together.

    A result has the score of its best child, and that child's trace; the last entry names the
    child. `k` counts results, and hits beyond those that make so many change nothing. Each search
    reads the store once for the results of all queries.

    Args:
        retriever: anything that `Pipeline` takes.
        parent: the metadata field with the id of a passage's parent, or `Links` for other fields.
            A passage without a parent is returned as it is.
        window: instead of parents, return each child that is found with so many neighbors on each
            side, under its own id; windows that touch become one.
        merge: return a parent only where more than this share of its children are among these
            hits, and else the children themselves.
        store: where the passages are, of a scope what is inside; None for the index or the
            `BM25Retriever` that is searched.

    Raises:
        InvalidInputError: no retriever, no store to be found, both window and merge, a window
            below 1, or a merge outside 0 to 1.

    >>> from hybridge import BM25Retriever, Passage
    >>> from hybridge.sentences import children
    >>> text = "The pump leaks. Turn the valve off. Then replace the seal. Fill in oil."
    >>> bm25 = BM25Retriever(children([Passage("manual", text), Passage("ad", "Pumps for sale!")]))
    >>> [[hit]] = ParentRetriever(bm25).search(["which seal?"])
    >>> hit.passage.id, hit.passage.text == text, hit.trace[-1].passage
    ('manual', True, 'manual#2')
    >>> [[hit]] = ParentRetriever(bm25, window=1).search(["which seal?"])
    >>> hit.passage.text
    'Turn the valve off. Then replace the seal. Fill in oil.'
    """

    stage = "parents"

    def __init__(
        self,
        retriever: Any,
        parent: Field | Links = "parent",
        *,
        window: int | None = None,
        merge: float | None = None,
        store: PassageStore | None = None,
    ) -> None:
        super().__init__(retriever)
        if window is not None and merge is not None:
            raise InvalidInputError(
                f"window={window!r} and merge={merge!r}: a result is a window or a parent; give "
                "one of them"
            )
        self.links = parent if isinstance(parent, Links) else Links(parent)
        self.window = None if window is None else check_count(window, "window")
        self.merge = None if merge is None else check_share(merge, "merge")
        self._store = store
        self.store = self._found()

    def scoped(self, where: Where) -> Self:
        """Return the same around what passes a filter; see `hybridge.scope.scoped`."""
        other = super().scoped(where)
        other.store = other._found()
        return other

    def _found(self) -> PassageStore:
        return passage_store(self.retriever) if self._store is None else self._store

    def candidates(self, k: int) -> int:
        """Return how many hits of the retriever the first round asks for."""
        # A group is mostly that of a parent.
        return k if isinstance(self.retriever, GroupedRetriever) else super().candidates(k)

    def parent(self, passage: Passage) -> str:
        """Return the id of a passage's parent; its own if it has none."""
        return self.links.parent(passage) or passage.id

    def _count(self, hits: Sequence[Hit]) -> int:
        return len(hits)

    def _lists(
        self,
        queries: Sequence[str],
        found: Sequence[Sequence[Hit]],
        k: int,
        where: Where | None,
    ) -> list[list[Hit]]:
        lists = [self._of_first_parents(hits, k) for hits in found]
        within = passing(self.retriever, where, self.store)
        families = self._families((hit.passage for hits in lists for hit in hits), within)
        return [self._results(hits, families, k) for hits in lists]

    def _of_first_parents(self, hits: Sequence[Hit], k: int) -> list[Hit]:
        """Return the hits before the first of one parent too many."""
        parents: set[str] = set()
        for i, hit in enumerate(hits):
            parents.add(self.parent(hit.passage))
            if len(parents) > k:
                return list(hits[:i])
        return list(hits)

    def _families(self, found: Iterable[Passage], where: Filter | None) -> dict[str, Family]:
        """Read the families of the children among these passages, by the parents' ids."""
        own = [passage for passage in found if self.links.parent(passage) is not None]
        if not own:
            return {}
        children: dict[str, list[Passage]] = {self.parent(child): [] for child in own}
        siblings = self.links.family(own, self.window)
        for passage in self.store.matching(siblings if where is None else siblings & where):
            parent = self.links.parent(passage)
            if parent in children:
                children[parent].append(passage)
        stored: dict[str, Passage] = {}
        if self.window is None:
            for each in self.store.get(children):
                if each is not None and (where is None or where.matches(each)):
                    stored[each.id] = each
        return {
            parent: Family(
                parent,
                some,
                self.links,
                stored=stored.get(parent),
                window=self.window,
                merge=self.merge,
            )
            for parent, some in children.items()
        }

    def _results(self, hits: Sequence[Hit], families: Mapping[str, Family], k: int) -> list[Hit]:
        """Return the results of the first hits, no more of them than make `k`."""
        found: dict[Family, dict[int, Hit]] = {}
        counts: Counter[Family] = Counter()
        for hit in hits:
            if counts.total() == k:
                break
            family, position = self._family_of(hit.passage, families)
            found.setdefault(family, {})[position] = hit
            counts[family] = family.count(found[family])
        results: list[tuple[Passage, Hit]] = []
        for family, by_place in found.items():
            for unit in family.units(by_place):
                best = next(hit for position, hit in by_place.items() if position in unit.found)
                results.append((family.result(unit, best.passage), best))
        results.sort(key=lambda pair: (-pair[1].score, pair[0].id))
        return [self._hit(*pair, rank) for rank, pair in enumerate(results, start=1)]

    def _family_of(self, passage: Passage, families: Mapping[str, Family]) -> tuple[Family, int]:
        """Return a passage's family and its position there."""
        family = families.get(self.parent(passage))
        position = None if family is None else family.position(passage)
        if family is None or position is None:
            return Family.alone(passage, self.links), 0
        return family, position

    def _hit(self, passage: Passage, best: Hit, rank: int) -> Hit:
        """Return the hit of a result, with the trace of its best child."""
        child = None if best.passage.id == passage.id else best.passage.id
        entry = StageScore(self.stage, rank, best.score, passage=child)
        return Hit(passage, best.score, (*best.trace, entry))
