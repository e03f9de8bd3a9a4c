"""Judged collections and what retrievers are worth on them.

The collections are in BEIR's layout; the measures are trec_eval's, computed by `ir-measures`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import check_k
from .errors import InvalidInputError, MissingExtraError
from .passages import Passage
from .readers import read_jsonl

if TYPE_CHECKING:
    import os

    from .protocols import Retriever

__all__ = ["MEASURES", "Collection", "Evaluation", "evaluate", "load_beir"]

logger = logging.getLogger(__name__)

MEASURES = ("nDCG@10", "R@100", "RR@10")

_BATCH = 256  # queries a search: the hits of a large query set would not fit in memory


@dataclass(frozen=True, slots=True)
class Collection:
    """Passages, questions to ask of them, and which passages answer which question.

    Args:
        passages: what is searched.
        queries: query id → the question.
        qrels: query id → passage id → relevance, 0 for a passage judged not relevant.
    """

    passages: Sequence[Passage]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The value of each measure for each query, by retriever.

    Args:
        values: retriever → measure → query id → value, for the queries that have judgements.

    >>> print(Evaluation({"bm25": {"RR@10": {"q1": 1.0, "q2": 0.5}}}))
          RR@10
    bm25  0.7500
    """

    values: Mapping[str, Mapping[str, Mapping[str, float]]]

    def mean(self, retriever: str, measure: str) -> float:
        """The mean over the queries: the figure that papers report."""
        values = self.values[retriever][measure].values()
        return sum(values) / len(values)

    @property
    def measures(self) -> list[str]:
        """The measures, in the order they were asked for."""
        return list(next(iter(self.values.values()), {}))

    def __str__(self) -> str:
        width = max(map(len, self.values), default=0)
        lines = [" " * width + "".join(f"  {measure:<6}" for measure in self.measures)]
        for name in self.values:
            means = (
                f"  {self.mean(name, measure):<{max(6, len(measure))}.4f}"
                for measure in self.measures
            )
            lines.append(f"{name:<{width}}" + "".join(means))
        return "\n".join(line.rstrip() for line in lines)


def load_beir(folder: str | os.PathLike[str], split: str = "test") -> Collection:
    """A collection in BEIR's layout: corpus.jsonl, queries.jsonl and qrels/<split>.tsv.

    A passage's text is its title, a blank and its text. Only the split's judged queries are kept.

    Args:
        folder: where the files are.
        split: which judgements: "train", "dev" or "test", as far as the collection has them.

    Raises:
        InvalidInputError: a file is missing or truncated, or the files do not fit each other; the
            message gives file and line.
    """
    root = Path(folder)
    judgements = root / "qrels" / f"{split}.tsv"
    splits = sorted(path.stem for path in root.glob("qrels/*.tsv"))
    for file in (root / "corpus.jsonl", root / "queries.jsonl", judgements):
        if not file.is_file():
            has = f"; it has the splits {', '.join(splits)}" if splits else ""
            raise InvalidInputError(
                f"{str(root)!r} is not a collection in BEIR's layout with the split {split!r}: "
                f"there is no {file.relative_to(root).as_posix()}{has}"
            )
    passages = list(read_jsonl(root / "corpus.jsonl"))
    qrels = _read_qrels(judgements)
    questions = {query.id: query.text for query in read_jsonl(root / "queries.jsonl")}
    if unknown := sorted(qrels.keys() - questions.keys()):
        raise InvalidInputError(
            f"{judgements} judges {len(unknown)} queries that queries.jsonl lacks "
            f"(the first: {unknown[0]!r}): is queries.jsonl truncated?"
        )
    known = {passage.id for passage in passages}
    if len(known) < len(passages):
        raise InvalidInputError(f"{root / 'corpus.jsonl'}: passage ids come more than once")
    missing = sorted({doc for judged in qrels.values() for doc in judged} - known)
    if missing:  # some published collections are like that, so it is no error
        logger.warning(
            "%s judges %d passages that corpus.jsonl lacks (the first: %r): they are never found",
            judgements,
            len(missing),
            missing[0],
        )
    return Collection(passages, {query: questions[query] for query in qrels}, qrels)


def evaluate(
    retrievers: Retriever | Mapping[str, Retriever],
    collection: Collection,
    measures: Sequence[str] = MEASURES,
    k: int = 100,
) -> Evaluation:
    """What each retriever's lists are worth by each measure.

    As in trec_eval, queries without judgements do not count and unjudged passages are not
    relevant; a judged query that finds nothing counts as 0. A list is judged in the order in
    which it was returned, whatever its scores.

    Args:
        retrievers: one retriever, which the result calls by its class, or name → retriever.
        collection: what to ask and what the answers are; the retrievers hold its passages.
        measures: names that ir-measures knows, for example "nDCG@10", "AP@100" or "Success@5".
        k: how many passages to ask for, at least the largest cutoff of the measures.

    Raises:
        InvalidInputError: an unknown measure, one that needs more than `k` passages, or a
            collection without judgements.
        MissingExtraError: the extra `cli` is not installed.
    """
    named = (
        retrievers if isinstance(retrievers, Mapping) else {type(retrievers).__name__: retrievers}
    )
    queries = [query for query in collection.queries if query in collection.qrels]
    if not queries:
        raise InvalidInputError("the collection has no query with judgements")
    judge = _Judge(measures, {query: collection.qrels[query] for query in queries}, check_k(k))
    texts = [collection.queries[query] for query in queries]
    return Evaluation(
        {
            name: judge(dict(zip(queries, _ranked(retriever, texts, k), strict=True)))
            for name, retriever in named.items()
        }
    )


def _ranked(retriever: Retriever, queries: list[str], k: int) -> list[list[str]]:
    return [
        [hit.passage.id for hit in hits]
        for start in range(0, len(queries), _BATCH)
        for hits in retriever.search(queries[start : start + _BATCH], k)
    ]


class _Judge:
    """Turns ranked ids into values; made before anything is searched, so that mistakes show."""

    def __init__(
        self, measures: Sequence[str], qrels: Mapping[str, Mapping[str, int]], k: int
    ) -> None:
        try:
            import ir_measures
        except ImportError as error:
            raise MissingExtraError("ir-measures", "cli") from error
        if isinstance(measures, str) or not measures:
            raise InvalidInputError(
                f'measures must be a list such as ["nDCG@10"], not {measures!r}'
            )
        self._names: dict[Any, str] = {}
        try:
            for name in measures:
                self._names[ir_measures.parse_measure(name)] = name
            judged = {query: dict(judgements) for query, judgements in qrels.items()}
            self._evaluator = ir_measures.evaluator(list(self._names), judged)
        except (NameError, ValueError) as error:
            raise InvalidInputError(
                f"cannot compute {', '.join(measures)}: {error}: "
                "give measures that ir-measures knows, such as 'nDCG@10'"
            ) from error
        for measure, name in self._names.items():
            if measure.params.get("cutoff", 0) > k:
                raise InvalidInputError(
                    f"{name} needs k of at least {measure.params['cutoff']}, not {k}"
                )
        self._queries = list(qrels)

    def __call__(self, ranked: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
        # Ranks as scores: trec_eval sorts by score and breaks ties its own way.
        run = {
            query: {i: float(-rank) for rank, i in enumerate(ids)} for query, ids in ranked.items()
        }
        values = {name: dict.fromkeys(self._queries, 0.0) for name in self._names.values()}
        for metric in self._evaluator.iter_calc(run):
            values[self._names[metric.measure]][metric.query_id] = float(metric.value)
        return values


def _read_qrels(path: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            query_id, passage_id, relevance = line.decode().rstrip("\r").split("\t")
            qrels.setdefault(query_id, {})[passage_id] = int(relevance)
        except ValueError:
            if number == 1:
                continue  # the header
            raise InvalidInputError(
                f"{path}, line {number}: expected a query id, a passage id and a whole number "
                f"with tabs between them, not {line!r:.80}: is the file truncated?"
            ) from None
    if not qrels:
        raise InvalidInputError(f"{path}: there is no judgement in it")
    return qrels
