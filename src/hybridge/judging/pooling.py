"""The passages to grade for a question: what every stage and reranker finds, in a blind order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from ..arguments import check_k
from ..errors import InvalidInputError
from ..frameworks import as_retriever
from ..index import HybridIndex
from ..passages import Passage
from ..pipeline import Pipeline
from ..protocols import Reranker, Retriever, Where

__all__ = ["Candidate", "judging_order", "pool", "pooled_retrievers"]

_RERANKED = 50  # candidates of a reranker, as in a `Pipeline`


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage to grade.

    Args:
        passage: the passage.
        ranks: retriever → the passage's rank in its list, from 1, for those that found it.
    """

    passage: Passage
    ranks: Mapping[str, int]


def pool(
    index: HybridIndex,
    query: str,
    depth: int = 10,
    *,
    rerankers: Mapping[str, Reranker] | None = None,
    others: Mapping[str, object] | None = None,
    where: Where | None = None,
) -> list[Candidate]:
    """Return the passages that any of the systems to compare finds for a question, sorted by id.

    What is not in the pool has no grade, and counts as not relevant. So all that is to be compared
    later belongs in it: each stage alone, the search of all stages, that search with each
    reranker, and other retrievers. K. Spärck Jones and C. J. van Rijsbergen, *Report on the Need
    for and Provision of an 'Ideal' Information Retrieval Test Collection*, 1975.

    Args:
        index: an open index.
        query: the question.
        depth: the passages of each list.
        rerankers: name → reranker.
        others: name → a further retriever: an index with another model, for example.
        where: only passages that pass this filter.

    Raises:
        InvalidInputError: a bad depth, or a name that comes twice.

    >>> from hybridge import CallableEncoder, HybridIndex
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count("a"), text.count("e")] for text in texts],
    ...     dimension=2, identity="letters",
    ... )
    >>> with HybridIndex.create(encoder=letters) as index:
    ...     index.add([Passage("p1", "Bananas and apples"), Passage("p2", "Green beets")])
    ...     [(each.passage.id, dict(each.ranks)) for each in pool(index, "apples", depth=1)]
    2
    [('p1', {'bm25': 1, 'dense': 1, 'hybrid': 1})]
    """
    check_k(depth)
    passages: dict[str, Passage] = {}
    ranks: dict[str, dict[str, int]] = {}
    for name, retriever in pooled_retrievers(index, depth, rerankers or {}, others or {}).items():
        [hits] = retriever.search([query], depth, where=where)
        for rank, hit in enumerate(hits, start=1):
            passages.setdefault(hit.passage.id, hit.passage)
            ranks.setdefault(hit.passage.id, {}).setdefault(name, rank)
    return [Candidate(passages[passage], ranks[passage]) for passage in sorted(passages)]


def pooled_retrievers(
    index: HybridIndex,
    depth: int,
    rerankers: Mapping[str, Reranker],
    others: Mapping[str, object] | None = None,
) -> dict[str, Retriever]:
    """Return the systems of a pool: the stages, "hybrid", each reranker behind it, and others.

    Raises:
        InvalidInputError: a name that comes twice.
    """
    systems: list[tuple[str, Retriever]] = [*index.stages.items(), ("hybrid", index)]
    reranked = max(depth, _RERANKED)
    systems += [(name, Pipeline(index, each, depth=reranked)) for name, each in rerankers.items()]
    systems += [(name, as_retriever(each)) for name, each in (others or {}).items()]
    named: dict[str, Retriever] = {}
    for name, system in systems:
        if name in named:
            raise InvalidInputError(
                f"two systems have the name {name!r}: the index has its stages and 'hybrid', so "
                "give rerankers and others different names"
            )
        named[name] = system
    return named


def judging_order(passages: Iterable[str], question: str, judge: str) -> list[str]:
    """Return the ids of passages in a judge's order for a question: random, and always the same.

    The order says nothing of who found what, and each judge has another one, so that what tires
    or sways a judge does not sway all in the same place. Further passages come in between without
    changing the order of those that were there.

    Args:
        passages: their ids.
        question: the question's id.
        judge: the judge's name.

    >>> judging_order(["a", "b", "c"], "q1", "Ann")
    ['c', 'b', 'a']
    >>> judging_order(["c", "b"], "q1", "Ann")
    ['c', 'b']
    """

    def key(passage: str) -> tuple[bytes, str]:
        digest = blake2b(digest_size=16)
        for part in (judge, question, passage):
            digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
        return digest.digest(), passage

    return sorted(passages, key=key)
