"""The passages of an index, copied into another one with the vectors that they have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from ..fusion import from_config
from ..iteration import progress_over
from ..passages import Passage
from ..search_text import SearchText
from ..stages.bm25 import BM25
from ..stages.stage import Stage
from ..stages.vector import VectorStage
from ..vectors.cluster import Cluster
from ..vectors.options import DenseVectors
from .lock import IndexLock
from .manifest import Manifest
from .settings import make_manifest
from .storage import Storage

__all__ = ["Copy", "copy_passages", "manifest_of_copy", "stages_elsewhere", "staying"]


class Copy(Protocol):
    """The index that is copied into: a `HybridIndex`."""

    def add(
        self, passages: Iterable[Passage], *, vectors: Any = ..., progress: Any = ...
    ) -> int: ...

    def delete(self, ids: Iterable[str]) -> int: ...

    def optimize(self, *, progress: Any = ...) -> None: ...

    def __iter__(self) -> Iterator[Passage]: ...


def stages_elsewhere(stages: Iterable[Stage], *, served: bool) -> list[Stage]:
    """Return the stages of an index as they are where its copy is to be: BM25 moves its terms."""
    return [
        stage.elsewhere(served=served) if isinstance(stage, BM25) else stage for stage in stages
    ]


def manifest_of_copy(
    old: Manifest,
    before: Sequence[Stage],
    stages: Sequence[Stage],
    text: SearchText,
    cluster: Cluster | None,
) -> Manifest:
    same = [stage.name for stage in before] == [stage.name for stage in stages]
    store = old.store
    return make_manifest(
        stages,
        fusion=from_config(old.fusion),
        weights=old.weights if same else None,
        depth=old.depth,
        hnsw=store.hnsw,
        quantization=store.quantization,
        filter_fields=store.filter_fields,
        search_text=text,
        cluster=store.cluster if cluster is None else cluster,
    )


def copy_passages(
    storage: Storage, lock: IndexLock, new: Copy, stay: Sequence[str], progress: bool | None
) -> None:
    """Copy all passages, with the vectors of the stages that stay."""
    store = storage.store
    for page in progress_over(_pages(storage, lock), "Copying", "page", progress):
        points = [store.point(passage.id) for passage in page]
        vectors = {name: _rows(storage, name, points) for name in stay}
        known = {name: rows for name, rows in vectors.items() if rows is not None}
        new.add(page, vectors=known or None, progress=False)


def staying(before: Sequence[Stage], stages: Sequence[Stage]) -> list[str]:
    """Return the names of the stages whose vectors are the same in both indexes."""
    own = {stage.name: stage for stage in before if isinstance(stage, VectorStage)}
    return [
        stage.name
        for stage in stages
        if isinstance(stage, VectorStage)
        and (old := own.get(stage.name)) is not None
        and (stage.kind, stage.identity) == (old.kind, old.identity)
        and (stage.vectors, stage.search_text) == (old.vectors, old.search_text)
    ]


def _rows(storage: Storage, name: str, points: Sequence[int]) -> list[Any] | None:
    """Return the stored vectors of a stage; None if a point has none that it must have."""
    vector = storage.manifest.stage(name).vector
    found = storage.store.vectors(vector, points)
    is_dense = isinstance(storage.store.options.vectors[vector], DenseVectors)
    if is_dense and len(found) < len(points):
        return None
    return [found.get(point, []) for point in points]  # no tokens: a text that has none


def _pages(storage: Storage, lock: IndexLock) -> Iterator[list[Passage]]:
    pages = storage.store.pages()
    while True:
        with lock.reading():
            page = next(pages, None)
        if page is None:
            return
        yield page
