"""Files and folders become passages, in a stable order, under ids that stay."""

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
_GREATEST = 256 * 2**20  # bytes of a file that is read as a whole
_INSTALLED = {"node_modules", "__pycache__"}


def read_passages(
    paths: Paths, *, size: Size = PASSAGE_SIZE, on_skip: Skip | None = None
) -> Iterator[Passage]:
    """The passages of files, and of the files in folders, in a stable order.

    A passage's id is its file's path as seen from the working folder (the whole path for a file
    outside it) and its place in the file: ``guide/start.md#3``. Its metadata holds ``source``,
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
    the corpus is read, the queries and judgements are not. Hidden files and installed packages
    (``node_modules``, virtual environments) are left out. A file is read whole or not at all.

    Args:
        paths: one path, or several.
        size: a passage's greatest length in characters, or (enough, greatest).
        on_skip: called with each file that cannot be read, and why: an unknown kind, damaged,
            encrypted, too large, without text, or of a kind whose extra (`cli`, `files`) is not
            installed. Without it, each is logged as a warning.

    Raises:
        InvalidInputError: there is nothing at a path, an entry of a JSONL file is not valid, or
            an id comes twice.

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
    """The passages as `read_passages` gives them, each with the file that it is from."""
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
                        f"{file}: the id {passage.id!r} comes twice in what was read: "
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
            skip(child, "a link to a folder")  # it may lead back to where we came from
        elif not _is_installed(child):
            yield from _walk(child, skip)


def _is_installed(path: Path) -> bool:
    """Whether a folder holds packages that others wrote."""
    return path.is_dir() and (path.name in _INSTALLED or (path / "pyvenv.cfg").is_file())


def _read_file(path: Path, size: Size, skip: Skip) -> Iterable[Passage]:
    """A file's passages, or none and a reason why."""
    suffix = path.suffix.lower()
    if suffix in _JSONL:
        return read_jsonl(path)
    try:
        # As a whole: what a file's end breaks must not leave its beginning behind.
        passages = list(_read_document(path, suffix, size))
    except HybridgeError as error:
        skip(path, str(error))
    except OSError as error:
        skip(path, error.strerror or str(error))
    except Exception as error:  # noqa: BLE001 - what a parser raises for a damaged file is its own
        skip(path, f"damaged ({type(error).__name__}: {error})")
    else:
        if not passages:
            skip(path, NO_TEXT)
        return passages
    return []


def _read_document(path: Path, suffix: str, size: Size) -> Iterator[Passage]:
    if suffix not in READERS:
        raise UnreadableError(
            f"unknown kind of file {suffix!r}" if suffix else "no suffix tells its kind"
        )
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise UnreadableError("no regular file")
    if about.st_size > _GREATEST:
        raise UnreadableError(
            f"too large: {about.st_size / 2**20:,.0f} MiB, and {_GREATEST / 2**20:,.0f} are the "
            "limit"
        )
    document = Document(path.read_bytes(), suffix, size)
    return split_sections(READERS[suffix](document), source=source_name(path), size=size)


def _log_skip(path: Path, reason: str) -> None:
    logger.warning("skipped %s: %s", path, reason)
