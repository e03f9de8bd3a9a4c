"""Near duplicates: of passages with almost the same text, the best alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..arguments import check_share
from ..passages import Hit, StageScore
from ..protocols import Where
from .deepening import DeepRetriever

__all__ = ["DistinctRetriever", "shingles", "similarity"]

_WORD = re.compile(r"\w+")
_LENGTH = 5  # characters of a shingle


class DistinctRetriever(DeepRetriever):
    """A retriever that leaves out a passage whose text is almost that of a better one.

    Copies of a page, versions of a document and overlapping chunks take a reader's time twice.
    Two texts are compared as `similarity` says, without a model. A search takes twice as many
    hits from the retriever, and twice as many again until `k` passages are left, or
    1,000 hits are read.

    On SciFact's abstracts, the least similar of 100 copies with three words changed, a frame of
    boilerplate or the last tenth cut off has 0.83, different papers on one subject have 0.39 at
    most. Cosines of the default model are 0.94 and 0.92 there, so they hardly tell them apart.

    Args:
        retriever: anything that `Pipeline` takes.
        similarity: from 0 to 1: what is at least so similar to a better passage is left out. 1
            leaves out what differs in nothing but case, punctuation and blanks.

    Raises:
        InvalidInputError: no retriever, or a `similarity` outside 0 to 1.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([
    ...     Passage("new", "The shaft seal of the pump leaks. Replace it every year."),
    ...     Passage("old", "The shaft seal of the pump leaks; replace it every year!"),
    ...     Passage("other", "A pump needs oil."),
    ... ])
    >>> [hits] = DistinctRetriever(bm25).search(["pump seal"], k=2)
    >>> [hit.passage.id for hit in hits]
    ['new', 'other']
    """

    stage = "distinct"
    hits_per_result = 2

    def __init__(self, retriever: Any, similarity: float = 0.8) -> None:
        super().__init__(retriever)
        self.similarity = check_share(similarity, "similarity")

    def _count(self, hits: Sequence[Hit]) -> int:
        return len(hits)

    def duplicates(self, hits: Sequence[Hit]) -> dict[str, tuple[Hit, float]]:
        """Return the best hit that each duplicate among these is like, and how similar they are.

        Args:
            hits: best first.

        Returns:
            By the duplicate's id; the others are not in it.
        """
        found: dict[str, tuple[Hit, float]] = {}
        distinct: list[tuple[Hit, frozenset[str]]] = []
        for hit in hits:
            own = shingles(hit.passage.text)
            alike = [(other, _jaccard(own, theirs)) for other, theirs in distinct]
            other, value = max(alike, key=lambda pair: pair[1], default=(hit, -1.0))
            if value >= self.similarity:
                found[hit.passage.id] = other, value
            else:
                distinct.append((hit, own))
        return found

    def _lists(
        self,
        queries: Sequence[str],
        found: Sequence[Sequence[Hit]],
        k: int,
        where: Where | None,
    ) -> list[list[Hit]]:
        return [self._best(hits, k) for hits in found]

    def _best(self, hits: Sequence[Hit], k: int) -> list[Hit]:
        left_out = self.duplicates(hits)
        distinct = [hit for hit in hits if hit.passage.id not in left_out]
        return [
            replace(hit, trace=(*hit.trace, StageScore(self.stage, rank, hit.score)))
            for rank, hit in enumerate(distinct[:k], start=1)
        ]


def similarity(text: str, other: str) -> float:
    r"""Return how similar two texts are, from 0 to 1, by what they are written with.

    .. math:: J(A, B) = \frac{|A \cap B|}{|A \cup B|}

    of their sets of shingles, as in A. Z. Broder, *On the Resemblance and Containment of
    Documents*, 1997, here of five characters each, which every script has.

    >>> similarity("The pump leaks.", "the PUMP leaks"), similarity("The pump leaks.", "Add oil.")
    (1.0, 0.0)
    """
    return _jaccard(shingles(text), shingles(other))


def shingles(text: str) -> frozenset[str]:
    """Return all runs of five characters in a text, in lower case, its words one blank apart.

    >>> sorted(shingles("To be!"))
    ['to be']
    """
    plain = " ".join(_WORD.findall(text.casefold()))
    return frozenset(plain[i : i + _LENGTH] for i in range(max(1, len(plain) - _LENGTH + 1)))


def _jaccard(some: frozenset[str], others: frozenset[str]) -> float:
    common = len(some & others)
    return common / (len(some) + len(others) - common)
