"""The manifest of an index: its format, stages, store and fusion.

It is JSON: a file beside an embedded index, the collection's metadata on a server.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import CorruptIndexError, InvalidInputError
from ..lexical.files import replace_file
from ..passages import JSON
from ..stages.record import StageRecord
from ..vectors.options import StoreOptions
from .format_1 import of_format_1
from .manifest_check import check_entries, damaged, manifest_of

__all__ = ["FORMAT", "Manifest", "read_json", "write_json"]

FORMAT = 2


@dataclass(frozen=True)
class Manifest:
    """The settings of an index, written at its creation and read to open it.

    Args:
        stages: of the index, in order.
        store: the options of the store.
        fusion: the fusion's configuration.
        weights: one weight for each stage that finds candidates.
        depth: candidates of each of these stages.
        pending: a stage whose addition is not finished; of the name of one of `stages`, it is to
            replace that one.
        search_text: what stages search of a passage by default; None for the text alone.
        token: of an index on a server, by which clients notice that another one took its name.
    """

    stages: Sequence[StageRecord]
    store: StoreOptions
    fusion: Mapping[str, JSON]
    weights: Mapping[str, float]
    depth: int
    pending: StageRecord | None = None
    search_text: Mapping[str, Any] | None = None
    token: str | None = None
    format: int = field(default=FORMAT, init=False)

    @property
    def records(self) -> list[StageRecord]:
        """The records of all stages, the pending one last."""
        return [*self.stages, *([] if self.pending is None else [self.pending])]

    def stage(self, name: str, vector: str | None = None) -> StageRecord:
        """Return the record of a stage, or of the pending one; of these vectors, if they are given.

        Raises:
            InvalidInputError: there is none any more.
        """
        for record in self.records:
            if record.name == name and vector in (None, record.vector):
                return record
        raise InvalidInputError(f"the stage {name!r} was removed from this index or replaced")

    def has_stages_of(self, other: Manifest) -> bool:
        """Return whether two manifests are of one index with the same stages."""
        own, others = (
            [
                (each.name, each.kind, each.identity, each.config, each.search_text)
                for each in manifest.stages
            ]
            for manifest in (self, other)
        )
        return own == others and self._settled_store == other._settled_store

    @property
    def _settled_store(self) -> StoreOptions:
        """The store's options without the vectors of a pending stage, wherever its shards lie."""
        pending = None if self.pending is None else self.pending.vector
        settled = {name: kind for name, kind in self.store.vectors.items() if name != pending}
        return replace(self.store, vectors=settled, cluster=None)

    def with_stage(self, record: StageRecord) -> Manifest:
        """Return this manifest with another record of a stage, or of the pending one."""
        key = record.name, record.vector
        if self.pending is not None and (self.pending.name, self.pending.vector) == key:
            return replace(self, pending=record)
        stages = [record if (each.name, each.vector) == key else each for each in self.stages]
        return replace(self, stages=stages)

    def without_vectors(self, names: Collection[str]) -> Manifest:
        """Return this manifest, whose store has no vectors of these names."""
        vectors = {name: kind for name, kind in self.store.vectors.items() if name not in names}
        return replace(self, store=replace(self.store, vectors=vectors))

    def to_config(self) -> dict[str, JSON]:
        """Return this manifest as JSON."""
        config = {**asdict(self), "store": self.store.to_config()}
        if self.token is None:
            del config["token"]
        return {"hybridge": config}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], location: str) -> Manifest:
        """Return the manifest that `to_config` wrote, here or in an earlier release.

        Raises:
            CorruptIndexError: `config` is no manifest, or of a format this version cannot read.
        """
        try:
            values = manifest_of(config)
            found = values.pop("format")
            if found == 1:
                values = of_format_1(values)
            elif found != FORMAT:
                raise CorruptIndexError(
                    f"{location} has format {found!r}; this version of hybridge reads 1 and "
                    f"{FORMAT}: open it with the version that wrote it, or index again"
                )
            check_entries(values)
            pending = values["pending"]
            return cls(
                **{
                    **values,
                    "stages": [StageRecord(**each) for each in values["stages"]],
                    "store": StoreOptions.from_config(values["store"]),
                    "pending": None if pending is None else StageRecord(**pending),
                }
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(location, error) from error


def read_json(path: Path) -> Any:
    """Read the JSON in a file.

    Raises:
        CorruptIndexError: the file is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (ValueError, OSError, RecursionError) as error:
        raise CorruptIndexError(f"{path} cannot be read: {error}") from error


def write_json(path: Path, value: object) -> None:
    """Write JSON atomically: a reader, or a crash, sees the old file or the new one.

    Raises:
        StoreError: the file cannot be written.
    """
    with replace_file(path) as file:
        file.write(json.dumps(value, indent=1).encode())
