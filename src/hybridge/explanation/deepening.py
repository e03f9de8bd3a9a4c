"""The explanation of retrievers that make results of another's hits: groups, distinct, parents."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from ..passages import Hit, Passage
from ..protocols import Where
from ..results import DeepRetriever, DistinctRetriever, GroupedRetriever, ParentRetriever
from ..results.deepening import InnerSearch
from .explainer import Explainer
from .model import Explanation

__all__ = ["DeepExplainer", "DistinctExplainer", "GroupsExplainer", "ParentsExplainer"]

R = TypeVar("R", bound=DeepRetriever)


class DeepExplainer(Generic[R]):
    """The explainer of a `DeepRetriever`.

    Args:
        retriever: what is searched.
        query: not blank.
        k: results the search returns.
        where: the filter of the search.
        explainer: returns the explainer of the retriever inside, for a number of hits.
    """

    def __init__(
        self,
        retriever: R,
        query: str,
        k: int,
        where: Where | None,
        explainer: Callable[[int], Explainer],
    ) -> None:
        self._retriever = retriever
        self._k = k
        self.hits = self._search(query, where, explainer)
        self._ranks = {hit.passage.id: rank for rank, hit in enumerate(self.hits, start=1)}
        self._found = {hit.passage.id: hit for hit in self._inner.hits}
        rest = [hit for hit in self._inner.candidates if hit.passage.id not in self._ranks]
        self.candidates = [*self.hits, *rest]

    def _search(
        self, query: str, where: Where | None, explainer: Callable[[int], Explainer]
    ) -> list[Hit]:
        """Run the search over explainers of the inner searches, of which the last one stays."""
        steps = self._retriever.steps([query], self._k, where)
        step = next(steps)
        while True:
            if isinstance(step, InnerSearch):
                self._inner = explainer(step.k)
                answer = [self._inner.hits]
            else:
                answer = step.run()
            try:
                step = steps.send(answer)
            except StopIteration as end:
                return list(end.value[0])

    def get(self, passage_id: str, default: Passage | None) -> Passage | None:
        if passage_id in self._ranks:
            return self.hits[self._ranks[passage_id] - 1].passage
        return self._inner.get(passage_id, default)

    def explain(self, passages: Sequence[Passage]) -> list[Explanation]:
        inner = self._inner.explain([self._searched(passage) for passage in passages])
        return [
            self._explanation(explanation, passage)
            for explanation, passage in zip(inner, passages, strict=True)
        ]

    def _explanation(self, inner: Explanation, passage: Passage) -> Explanation:
        rank = self._ranks.get(passage.id)
        if rank is not None:
            hit = self.hits[rank - 1]
            return replace(
                inner,
                passage=hit.passage,
                rank=rank,
                score=hit.score,
                missed=None,
                trace=hit.trace,
            )
        if inner.rank is None:
            return inner
        missed = self._missed(self._found[passage.id])
        return replace(inner, rank=None, score=None, missed=missed)

    def _searched(self, passage: Passage) -> Passage:
        """Return the passage that the retriever inside found for this one."""
        return passage

    @abstractmethod
    def _missed(self, hit: Hit) -> str:
        """Return why a hit of the retriever inside is no result."""


class GroupsExplainer(DeepExplainer[GroupedRetriever]):
    """The explainer of a `GroupedRetriever`; arguments as for `DeepExplainer`."""

    def _missed(self, hit: Hit) -> str:
        key = self._retriever.key
        own = key(hit.passage)
        keys = [key(each.passage) for each in self._inner.hits]
        value = self._retriever.group_of(hit.passage)
        named = "it is a group by itself" if value is None else "its group"
        if value is not None:
            named += f", {self._retriever.field} {value!r},"
        rank = list(dict.fromkeys(keys)).index(own) + 1
        if rank > self._k:
            named = f"{named}, which" if value is None else named
            return f"{named} ranks {rank} of the groups, and k is {self._k}"
        number = keys[: self._inner.hits.index(hit) + 1].count(own)
        return (
            f"it is number {number} of its group, "
            f"{self._retriever.field} {value!r}, and per_group is {self._retriever.per_group}"
        )


class DistinctExplainer(DeepExplainer[DistinctRetriever]):
    """The explainer of a `DistinctRetriever`; arguments as for `DeepExplainer`."""

    def _missed(self, hit: Hit) -> str:
        duplicates = self._retriever.duplicates(self._inner.hits)
        if hit.passage.id in duplicates:
            other, similarity = duplicates[hit.passage.id]
            return (
                f"it is a near duplicate of {other.passage.id!r}: their similarity is "
                f"{similarity:.2f}, and from {self._retriever.similarity:g} on only the better one "
                "stays"
            )
        left = [each for each in self._inner.hits if each.passage.id not in duplicates]
        rank = left.index(hit) + 1
        return f"it ranks {rank} of what is left without near duplicates, and k is {self._k}"


class ParentsExplainer(DeepExplainer[ParentRetriever]):
    """The explainer of a `ParentRetriever`; arguments as for `DeepExplainer`."""

    def _searched(self, passage: Passage) -> Passage:
        rank = self._ranks.get(passage.id)
        if rank is None:
            return passage
        child = self.hits[rank - 1].trace[-1].passage or passage.id
        return self._found[child].passage

    def _missed(self, hit: Hit) -> str:
        parent = self._retriever.parent(hit.passage)
        for rank, result in enumerate(self.hits, start=1):
            best = self._found[result.trace[-1].passage or result.passage.id].passage
            if self._retriever.parent(best) == parent and hit.passage.text in result.passage.text:
                return f"{result.passage.id!r} at {rank} has its text, and is returned instead"
        rank = [each.passage.id for each in self._inner.hits].index(hit.passage.id) + 1
        return (
            f"it ranks {rank} of the passages that were found, and better ones make the "
            f"{self._k} results that k asks for"
        )
