"""What a reader gets and raises: a file's bytes, and the reason why nothing can be read from it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import HybridgeError, MissingExtraError
from ..splitting import Section, Size

__all__ = ["Document", "Reader", "UnreadableError", "load", "source_name"]


@dataclass(frozen=True, slots=True)
class Document:
    """A file to be read: its bytes, the suffix that tells its kind, and the size of a passage."""

    data: bytes
    suffix: str
    size: Size

    @property
    def greatest(self) -> int:
        """The greatest length of a passage, in characters."""
        return self.size[1] if isinstance(self.size, tuple) else self.size


Reader: TypeAlias = Callable[[Document], Iterable[Section]]


class UnreadableError(HybridgeError):
    """Nothing can be read from a file; the message is the reason. Readers of folders skip it."""


def load(module: str, package: str, extra: str = "files") -> Any:
    """Import what an extra brings.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(package, extra) from error


def source_name(path: Path) -> str:
    """The name of a file in ids and metadata: its path as seen from the working folder.

    A file outside the working folder is named by its whole path.
    """
    full = Path(os.path.abspath(path))
    inside = full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full
    return os.fsencode(inside.as_posix()).decode(errors="replace")
