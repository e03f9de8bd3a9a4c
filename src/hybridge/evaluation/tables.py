"""Lines and cells of the files of queries, judgements and runs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import InvalidInputError

__all__ = ["JSONL", "check_file", "read_lines", "rows_of"]

JSONL = {".jsonl", ".ndjson"}
"""The endings of the names of JSONL files."""

_WORDS = re.compile(r"[^ \t\n\r\f\v]+")


def check_file(path: Path) -> None:
    """Raise `InvalidInputError` unless there is such a file."""
    if not path.is_file():
        raise InvalidInputError(f"there is no file {str(path)!r}")


def read_lines(path: Path) -> tuple[list[str], str | None]:
    """Read the lines of a file and the delimiter of their cells; None for any blanks.

    Raises:
        InvalidInputError: there is no such file, or it is not UTF-8.
    """
    check_file(path)
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInputError(f"{path}, line {line}: not UTF-8 text") from None
    lines = list(io.StringIO(text, newline="\n"))
    return lines, _delimiter(path, lines[0] if lines else "")


def rows_of(
    path: Path, lines: Sequence[str], delimiter: str | None
) -> Iterator[tuple[int, list[str]]]:
    """Iterate over the lines that are not blank: each one's number and its cells.

    Args:
        path: the file, for messages.
        lines: its lines.
        delimiter: of the cells; None for any blanks of ASCII, as in trec_eval.

    Raises:
        InvalidInputError: a line that is no row of CSV.
    """
    if delimiter is None:
        for number, row in enumerate(lines, start=1):
            if cells := _WORDS.findall(row):
                yield number, cells
        return
    options: Any = {"quoting": csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE}
    reader = csv.reader(lines, delimiter=delimiter, strict=True, **options)
    try:
        for cells in reader:
            if any(cells):
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise InvalidInputError(f"{path}, line {reader.line_num}: {error}") from None


def _delimiter(path: Path, first: str) -> str | None:
    """Return the delimiter of a file's columns; None for any blanks, as in TREC's files."""
    match path.suffix.lower():
        case ".csv":
            return ","
        case ".tsv":
            return "\t"
    if "\t" in first:
        return "\t"
    return None if len(_WORDS.findall(first)) == 4 or "," not in first else ","
