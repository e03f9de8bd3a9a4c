"""The input of a reader, and its error: a file's bytes, and the reason why it is unreadable."""

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
    """A file to read: its bytes, its suffix, and the size of a passage."""

    data: bytes
    suffix: str
    size: Size

    @property
    def maximum(self) -> int:
        """The maximum length of a passage, in characters."""
        return self.size[1] if isinstance(self.size, tuple) else self.size


Reader: TypeAlias = Callable[[Document], Iterable[Section]]


class UnreadableError(HybridgeError):
    """An unreadable file; the message is the reason. Readers of folders skip it."""


def load(module: str, package: str, extra: str = "files") -> Any:
    """Import a module of an extra.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(package, extra) from error


def source_name(path: Path) -> str:
    """Return a file's name for ids and metadata: its path relative to the working folder.

    For a file outside the working folder it is the absolute path.
    """
    full = Path(os.path.abspath(path))
    inside = full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full
    return os.fsencode(inside.as_posix()).decode(errors="replace")
