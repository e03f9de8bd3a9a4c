"""What a reranker under test has in common with every other: the candidates and the checkpoints."""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from corpus import Corpus
from hybridge.passages import Passage
from measure import NotKept, Search

__all__ = ["DEPTHS", "Job", "RerankingSystem"]

DEPTHS = (50, 100)


@dataclass(frozen=True)
class Job:
    """What is reranked and by which models; kept in a file that the systems' processes read.

    Args:
        candidates: query → the ids that hybrid search found, best first, the greatest depth long.
        cross_encoder: the folder of that model.
        colbert: the folder of that checkpoint.
        cache: the folder of token vectors.
    """

    candidates: dict[str, list[str]]
    cross_encoder: str
    colbert: str
    cache: str

    def write(self, folder: Path) -> None:
        (folder / "job.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Job:
        return cls(**json.loads((folder / "job.json").read_text(encoding="utf-8")))


class RerankingSystem(NotKept):
    """A system under test, for `measure.Worker`; each search reranks a query's first candidates.

    Args:
        corpus: where the candidates' texts are.
        folder: where the `Job` is.
    """

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self.job = Job.read(folder)
        passages = {passage.id: passage for passage in corpus.passages}
        self._given = {
            query: [self.wrap(passages[each]) for each in ids]
            for query, ids in self.job.candidates.items()
        }
        self.searches: dict[str, Search] = {}

    def build(self) -> None:
        self.load()
        self.searches = {f"top {depth}": partial(self._search, depth) for depth in DEPTHS}

    @abstractmethod
    def wrap(self, passage: Passage) -> Any:
        """A candidate as this system's users have it; not part of what is timed."""

    @abstractmethod
    def load(self) -> None:
        """Loads the model."""

    @abstractmethod
    def rerank(self, query: str, candidates: list[Any]) -> list[str]:
        """All ids, best first."""

    def _search(self, depth: int, query: str, k: int) -> list[str]:
        return self.rerank(query, self._given[query][:depth])[:k]
