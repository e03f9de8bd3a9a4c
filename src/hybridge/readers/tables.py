"""Tables, row by row: CSV, TSV and Excel workbooks."""

from __future__ import annotations

import csv
import datetime
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO, StringIO

from ..passages import JSON
from ..splitting import Section
from .archive import open_archive
from .document import Document, UnreadableError, load
from .encodings import decode

__all__ = ["read_csv", "read_xlsx"]

_DELIMITERS = ",;\t|"
_SAMPLE = 64 * 1024  # characters


def read_csv(document: Document) -> Iterator[Section]:
    """Yield a section for each row, as lines of ``header: value``, with its number in ``row``.

    The first row holds the headers and is row 1, as in a spreadsheet.
    """
    text, encoding = decode(document.data)
    delimiter = "\t" if document.suffix == ".tsv" else _delimiter(text)
    try:
        rows = list(csv.reader(StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise UnreadableError(f"not a valid table ({error})") from error
    return _rows(rows, encoding)


def read_xlsx(document: Document) -> Iterator[Section]:
    """Yield a section for each row of each sheet, as lines of ``header: value``.

    A sheet's first non-blank row holds the headers. The metadata is ``sheet`` and ``row``, the
    row's number in the sheet. Formulas are read as their saved values.
    """
    openpyxl = load("openpyxl", "openpyxl")
    open_archive(document.data).close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and extensions, which are not read
        book = openpyxl.load_workbook(BytesIO(document.data), read_only=True, data_only=True)
        try:
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # some writers declare too small ones
                rows = [[_text(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
                yield from _rows(rows, {"sheet": sheet.title})
        finally:
            book.close()


def _delimiter(text: str) -> str:
    try:
        return csv.Sniffer().sniff(text[:_SAMPLE], _DELIMITERS).delimiter
    except csv.Error:  # one column, or too few rows
        first = text.partition("\n")[0]
        return max(_DELIMITERS, key=first.count)


def _rows(rows: Iterable[Sequence[str]], metadata: Mapping[str, JSON]) -> Iterator[Section]:
    headers: Sequence[str] | None = None
    for number, row in enumerate(rows, start=1):
        if not any(map(str.strip, row)):
            continue
        if headers is None:
            headers = row
            continue
        lines = [
            f"{_header(headers, column)}: {cell.strip()}"
            for column, cell in enumerate(row)
            if cell.strip()
        ]
        yield Section("\n".join(lines), metadata={**metadata, "row": number})


def _header(headers: Sequence[str], column: int) -> str:
    named = headers[column].strip() if column < len(headers) else ""
    return " ".join(named.split()) or f"column {column + 1}"


def _text(cell: object) -> str:
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ", "seconds").removesuffix(" 00:00:00")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)
