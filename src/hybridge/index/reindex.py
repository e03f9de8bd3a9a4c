"""All passages of an index on a server, copied into a new collection that then takes its alias."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress

from ..errors import InvalidInputError, StoreError
from ..iteration import chunked
from ..search_text import SearchText
from ..stages.stage import Stage
from ..vectors.cluster import Cluster
from .copies import Copy, copy_passages, manifest_of_copy, staying
from .lock import IndexLock
from .open_stages import OpenStages
from .served import Served
from .settings import chosen_stages
from .storage import Storage

__all__ = ["reindex"]

_PAGE = 1_000


def reindex(
    storage: Storage,
    lock: IndexLock,
    open_stages: OpenStages,
    make: Callable[[Storage, Sequence[Stage], SearchText], AbstractContextManager[Copy]],
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
    manifest = manifest_of_copy(storage.manifest, own, chosen, text, cluster)
    successor = storage.create_successor(move, manifest)
    try:
        with make(successor, chosen, text) as new:
            copy_passages(storage, lock, new, staying(own, chosen), progress)
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


def _catch_up(storage: Served, new: Copy) -> None:
    """Follow what was written to the old collection while it was copied."""
    store = storage.store
    for page in store.pages():
        new.add(page, progress=False)  # only what differs is written
    for some in chunked(list(new), _PAGE):
        points = {store.point(passage.id): passage.id for passage in some}
        if gone := points.keys() - store.existing(list(points)):
            new.delete([points[point] for point in gone])
