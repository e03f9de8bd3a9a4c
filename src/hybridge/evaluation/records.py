"""Records with named fields, from tables with headings, JSON, JSONL, and objects in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..arguments import as_id
from ..errors import InvalidInputError
from ..readers import read_json_lines
from .tables import JSONL, check_file, read_lines, rows_of

__all__ = [
    "Record",
    "Source",
    "field_names",
    "get_field",
    "read_json",
    "read_records",
    "source_name",
]

Source = str | os.PathLike[str] | Iterable[Any]
"""A file, or records in memory."""


@dataclass(frozen=True, slots=True)
class Record:
    """Fields by name, and the place that they come from.

    Args:
        where: the file and line, or the number of the record, for messages.
        fields: name → value; the cells of a table are strings.
    """

    where: str
    fields: Mapping[str, Any]

    def value(self, name: str) -> Any:
        """Return the value of a field.

        Raises:
            InvalidInputError: there is no such field; the message names those that there are.
        """
        if name not in self.fields:
            raise InvalidInputError(
                f"{self.where}: there is no field {name!r}, only {', '.join(self.fields) or 'none'}"
            )
        return self.fields[name]

    def text(self, name: str) -> str:
        """Return a field's text, with single blanks between its words.

        Raises:
            InvalidInputError: no such field, or it is blank or no string.
        """
        value = self.value(name)
        if not isinstance(value, str) or not value.strip():
            raise InvalidInputError(f"{self.where}: {name!r} must be a text, not {value!r:.80}")
        return " ".join(value.split())

    def id(self, name: str) -> str:
        """Return a field's id, as `Passage` takes it.

        Raises:
            InvalidInputError: no such field, or it is blank or no id.
        """
        found = as_id(self.value(name), f"{self.where}: {name!r} must be an id")
        if not found:
            raise InvalidInputError(f"{self.where}: {name!r} must be an id, not ''")
        return found


def read_records(source: Source, names: Sequence[str]) -> Iterator[Record]:
    """Iterate over the records of a file, or over those in memory.

    Args:
        source: a table (CSV, TSV) whose first line names its columns, JSONL, JSON with a list of
            objects (alone or under "examples"), or mappings, tuples or objects in memory.
        names: the fields, in the order of tuples that do not name theirs; of an object its
            attributes of these names.

    Raises:
        InvalidInputError: the file cannot be read, or a record has no fields; the message names
            file and line.

    >>> next(read_records([("why?", "p1")], ["query", "passage"])).fields
    {'query': 'why?', 'passage': 'p1'}
    """
    if not isinstance(source, str | os.PathLike):
        if not isinstance(source, Iterable) or isinstance(source, Mapping | bytes):
            raise InvalidInputError(
                f"expected a file or a list of records, not {type(source).__name__}"
            )
        for number, record in enumerate(source, start=1):
            yield Record(f"record {number}", _fields(record, names, f"record {number}"))
        return
    path = Path(source).expanduser()
    suffix = path.suffix.lower()
    check_file(path)
    if suffix in JSONL:
        for number, entry in read_json_lines(path):
            yield Record(f"{path}, line {number}", entry)
    elif suffix == ".json":
        content = read_json(path)
        entries = content.get("examples") if isinstance(content, Mapping) else content
        if not isinstance(entries, list):
            raise InvalidInputError(f"{path}: expected a list of objects, alone or as 'examples'")
        for number, entry in enumerate(entries, start=1):
            where = f"{path}, entry {number}"
            if not isinstance(entry, dict):
                raise InvalidInputError(f"{where}: expected a JSON object, not {entry!r:.80}")
            yield Record(where, entry)
    else:
        yield from _table(path)


def field_names(path: Path) -> list[str]:
    """Return the names of a table's columns, or of the first record's fields in JSON and JSONL.

    Raises:
        InvalidInputError: the file cannot be read; the message names file and line.
    """
    if path.suffix.lower() in {".json", *JSONL}:
        return next((list(record.fields) for record in read_records(path, ())), [])
    return next((cells for _, cells in rows_of(path, *read_lines(path))), [])


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file.

    Raises:
        InvalidInputError: there is no such file, or it is not UTF-8 or not JSON; the message names
            file and line.
    """
    file = Path(path).expanduser()
    check_file(file)
    try:
        return json.loads(file.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InvalidInputError(f"{path}: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise InvalidInputError(
            f"{path}, line {error.lineno}: not valid JSON ({error.msg}): is the file truncated?"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{path}: not valid JSON ({error})") from None


def get_field(value: object, name: str) -> Any:
    """Return a mapping's value or an object's attribute; None without one.

    >>> get_field({"query": "why?"}, "query"), get_field("text", "query")
    ('why?', None)
    """
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def source_name(source: object, what: str) -> str:
    """Return the name of a file, for messages; `what` for records in memory."""
    return str(source) if isinstance(source, str | os.PathLike) else what


def _table(path: Path) -> Iterator[Record]:
    lines, delimiter = read_lines(path)
    rows = rows_of(path, lines, delimiter)
    first, heading = next(rows, (1, []))
    if twice := [name for name in heading if heading.count(name) > 1]:
        raise InvalidInputError(f"{path}, line {first}: the column {twice[0]!r} comes twice")
    for number, cells in rows:
        if len(cells) != len(heading):
            raise InvalidInputError(
                f"{path}, line {number}: expected {len(heading)} cells ({', '.join(heading)}), "
                f"not {len(cells)}"
            )
        yield Record(f"{path}, line {number}", dict(zip(heading, cells, strict=True)))


def _fields(record: object, names: Sequence[str], where: str) -> Mapping[str, Any]:
    if isinstance(record, Mapping):
        return record
    if isinstance(record, tuple) and hasattr(record, "_asdict"):  # a named one, in any order
        named: Mapping[str, Any] = record._asdict()
        return named
    if isinstance(record, tuple | list):
        if len(record) != len(names):
            raise InvalidInputError(f"{where}: expected {', '.join(names)}, not {record!r:.80}")
        return dict(zip(names, record, strict=True))
    found = {name: getattr(record, name) for name in names if hasattr(record, name)}
    if not found:
        raise InvalidInputError(f"{where}: expected {', '.join(names)}, not {record!r:.80}")
    return found
