"""Your own queries and qrels, from CSV, TSV, JSONL and TREC's files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInputError
from ..readers import read_jsonl
from .tables import JSONL, check_file, read_lines, rows_of

if TYPE_CHECKING:
    import os

__all__ = ["read_qrels", "read_queries"]

_QUERY_HEADERS = {"id", "qid", "query", "queryid", "topic", "topicid"}
_ITERATIONS = {"0", "Q0"}
_RELEVANCE_HEADERS = {"grade", "label", "rel", "relevance", "score"}


def read_qrels(path: str | os.PathLike[str]) -> dict[str, dict[str, int]]:
    """Read judgements: query id → passage id → relevance.

    A line has a query id, a passage id and a whole number, with commas or tabs between them, as
    BEIR and spreadsheets have them, or TREC's four columns, of which the second is passed over;
    with commas or tabs that one must be 0 or Q0, so that no other table is taken for TREC's. A
    first line of headings is recognised. A negative number, which TREC gives to spam, becomes 0:
    trec_eval takes both for not relevant.

    Args:
        path: the file, UTF-8. ``.csv`` has commas, ``.tsv`` tabs; of another name the first line
            decides.

    Raises:
        InvalidInputError: there is no such file, or a line is not a judgement, or contradicts one
            before it; the message gives file and line.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
    ...     _ = file.write("query,passage,relevance\\nq1,p1,2\\nq1,p2,0\\n")
    ...     file.flush()
    ...     read_qrels(file.name)
    {'q1': {'p1': 2, 'p2': 0}}
    """
    lines, delimiter = read_lines(Path(path).expanduser())
    qrels: dict[str, dict[str, int]] = {}
    for number, cells in rows_of(Path(path).expanduser(), lines, delimiter):
        if number == 1 and len(cells) in (3, 4) and _is_heading(cells[0], cells[-1]):
            continue
        if len(cells) == 4 and (delimiter is None or cells[1].upper() in _ITERATIONS):
            del cells[1]
        judgement = _judgement(cells)
        if judgement is None:
            truncated = ": is the file truncated?" if len(cells) < 3 else ""
            raise InvalidInputError(
                f"{path}, line {number}: expected a query id, a passage id and a whole number, "
                f"not {' '.join(cells)!r:.80}{truncated}"
            )
        query, passage, relevance = judgement
        if qrels.setdefault(query, {}).setdefault(passage, relevance) != relevance:
            raise InvalidInputError(
                f"{path}, line {number}: {passage!r} was judged {qrels[query][passage]} for "
                f"{query!r} before, and now {relevance}"
            )
    if not qrels:
        raise InvalidInputError(f"{path}: there is no judgement in it")
    return qrels


def read_queries(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read queries: query id → text.

    Args:
        path: the file, UTF-8: JSONL with ``_id`` or ``id`` and ``text``, or two columns, an id
            and a text, with commas (``.csv``) or tabs (``.tsv``) between them, with or without a
            line of headings. In a TSV file quotes are part of the text.

    Raises:
        InvalidInputError: there is no such file, a line is not such a question, or an id comes
            twice; the message gives file and line.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
    ...     _ = file.write("q1\\tWhat thins the blood?\\n")
    ...     file.flush()
    ...     read_queries(file.name)
    {'q1': 'What thins the blood?'}
    """
    file = Path(path).expanduser()
    is_jsonl = file.suffix.lower() in JSONL
    queries: dict[str, str] = {}
    for where, cells in _json_rows(file) if is_jsonl else rows_of(file, *read_lines(file)):
        if where == 1 and len(cells) == 2 and not is_jsonl and _is_heading(cells[0]):
            continue
        if len(cells) != 2 or not all(cells):
            raise InvalidInputError(
                f"{path}, line {where}: expected a query id and a text, not {' '.join(cells)!r:.80}"
            )
        query, text = cells
        if query in queries:
            raise InvalidInputError(f"{path}, line {where}: the query id {query!r} comes twice")
        queries[query] = text
    if not queries:
        raise InvalidInputError(f"{path}: there is no query in it")
    return queries


def _judgement(cells: list[str]) -> tuple[str, str, int] | None:
    try:
        query, passage, relevance = cells
        return (query, passage, max(0, int(relevance))) if query and passage else None
    except ValueError:
        return None


def _json_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    check_file(path)
    for number, entry in enumerate(read_jsonl(path), start=1):
        yield number, [entry.id, entry.text.strip()]


def _is_heading(query: str, relevance: str = "") -> bool:
    first, last = (re.sub(r"[\W_]", "", cell).lower() for cell in (query, relevance))
    return last in _RELEVANCE_HEADERS or (first in _QUERY_HEADERS and not last.isdigit())
