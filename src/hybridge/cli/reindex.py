"""`hybridge reindex`: an index on a server, copied into a new collection that takes its alias."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import click

from .options import Location, Sharding, takes

__all__ = ["reindex"]


@click.command()
@click.argument("directory", required=False, metavar="")
@takes("location", Location)
@click.option("--alias", help="New alias for the copy.  [default: --collection, an alias itself]")
@click.option("--encoder", help="Another bi-encoder: a name on the hub, or a folder.")
@takes("sharding", Sharding)
@click.option("--drop-old", is_flag=True, help="Delete the old collection after the switch.")
def reindex(
    location: Location,
    alias: str | None,
    encoder: str | None,
    sharding: Sharding,
    drop_old: bool,
) -> None:
    """Copy the index at --url into a new collection, and switch its alias to that.

    Searches by the alias go on meanwhile. Only with --encoder are passages encoded.
    """
    from ..stages import Dense
    from ..vectors import Cluster, DenseVectors
    from .output import console

    if location.url is None:
        raise click.UsageError("Give --url: an index in a folder has no alias.")
    with location.open_without_encoders(read_only=False) as index:
        stages: list[Any] | None = None
        if encoder is not None:
            own = index._stages
            dense = own.first(Dense)
            distance = cast(DenseVectors, own.kind(dense.name)).distance
            new = Dense(encoder, name=dense.name, distance=distance)
            new = new.with_search_text(dense.search_text)
            stages = [new if n == dense.name else own.current(n) for n in own.definitions]
        cluster = index._storage.manifest.store.cluster
        if numbers := sharding.numbers:
            cluster = replace(cluster or Cluster(), **numbers)
        name = index.reindex(stages, alias=alias, cluster=cluster, drop_old=drop_old)
        count = len(index)
    console().print(
        f"{alias or location.collection} is {name} now, with {count:,} passages.",
        markup=False,
        soft_wrap=True,
    )
