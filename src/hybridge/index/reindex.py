"""All passages of an index on a server, copied into a new collection that then takes its alias."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInputError, StoreError
from ..fusion import from_config
from ..iteration import chunked, progress_over
from ..search_text import SearchText
from ..stages.stage import Stage
from ..stages.vector import VectorStage
from ..vectors.cluster import Cluster
from ..vectors.options import DenseVectors
from .manifest import Manifest
from .open_stages import OpenStages
from .served import Served
from .settings import chosen_stages, make_manifest
from .storage import Storage

if TYPE_CHECKING:
    from .hybrid import HybridIndex

__all__ = ["reindex"]

_PAGE = 1_000


def reindex(
    storage: Storage,
    open_stages: OpenStages,
    make: Callable[[Storage, Sequence[Stage], SearchText], HybridIndex],
    stages: Sequence[Stage] | None,
    *,
    alias: str | None,
    cluster: Cluster | None,
    drop_old: bool,
    progress: bool | None,
) -> str:
    """Reindex; arguments as for `HybridIndex.reindex`, the parts of the index, and its class."""
    if not isinstance(storage, Served):
        raise InvalidInputError(
            f"the index ({storage.location}) is in no collection that Hybridge made on a server: "
            "reindex copies one such collection into another"
        )
    storage.validate(())
    move = storage.begin_move(alias)
    text = open_stages.search_text
    own = [open_stages.current(name) for name in open_stages.definitions]
    chosen = own if stages is None else _complete(stages, text, served=storage.is_served)
    manifest = _manifest(storage.manifest, own, chosen, text, cluster)
    successor = storage.create_successor(move, manifest)
    try:
        with make(successor, chosen, text) as new:
            _copy(storage, new, _staying(own, chosen), progress)
            new.optimize(progress=progress)
            _catch_up(storage, new)  # last: what is written after it stays behind
        storage.finish_move(move)
    except BaseException:
        with suppress(StoreError):
            storage.undo_move(move)
        raise
    if drop_old:
        storage.drop_old(move)
    return move.new


def _complete(stages: Sequence[Stage], text: SearchText, *, served: bool) -> list[Stage]:
    return chosen_stages(
        stages,
        encoder=None,
        lexical=None,
        analyzer=None,
        bm25=None,
        synonyms=None,
        distance="cosine",
        late_interaction=None,
        search_text=text,
        served=served,
    )


def _manifest(
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


def _copy(storage: Served, new: HybridIndex, stay: Sequence[str], progress: bool | None) -> None:
    """Copy all passages, with the vectors of the stages that stay."""
    store = storage.store
    for page in progress_over(store.pages(), "Copying", "page", progress):
        points = [store.point(passage.id) for passage in page]
        vectors = {name: _rows(storage, name, points) for name in stay}
        known = {name: rows for name, rows in vectors.items() if rows is not None}
        new.add(page, vectors=known or None, progress=False)


def _staying(before: Sequence[Stage], stages: Sequence[Stage]) -> list[str]:
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


def _rows(storage: Served, name: str, points: Sequence[int]) -> list[Any] | None:
    """Return the stored vectors of a stage; None if a point has none that it must have."""
    vector = storage.manifest.stage(name).vector
    found = storage.store.vectors(vector, points)
    is_dense = isinstance(storage.store.options.vectors[vector], DenseVectors)
    if is_dense and len(found) < len(points):
        return None
    return [found.get(point, []) for point in points]  # no tokens: a text that has none


def _catch_up(storage: Served, new: HybridIndex) -> None:
    """Follow what was written to the old collection while it was copied."""
    store = storage.store
    for page in store.pages():
        new.add(page, progress=False)  # only what differs is written
    for some in chunked(list(new), _PAGE):
        points = {store.point(passage.id): passage.id for passage in some}
        if gone := points.keys() - store.existing(list(points)):
            new.delete([points[point] for point in gone])
