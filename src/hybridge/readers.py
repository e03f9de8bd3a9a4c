"""Files become passages: text, Markdown, reStructuredText, HTML, JSONL and BEIR collections.

Documents are split; the entries of a JSONL file are passages already. What cannot be read as text
is reported, never dropped in silence.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from .errors import InvalidInputError, MissingExtraError
from .passages import Passage
from .splitting import PASSAGE_SIZE, Markup, Size, check_size, split_text

__all__ = ["Skip", "read_json_lines", "read_jsonl", "read_passages"]

logger = logging.getLogger(__name__)

Skip: TypeAlias = Callable[[Path, str], None]

_DOCUMENTS: dict[str, Markup] = {
    ".htm": "markdown",
    ".html": "markdown",
    ".markdown": "markdown",
    ".md": "markdown",
    ".rest": "rst",
    ".rst": "rst",
    ".text": "text",
    ".txt": "text",
    ".xhtml": "markdown",
}
_HTML = {".htm", ".html", ".xhtml"}
_JSONL = {".jsonl", ".ndjson"}


def read_passages(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    size: Size = PASSAGE_SIZE,
    on_skip: Skip | None = None,
) -> Iterator[Passage]:
    """The passages of files, and of the files in folders, in a stable order.

    A passage's id is its file's path as seen from the working folder (the whole path for a file
    outside it) and its place in the file: ``guide/start.md#3``. Its metadata holds ``source``,
    ``position`` and, under a heading, ``title``. The entries of JSONL files keep their own ids
    and metadata (`read_jsonl`); of a BEIR collection the corpus is read, the queries and
    judgements are not. Hidden files are left out.

    Args:
        paths: one path, or several.
        size: a passage's greatest length in characters, or (enough, greatest).
        on_skip: called with each file that cannot be read as text, and why; without it, each is
            logged as a warning.

    Raises:
        InvalidInputError: there is nothing at a path, an entry of a JSONL file is not valid, or
            an id comes twice.
        MissingExtraError: the extra `cli` is not installed.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
    ...     _ = file.write('{"_id": "p1", "title": "Aspirin", "text": "thins the blood."}')
    ...     file.flush()
    ...     list(read_passages(file.name))
    [Passage(id='p1', text='Aspirin thins the blood.', metadata={'title': 'Aspirin'})]
    """
    check_size(size)
    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    return _read_all([Path(path) for path in listed], size, on_skip or _log_skip)


def read_jsonl(path: str | os.PathLike[str]) -> Iterator[Passage]:
    """The entries of a JSONL file: one passage a line, neither split nor changed.

    An entry has ``text`` and may have ``_id`` or ``id`` (otherwise file and line stand for it), a
    ``title``, which is put in front of the text, and ``metadata``; further keys become metadata.

    Raises:
        InvalidInputError: a line is not such an entry; the message gives file and line.
    """
    source = _source(Path(path))
    for number, entry in read_json_lines(path):
        try:
            yield _passage(entry, f"{source}#{number}")
        except InvalidInputError as error:
            raise InvalidInputError(f"{path}, line {number}: {error}") from None


def read_json_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSONL file with their line numbers; blank lines are passed over.

    Raises:
        InvalidInputError: a line is not a JSON object; the message gives file and line.
    """
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line.decode("utf-8-sig"))
            except UnicodeDecodeError:
                raise InvalidInputError(f"{path}, line {number}: not UTF-8 text") from None
            except (ValueError, RecursionError) as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else error
                raise InvalidInputError(
                    f"{path}, line {number}: not valid JSON ({reason}): is the file truncated?"
                ) from None
            if not isinstance(entry, dict):
                raise InvalidInputError(
                    f"{path}, line {number}: expected a JSON object, not {type(entry).__name__}"
                )
            yield number, entry


def _read_all(paths: list[Path], size: Size, skip: Skip) -> Iterator[Passage]:
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
                yield passage


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
        else:
            yield from _walk(child, skip)


def _read_file(path: Path, size: Size, skip: Skip) -> Iterator[Passage]:
    suffix = path.suffix.lower()
    if suffix in _JSONL:
        yield from read_jsonl(path)
        return
    if suffix not in _DOCUMENTS:
        skip(path, f"unknown kind of file {suffix!r}" if suffix else "no suffix tells its kind")
        return
    try:
        text = _decode(path.read_bytes(), is_html=suffix in _HTML)
    except OSError as error:
        skip(path, error.strerror or str(error))
        return
    except (UnicodeDecodeError, LookupError) as error:
        skip(path, str(error))
        return
    if "\0" in text:
        skip(path, "a binary file")
        return
    if suffix in _HTML:
        text = _html_to_markdown(text)
    if not text.strip():
        skip(path, "no text in it")
        return
    yield from split_text(text, source=_source(path), markup=_DOCUMENTS[suffix], size=size)


def _decode(data: bytes, *, is_html: bool) -> str:
    encoding = None
    if is_html:
        try:
            from bs4.dammit import EncodingDetector
        except ImportError as error:
            raise MissingExtraError("markdownify", "cli") from error
        encoding = EncodingDetector.find_declared_encoding(data, is_html=True)
    return data.decode(encoding or "utf-8-sig").replace("\r\n", "\n")


def _html_to_markdown(html: str) -> str:
    try:
        from bs4 import BeautifulSoup
        from markdownify import MarkdownConverter
    except ImportError as error:
        raise MissingExtraError("markdownify", "cli") from error
    soup = BeautifulSoup(html, "html.parser")
    for tag in soup(["script", "style", "template"]):
        tag.decompose()
    if title := soup.select_one("head > title"):
        if soup.h1 or not title.get_text(strip=True):
            title.decompose()
        else:
            title.name = "h1"  # of a page that has no heading above all others
    converter = MarkdownConverter(
        heading_style="ATX", escape_asterisks=False, escape_underscores=False
    )
    return str(converter.convert_soup(soup))


def _passage(entry: dict[str, Any], line_id: str) -> Passage:
    rest = dict(entry)
    key = next((name for name in ("_id", "id") if name in rest), None)
    passage_id: Any = rest.pop(key) if key else line_id
    if isinstance(passage_id, int) and not isinstance(passage_id, bool):
        passage_id = str(passage_id)
    title = rest.pop("title", None) or ""
    text = rest.pop("text", None)
    metadata = rest.pop("metadata", None) or {}
    for name, value, kind in (
        ("title", title, str),
        ("text", text, str),
        ("metadata", metadata, dict),
    ):
        if not isinstance(value, kind):
            wanted = "an object" if kind is dict else "a string"
            raise InvalidInputError(f"{name!r} must be {wanted}, not {value!r:.80}")
    titled = {"title": title} if title else {}
    return Passage(passage_id, f"{title} {text}" if title else text, titled | rest | metadata)


def _source(path: Path) -> str:
    full = Path(os.path.abspath(path))
    inside = full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full
    return os.fsencode(inside.as_posix()).decode(errors="replace")


def _log_skip(path: Path, reason: str) -> None:
    logger.warning("skipped %s: %s", path, reason)
