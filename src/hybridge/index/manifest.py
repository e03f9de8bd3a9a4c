"""What an index says of itself: its format, encoder, analyzer and how it fuses.

It is JSON: a file beside an embedded index, the collection's metadata on a server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from ..errors import CorruptIndexError, InvalidInputError
from ..lexical.files import replace_file
from ..passages import JSON
from ..vectors.options import StoreOptions

__all__ = ["FORMAT", "Lexical", "Manifest", "read_json", "write_json"]

FORMAT = 1

Lexical: TypeAlias = Literal["bm25s", "qdrant"]


@dataclass(frozen=True)
class Manifest:
    """The settings an index is created with and opened by.

    Args:
        encoder: the encoder's identity.
        encoder_config: how to load the encoder again, where it can say so itself.
        store: dimension, distance and search options of the vectors.
        lexical: ``"bm25s"`` or ``"qdrant"``.
        analyzer: the analyzer's configuration.
        bm25: the BM25 parameters.
        fusion: the fusion's configuration.
        weights: one weight a stage.
        depth: candidates each stage contributes.
        average_length: terms in an average passage, which ``lexical="qdrant"`` weighs by.
        reweighing: whether the stored weights are being changed to that average, or were when a
            process was killed.
        terms: what decided how the stored terms are written where ``lexical="qdrant"``: the
            analyzer's revision, and the versions it depends on; None for an index of a release
            that did not keep it.
        token_encoder: the identity of the encoder of tokens, where token vectors are kept.
        token_encoder_config: how to load it again, where it can say so itself.
        blend: late interaction's share in a hit's score.
    """

    encoder: str
    store: StoreOptions
    lexical: Lexical
    analyzer: Mapping[str, JSON]
    bm25: Mapping[str, JSON]
    fusion: Mapping[str, JSON]
    weights: Mapping[str, float]
    depth: int
    encoder_config: Mapping[str, JSON] | None = None
    average_length: float = 1.0
    reweighing: bool = False
    terms: Mapping[str, JSON] | None = None
    token_encoder: str | None = None
    token_encoder_config: Mapping[str, JSON] | None = None
    blend: float = 0.0
    format: int = field(default=FORMAT, init=False)

    def __post_init__(self) -> None:
        if self.lexical not in get_args(Lexical):
            raise InvalidInputError(
                f"lexical must be one of {get_args(Lexical)}, not {self.lexical!r}"
            )

    def to_config(self) -> dict[str, JSON]:
        """This manifest as JSON."""
        return {"hybridge": {**asdict(self), "store": self.store.to_config()}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], place: str) -> Manifest:
        """The manifest that `to_config` wrote.

        Raises:
            CorruptIndexError: `config` is no manifest, or of a format this version cannot read.
        """
        try:
            values = dict(config["hybridge"])
            found = values.pop("format")
            if found != FORMAT:
                raise CorruptIndexError(
                    f"{place} has format {found!r}; this version of hybridge reads {FORMAT}: "
                    "open it with the version that wrote it, or index again"
                )
            values.pop("learned_from", None)  # of earlier releases
            return cls(**{**values, "store": StoreOptions.from_config(values["store"])})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorruptIndexError(f"{place} is not an index of hybridge: {error!r}") from error


def read_json(path: Path) -> Any:
    """The JSON in a file.

    Raises:
        CorruptIndexError: it is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (ValueError, OSError) as error:
        raise CorruptIndexError(f"{path} cannot be read: {error}") from error


def write_json(path: Path, value: object) -> None:
    """Write JSON so that a reader, or a crash, sees the old file or the new one, never a half.

    Raises:
        StoreError: the file cannot be written.
    """
    with replace_file(path) as file:
        file.write(json.dumps(value, indent=1).encode())
