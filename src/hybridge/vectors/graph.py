"""What an embedded store remembers of its HNSW graph: a file beside the engine's own.

Qdrant links the passages that share a value of a field, see `hybridge.filters.linked`, if the field
has a payload index at the moment when the graph is built. Afterwards nothing in the engine's files
tells whether it had one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..errors import CorruptIndexError
from ..lexical.files import replace_file

__all__ = ["GraphRecord"]

_FILE = "graph.json"


@dataclass(frozen=True)
class GraphRecord:
    """What is known of a store's graph.

    Args:
        build: how many times the graph was ordered to be built anew.
        linked: the payload indexes that there were when each part of the graph was built, path to
            kind.
        awaited: the payload indexes that searches would use and that are still to be made, path
            to kind.
    """

    build: int = 0
    linked: Mapping[str, str] = field(default_factory=dict)
    awaited: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> GraphRecord:
        """The record in a store's folder; an empty one where an earlier release wrote none.

        Raises:
            CorruptIndexError: the file is damaged.
        """
        path = folder / _FILE
        try:
            return cls(**json.loads(path.read_bytes()))
        except FileNotFoundError:
            return cls()
        except (OSError, TypeError, ValueError) as error:
            raise CorruptIndexError(
                f"{path} cannot be read ({error}): delete it, and filtered searches are exact "
                "until optimize() has built the graph anew"
            ) from error

    def write(self, folder: Path) -> None:
        """Put this record into a store's folder, in the place of the one there.

        Raises:
            StoreError: it cannot be written.
        """
        with replace_file(folder / _FILE) as file:
            file.write(json.dumps(asdict(self), indent=1).encode())
