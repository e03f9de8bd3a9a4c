"""`FlooredRetriever`: nothing relevant gives nothing, by a minimum on a stage's own score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import compress
from math import isfinite
from numbers import Real
from typing import Any, Literal, Self

from ..errors import InvalidInputError
from ..passages import Hit
from ..protocols import Where
from .stages import exact_scores, mixed_scores, stages_in
from .wrapping import RetrieverWrapper

__all__ = ["FlooredRetriever", "check_floor"]

_INSTEAD = (
    "take a cosine, a cross-encoder's probability or late interaction's score per token, as in "
    '{"dense": 0.3}'
)


class FlooredRetriever(RetrieverWrapper):
    """A retriever that drops hits which a stage scores too low, so that a search may find nothing.

    A hit passes if each named stage scores it at least the minimum given for it. ``of="hit"`` drops
    the others; ``of="list"`` drops all hits of a query if none passes, and otherwise none: so it
    keeps an answer that shares words with its question but has a low cosine, where a hit beside it
    passes. The order and the scores of a list stay as they are, and `k` is the most that is left:
    no further candidates fill the places of those that are dropped.

    A minimum is on the stage's own score, which depends on the query and the passage alone, on a
    scale that is the same for all queries: the cosine or dot product of a dense stage; of a
    cross-encoder, the probability (the sigmoid of its raw score, whatever its ``sigmoid`` is); of
    late interaction, MaxSim divided by the number of the query's tokens; of another reranker, its
    score. A score is taken from the hit's trace. Where only other stages found the passage, the
    stage scores it now, exactly; of a parent, the child that was found. A passage that a stage does
    not hold, in a `FusedRetriever` over several collections, is held to the minima of the stages
    that do, and dropped if none does.

    No minimum fits the scores of BM25 and of learned sparse vectors, which grow with the query's
    words, or those of a fusion, a blend or a boost, which depend on the list that they are in: the
    best hit of nonsense gets as much as the best answer.

    Args:
        retriever: anything that `Pipeline` takes: an index, a pipeline, a `FusedRetriever`, another
            wrapper.
        floor: stage → minimum. A stage is named as in traces: of the member "notes" of a
            `FusedRetriever`, "notes/dense". `hybridge.tuning.calibrate_floor` finds the minimum.
        of: what is held to the floor, ``"hit"`` or ``"list"``.

    Attributes:
        retriever: the retriever.
        floor: what was given.
        of: what was given.

    Raises:
        InvalidInputError: a stage that the retriever does not have or whose scores no minimum fits,
            a minimum that is no finite number, none at all, or another `of`.

    >>> from hybridge import CallableEncoder, HybridIndex, Passage
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count("a"), text.count("e")] for text in texts],
    ...     dimension=2, identity="letters",
    ... )
    >>> with HybridIndex.create(encoder=letters) as index:
    ...     index.add([Passage("p1", "Bananas and apples"), Passage("p2", "Green beets")])
    ...     floored = FlooredRetriever(index, {"dense": 0.9})
    ...     [[hit.passage.id for hit in hits] for hits in floored.search(["a banana", "ae"])]
    2
    [['p1'], []]
    """

    stage = "floor"
    drops = True

    def __init__(
        self, retriever: Any, floor: Mapping[str, float], *, of: Literal["hit", "list"] = "hit"
    ) -> None:
        super().__init__(retriever)
        self.floor, self.of = check_floor(floor, of), of
        self._stages = self._found()

    def scoped(self, where: Where) -> Self:
        """Return the same around what passes a filter; see `hybridge.scope.scoped`."""
        other = super().scoped(where)
        other._stages = other._found()
        return other

    def _found(self) -> dict[str, Any]:
        """Return the retriever's stages that the floor is on, by name."""
        stages = stages_in(self.retriever)
        return {name: _checked(name, stages, self.retriever) for name in self.floor}

    def scores(
        self, queries: Sequence[str], hits: Sequence[Sequence[Hit]]
    ) -> list[list[dict[str, float]]]:
        """Return what is held to the floor: each hit's score by each stage that can score it.

        Args:
            queries: plain text.
            hits: one list a query.
        """
        held: list[list[dict[str, float]]] = [[{} for _ in some] for some in hits]
        for name, stage in self._stages.items():
            for row, scores in zip(held, _scores(name, stage, queries, hits), strict=True):
                for each, score in zip(row, scores, strict=True):
                    if score is not None:
                        each[name] = score
        return held

    def passes(self, scores: Mapping[str, float]) -> bool:
        """Return whether a hit of these scores stays."""
        return bool(scores) and all(score >= self.floor[name] for name, score in scores.items())

    def _lists(
        self,
        queries: Sequence[str],
        found: Sequence[Sequence[Hit]],
        k: int,
        where: Where | None,
    ) -> list[list[Hit]]:
        return self.above(queries, found)

    def above(self, queries: Sequence[str], found: Sequence[Sequence[Hit]]) -> list[list[Hit]]:
        """Return of each query's hits those that stay.

        Args:
            queries: plain text.
            found: hits of each.
        """
        passing = [list(map(self.passes, scores)) for scores in self.scores(queries, found)]
        if self.of == "list":
            return [
                list(hits) if any(some) else [] for hits, some in zip(found, passing, strict=True)
            ]
        return [list(compress(hits, some)) for hits, some in zip(found, passing, strict=True)]

    def __repr__(self) -> str:
        return f"FlooredRetriever({self.retriever!r}, {self.floor!r}, of={self.of!r})"


def check_floor(floor: Mapping[str, float], of: str = "hit") -> dict[str, float]:
    """Validate a floor, apart from a retriever, and return it with its minima as floats.

    Raises:
        InvalidInputError: no mapping, an empty one, a minimum that is no finite number, or an `of`
            that is neither ``"hit"`` nor ``"list"``.

    >>> check_floor({"dense": 0})
    {'dense': 0.0}
    """
    if not isinstance(floor, Mapping) or not floor:
        raise InvalidInputError(
            f'a floor names stages and their minima, as in {{"dense": 0.3}}, not {floor!r:.100}'
        )
    if of not in ("hit", "list"):
        raise InvalidInputError(f'a floor is of each "hit" or of the "list", not of {of!r}')
    for name, minimum in floor.items():
        is_number = isinstance(minimum, Real) and not isinstance(minimum, bool)
        if not isinstance(name, str) or not is_number or not isfinite(minimum):
            raise InvalidInputError(
                f"the minimum of a stage is a finite number, not {name!r}: {minimum!r}"
            )
    return {name: float(minimum) for name, minimum in floor.items()}


def _checked(name: str, stages: Mapping[str, Any], retriever: Any) -> Any:
    """Return the stage of this name, if a floor can be set on it."""
    if name not in stages:
        own = mixed_scores(retriever)
        mixed = name in {own, "fusion", "boost", "mmr"} or name.endswith((":blend", "/fusion"))
        if mixed or mixed_scores(_member(name, retriever)) is not None:
            raise InvalidInputError(
                f"{name!r} scores depend on the list that they are in, so that the best hit scores "
                f"high though nothing is relevant: no minimum fits them; {_INSTEAD}"
            )
        fitting = [each for each in stages if not _reason(each, stages[each])]
        raise InvalidInputError(
            f"there is no stage {name!r} to set a floor on: there is {fitting or 'none'}"
        )
    if reason := _reason(name, stages[name]):
        raise InvalidInputError(reason)
    return stages[name]


def _member(name: str, retriever: Any) -> Any:
    return getattr(retriever, "retrievers", {}).get(name)


def _reason(name: str, stage: Any) -> str:
    """Return why no floor can be set on a stage; "" if one can."""
    if getattr(stage, "query_dependent", False):
        return (
            f"{name!r} scores grow with the words of the query, without an upper bound, or are "
            f"ranks, so that no minimum fits all queries: {_INSTEAD}"
        )
    if not any(callable(getattr(stage, verb, None)) for verb in ("score", "rerank")):
        return (
            f"{name!r} is a {type(stage).__name__}, which scores only what it finds: a floor needs "
            "a method score(queries, ids), see hybridge.protocols.Scorer"
        )
    return ""


def _scores(
    name: str, stage: Any, queries: Sequence[str], lists: Sequence[Sequence[Hit]]
) -> list[list[float | None]]:
    """Return a stage's comparable score of each hit; None for one that it cannot score."""
    traced = [
        {hit.passage.id: entry.score for hit in hits if (entry := hit.stage(name)) is not None}
        for hits in lists
    ]
    missing = [
        [hit for hit in hits if hit.passage.id not in scored]
        for hits, scored in zip(lists, traced, strict=True)
    ]
    unscored = [i for i, hits in enumerate(missing) if hits]
    if unscored:
        children = [list(map(_as_found, missing[i])) for i in unscored]
        exact = exact_scores(stage, [queries[i] for i in unscored], children)
        for i, some, scores in zip(unscored, children, exact, strict=True):
            for hit, child in zip(missing[i], some, strict=True):
                if (score := scores.get(child.passage.id)) is not None:
                    traced[i][hit.passage.id] = score
    compare = getattr(stage, "comparable_scores", None)
    if compare is not None:
        rows = [i for i, scores in enumerate(traced) if scores]
        compared = compare([queries[i] for i in rows], [list(traced[i].values()) for i in rows])
        for i, values in zip(rows, compared, strict=True):
            traced[i] = dict(zip(traced[i], values, strict=True))
    return [
        [scored.get(hit.passage.id) for hit in hits]
        for hits, scored in zip(lists, traced, strict=True)
    ]


def _as_found(hit: Hit) -> Hit:
    """Return a hit under the id that stages scored: that of a parent's best child."""
    child = next((entry.passage for entry in hit.trace if entry.passage is not None), None)
    return hit if child is None else replace(hit, passage=replace(hit.passage, id=child))
