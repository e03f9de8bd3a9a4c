"""Reading files and folders as passages, in a stable order, under stable ids."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from ..errors import HybridgeError, InvalidInputError
from ..passages import Passage
from ..splitting import PASSAGE_SIZE, Size, check_size, split_sections
from .document import Document, UnreadableError, source_name
from .jsonl import read_jsonl
from .kinds import READERS

__all__ = ["NO_TEXT", "Paths", "Skip", "read_files", "read_passages"]

logger = logging.getLogger(__name__)

Paths: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
Skip: TypeAlias = Callable[[Path, str], None]

NO_TEXT = "no text in it"
_JSONL = {".jsonl", ".ndjson"}
_MAXIMUM = 256 * 2**20  # bytes of a file
_INSTALLED = {"node_modules", "__pycache__"}


def read_passages(
    paths: Paths, *, size: Size = PASSAGE_SIZE, on_skip: Skip | None = None
) -> Iterator[Passage]:
    """Read files, and the files in folders, as passages in a stable order.

    A passage's id is its file's path relative to the working folder (the absolute path for a file
    outside it) and its position in the file: ``guide/start.md#3``. Its metadata holds ``source``,
    ``position``, under a heading ``title``, and by the kind of file:

    | | |
    |---|---|
    | text, Markdown, reStructuredText, HTML, DOCX | |
    | PDF | ``page`` |
    | PPTX | ``slide`` |
    | CSV, TSV, XLSX: a passage a row | ``row``, ``sheet`` |
    | EPUB | ``chapter``, ``book`` |
    | Jupyter notebooks | ``cell``, ``cell_type`` |
    | source code: a passage a function or class | ``language``, ``line``, ``last_line`` |
    | text that is not UTF-8 | ``encoding`` |

    The entries of JSONL files keep their own ids and metadata (`read_jsonl`); of a BEIR collection
    the corpus is read, without the queries and judgements. Hidden files and installed packages
    (``node_modules``, virtual environments) are left out. A file is read whole or not at all.

    Args:
        paths: one path, or several.
        size: a passage's maximum length in characters, or (sufficient, maximum).
        on_skip: called with each unreadable file and the reason: an unknown kind, damaged,
            encrypted, too large, without text, or of a kind whose extra (`cli`, `files`) is not
            installed. Without it, each is logged as a warning.

    Raises:
        InvalidInputError: a path does not exist, an entry of a JSONL file is not valid, or an id
            comes twice.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
    ...     _ = file.write('{"_id": "p1", "title": "Aspirin", "text": "thins the blood."}')
    ...     file.flush()
    ...     list(read_passages(file.name))
    [Passage(id='p1', text='Aspirin thins the blood.', metadata={'title': 'Aspirin'})]
    """
    return (passage for _, passage in read_files(paths, size=size, on_skip=on_skip))


def read_files(
    paths: Paths, *, size: Size = PASSAGE_SIZE, on_skip: Skip | None = None
) -> Iterator[tuple[Path, Passage]]:
    """Read passages as `read_passages` does, each with its file."""
    check_size(size)
    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    return _read_all([Path(path).expanduser() for path in listed], size, on_skip or _log_skip)


def _read_all(paths: list[Path], size: Size, skip: Skip) -> Iterator[tuple[Path, Passage]]:
    files: set[Path] = set()
    ids: set[str] = set()
    for path in paths:
        if not path.exists():
            raise InvalidInputError(f"there is no file or folder {str(path)!r}")
        for file in _walk(path, skip):
            resolved = file.resolve()
            if resolved in files:
                continue
            files.add(resolved)
            for passage in _read_file(file, size, skip):
                if passage.id in ids:
                    raise InvalidInputError(
                        f"{file}: the id {passage.id!r} comes twice in these files: "
                        "give each entry its own id"
                    )
                ids.add(passage.id)
                yield file, passage


def _walk(path: Path, skip: Skip) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    try:
        children = sorted(path.iterdir())
    except OSError as error:
        skip(path, error.strerror or str(error))
        return
    is_beir = path / "corpus.jsonl" in children
    for child in children:
        if child.name.startswith(".") or (is_beir and child.name in {"queries.jsonl", "qrels"}):
            continue
        if child.is_symlink() and child.is_dir():
            skip(child, "a link to a folder")  # it may lead back to a folder above
        elif not _is_installed(child):
            yield from _walk(child, skip)


def _is_installed(path: Path) -> bool:
    """Return whether a folder holds installed packages."""
    return path.is_dir() and (path.name in _INSTALLED or (path / "pyvenv.cfg").is_file())


def _read_file(path: Path, size: Size, skip: Skip) -> Iterable[Passage]:
    """Return a file's passages, or none after a `skip` with the reason."""
    suffix = path.suffix.lower()
    if suffix in _JSONL:
        return read_jsonl(path)
    try:
        # As a whole: after an error at a file's end, its beginning must not stay.
        passages = list(_read_document(path, suffix, size))
    except HybridgeError as error:
        skip(path, str(error))
    except OSError as error:
        skip(path, error.strerror or str(error))
    except Exception as error:  # noqa: BLE001 - a parser may raise anything for a damaged file
        skip(path, f"damaged ({type(error).__name__}: {error})")
    else:
        if not passages:
            skip(path, NO_TEXT)
        return passages
    return []


def _read_document(path: Path, suffix: str, size: Size) -> Iterator[Passage]:
    if suffix not in READERS:
        raise UnreadableError(f"unknown kind of file {suffix!r}" if suffix else "no suffix")
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise UnreadableError("no regular file")
    if about.st_size > _MAXIMUM:
        raise UnreadableError(
            f"too large: {about.st_size / 2**20:,.0f} MiB, and {_MAXIMUM / 2**20:,.0f} are the "
            "limit"
        )
    document = Document(path.read_bytes(), suffix, size)
    return split_sections(READERS[suffix](document), source=source_name(path), size=size)


def _log_skip(path: Path, reason: str) -> None:
    logger.warning("skipped %s: %s", path, reason)
