"""A little distribution as a user would write it, with a fusion, a reranker and a stage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["install", "run_fresh"]

ENTRY_POINTS = """
[hybridge.fusions]
loudest = loud:Loudest
summed = loud:Summed

[hybridge.rerankers]
shortest = loud:ShortestFirst

[hybridge.stages]
trigrams = loud:Trigrams
"""

MODULE = '''
import asyncio
from dataclasses import replace

from hybridge import StageScore
from hybridge.fusion import check_weights
from hybridge.stages import OpenVectorStage, VectorSearch, VectorStage
from hybridge.vectors import SparseVectors


class Loudest:
    """The greatest of a candidate's weighted scores: no sum."""

    name = "loudest"
    completes = True

    def __init__(self, floor=0.0):
        self.floor = floor

    def fuse(self, runs, weights=None):
        fused = {}
        for run, weight in zip(runs, check_weights(weights, len(runs)), strict=True):
            for candidate, score in run.items():
                fused[candidate] = max(fused.get(candidate, self.floor), weight * score)
        return fused

    def to_config(self):
        return {"name": self.name, "floor": self.floor}


class Summed(Loudest):
    """The sum of a candidate's weighted scores."""

    name = "summed"

    def fuse(self, runs, weights=None):
        fused = {}
        for run, weight in zip(runs, check_weights(weights, len(runs)), strict=True):
            for candidate, score in run.items():
                fused[candidate] = fused.get(candidate, self.floor) + weight * score
        return fused


class ShortestFirst:
    """Ranks candidates by the length of their texts."""

    def __init__(self, unit=1):
        self.unit = unit

    def rerank(self, queries, candidates, k=None):
        return [self._ranked(hits)[:k] for hits in candidates]

    async def arerank(self, queries, candidates, k=None):
        return await asyncio.to_thread(self.rerank, queries, candidates, k)

    def _ranked(self, hits):
        length = {hit.passage.id: -float(len(hit.passage.text)) / self.unit for hit in hits}
        best = sorted(hits, key=lambda hit: (-length[hit.passage.id], hit.passage.id))
        return [
            replace(
                hit,
                score=length[hit.passage.id],
                trace=(*hit.trace, StageScore("shortest", rank, length[hit.passage.id])),
            )
            for rank, hit in enumerate(best, start=1)
        ]


class Trigrams(VectorStage):
    """Groups of three letters, by how many of them a passage has."""

    kind = "trigrams"
    vectors = SparseVectors()

    def __init__(self, name="trigrams", size=3):
        self.name = name
        self.size = size

    @property
    def identity(self):
        return f"trigrams of {self.size}"

    def encode_passages(self, texts):
        return [self._encoded(text.lower()) for text in texts]

    encode_queries = encode_passages

    def _encoded(self, text):
        groups = {text[i : i + self.size] for i in range(len(text) - self.size + 1)}
        numbers = {sum(ord(c) * 31**i for i, c in enumerate(group)) for group in groups}
        return sorted(numbers), [1.0] * len(numbers)

    def to_config(self):
        return {"size": self.size}

    @classmethod
    def restored(cls, record, given=None, stages=()):
        return cls(record.name, **record.config)

    def open(self, storage):
        return OpenTrigrams(storage, self)


class OpenTrigrams(OpenVectorStage):
    def begin(self, encoded):
        return TrigramSearch(self._storage, encoded)


class TrigramSearch(VectorSearch):
    def contributions(self, points):
        [scores] = self.exact([points])
        return [{"groups in common": scores[point]} for point in points]
'''


def install(
    folder: Path,
    *,
    name: str = "loud",
    version: str = "1.0",
    entry_points: str = ENTRY_POINTS,
    module: str = MODULE,
) -> Path:
    """Write a distribution, as an installer leaves it, into a folder for `sys.path`.

    Args:
        folder: an existing folder.
        name: of the distribution and of its one module.
        version: of the distribution.
        entry_points: the content of its ``entry_points.txt``.
        module: the content of its module.
    """
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(entry_points)
    (folder / f"{name}.py").write_text(module)
    return folder


def run_fresh(code: str, *arguments: str | Path, path: Path | None = None) -> str:
    """Run code in a new process that has this process's path and one more folder.

    Args:
        code: what to run.
        arguments: its ``sys.argv[1:]``.
        path: the folder of a distribution.

    Returns:
        What it printed.
    """
    folders = [str(path)] if path else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*folders, *filter(None, sys.path)])}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
