"""JSONL: one entry a line, each of them one passage."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InvalidInputError
from ..passages import Passage
from .document import source_name

__all__ = ["read_json_lines", "read_jsonl"]


def read_jsonl(path: str | os.PathLike[str]) -> Iterator[Passage]:
    """Read the entries of a JSONL file: one passage a line, neither split nor changed.

    An entry has ``text`` and may have ``_id`` or ``id`` (by default the file and line), a
    ``title``, which is put in front of the text, and ``metadata``; further keys become metadata.

    Raises:
        InvalidInputError: a line is not such an entry; the message names file and line.
    """
    source = source_name(Path(path))
    for number, entry in read_json_lines(path):
        try:
            yield _passage(entry, f"{source}#{number}")
        except InvalidInputError as error:
            raise InvalidInputError(f"{path}, line {number}: {error}") from None


def read_json_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read the objects of a JSONL file with their line numbers; blank lines are skipped.

    Raises:
        InvalidInputError: a line is not a JSON object; the message names file and line.
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
            expected = "an object" if kind is dict else "a string"
            raise InvalidInputError(f"{name!r} must be {expected}, not {value!r:.80}")
    titled = {"title": title} if title else {}
    return Passage(passage_id, f"{title} {text}" if title else text, titled | rest | metadata)
