"""Questions from files, and a sample of a log."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from ..arguments import check_count, check_flag, check_seed
from ..errors import InvalidInputError
from ..evaluation import Collection, load_judged
from ..evaluation.records import field_names, read_json
from ..evaluation.tables import JSONL, read_lines, rows_of
from ..passages import Passage
from ..readers import read_json_lines

__all__ = ["read_questions", "sample_questions"]

_TEXT = ("query", "question", "text", "user_input")
_ID = ("_id", "id", "query_id", "question_id", "qid")
_JUDGED = {"clicked", "thumb"}
_GRADE = "grade"


def read_questions(
    path: str | os.PathLike[str], passages: Iterable[Passage] | None = None
) -> Collection:
    """Read questions from a file; the grades too, where the file has them.

    In a CSV, TSV, JSON or JSONL file a question is the field ``query``, ``question`` or ``text``,
    and its id the field ``id``, ``_id`` or ``query_id``, if there is one; without headings there
    are one column, the questions, or two, ids and questions. JSON may be a list of strings. Files
    that `hybridge.evaluation.load_judged` loads bring grades with them: LlamaIndex's data sets,
    clicks, thumbs. Any other file has one question a line.

    Args:
        path: the file, UTF-8.
        passages: those that are searched, to find contexts in.

    Returns:
        no passages, id → question, and the grades; a question without an id has its text as id.

    Raises:
        InvalidInputError: the file cannot be read, or there is no question in it; the message
            names file and line.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
    ...     _ = file.write("What thins the blood?\\n\\nWhat is a knot?\\n")
    ...     file.flush()
    ...     list(read_questions(file.name).queries.values())
    ['What thins the blood?', 'What is a knot?']
    """
    file = Path(path).expanduser()
    if _is_judged(file):
        judged = load_judged(file, passages)
        return Collection((), judged.queries, judged.qrels)
    if _GRADE in _names_of(file):
        raise InvalidInputError(
            f"{path} has grades in its field {_GRADE!r}, which would be lost: open the file of "
            "judgments itself, which several judges can share, or import its questions alone"
        )
    queries: dict[str, str] = {}
    for where, question_id, text in _entries(file):
        if queries.setdefault(question_id or text, text) != text:
            raise InvalidInputError(f"{path}, line {where}: the id {question_id!r} comes twice")
    if not queries:
        raise InvalidInputError(f"{path}: there is no question in it")
    return Collection((), queries, {})


def sample_questions(
    log: str | os.PathLike[str] | Iterable[str],
    count: int,
    *,
    weighted: bool = True,
    seed: int = 0,
) -> list[str]:
    """Sample distinct questions from a log of queries.

    Weighted by frequency, the sample stands for what users meet, and the frequent questions are
    nearly all in it; not weighted, it stands for their variety. Drawn without
    replacement by keys: P. Efraimidis and P. Spirakis, *Weighted Random Sampling with a
    Reservoir*, Information Processing Letters 97, 2006. Questions that differ in blanks and case
    only are one, in the spelling that is most frequent.

    Args:
        log: a file as `read_questions` reads it, where questions may come many times, or texts.
        count: how many; all of them if there are fewer.
        weighted: whether a more frequent question is more likely.
        seed: of the sample; the same log and seed give the same sample.

    Returns:
        the questions, the most frequent first.

    Raises:
        InvalidInputError: an argument is not valid, or the log has no question.

    >>> sample_questions(["why?", "who?", "Why?", "why?"], 2)
    ['why?', 'who?']
    """
    check_count(count, "count")
    check_flag(weighted, "weighted")
    check_seed(seed)
    spellings: dict[str, Counter[str]] = {}
    for text in _texts_of(log):
        spellings.setdefault(text.casefold(), Counter())[text] += 1
    if not spellings:
        raise InvalidInputError("the log has no question in it")
    random = Random(seed)  # noqa: S311 - a sample, no secret
    keys = {}
    for key in sorted(spellings):  # whatever the order of the log
        weight = spellings[key].total() if weighted else 1
        keys[key] = random.random() ** (1 / weight)
    drawn = sorted(keys, key=lambda key: keys[key], reverse=True)[:count]
    drawn.sort(key=lambda key: (-spellings[key].total(), key))
    return [min(spellings[key].items(), key=lambda each: (-each[1], each[0]))[0] for key in drawn]


def _texts_of(log: str | os.PathLike[str] | Iterable[str]) -> Iterator[str]:
    if isinstance(log, str | os.PathLike):
        yield from (text for _, _, text in _entries(Path(log).expanduser()))
        return
    for text in log:
        if not isinstance(text, str):
            raise InvalidInputError(f"a log has texts, not {text!r:.80}")
        if line := " ".join(text.split()):
            yield line


def _is_judged(file: Path) -> bool:
    suffix = file.suffix.lower()
    if suffix == ".json":
        content = read_json(file)
        if isinstance(content, Mapping):
            return True
        first = content[0] if isinstance(content, list) and content else None
        return isinstance(first, Mapping) and not _JUDGED.isdisjoint(first)
    return not _JUDGED.isdisjoint(_names_of(file))


def _names_of(file: Path) -> Iterable[str]:
    return field_names(file) if file.suffix.lower() in {".csv", ".tsv", *JSONL} else ()


def _entries(file: Path) -> Iterator[tuple[int, str | None, str]]:
    """Iterate over the questions of a file: line, id and text of each."""
    suffix = file.suffix.lower()
    rows: Iterable[tuple[int, str | None, Any]]
    if suffix == ".json":
        rows = _of_json(file)
    elif suffix in JSONL:
        rows = (_of_record(file, line, entry) for line, entry in _lines_of_json(file))
    elif suffix in {".csv", ".tsv"}:
        rows = _of_table(file)
    else:
        lines, _ = read_lines(file)
        rows = ((line, None, text) for line, text in enumerate(lines, start=1))
    for line, question_id, text in rows:
        if not isinstance(text, str):
            raise InvalidInputError(f"{file}, line {line}: a question is a text, not {text!r:.80}")
        if joined := " ".join(text.split()):
            yield line, question_id, joined


def _of_json(file: Path) -> Iterator[tuple[int, str | None, Any]]:
    content = read_json(file)
    if not isinstance(content, list):
        raise InvalidInputError(f"{file}: expected a list of questions, texts or objects")
    for number, entry in enumerate(content, start=1):
        if isinstance(entry, Mapping):
            yield _of_record(file, number, entry)
        else:
            yield number, None, entry


def _lines_of_json(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    read_lines(file)  # that there is such a file, in UTF-8
    yield from read_json_lines(file)


def _of_table(file: Path) -> Iterator[tuple[int, str | None, Any]]:
    rows = [*rows_of(file, *read_lines(file))]
    heading = [cell.lower() for cell in rows[0][1]] if rows else []
    if not set(_TEXT).isdisjoint(heading):
        for line, cells in rows[1:]:
            if len(cells) != len(heading):
                raise InvalidInputError(
                    f"{file}, line {line}: expected {len(heading)} cells ({', '.join(heading)}), "
                    f"not {len(cells)}"
                )
            yield _of_record(file, line, dict(zip(heading, cells, strict=True)))
        return
    for line, cells in rows:
        match cells:
            case [text]:
                yield line, None, text
            case [question_id, text]:
                yield line, question_id or None, text
            case _:
                raise InvalidInputError(
                    f"{file}, line {line}: no column is named {' or '.join(_TEXT)}, and there are "
                    f"{len(cells)}: which is the question?"
                )


def _of_record(file: Path, line: int, fields: Mapping[str, Any]) -> tuple[int, str | None, Any]:
    text = _first(fields, _TEXT)
    if text is None:
        raise InvalidInputError(
            f"{file}, line {line}: there is no field {' or '.join(_TEXT)}, only "
            f"{', '.join(map(str, fields)) or 'none'}"
        )
    question_id = _first(fields, _ID)
    return line, None if question_id is None else str(question_id), text


def _first(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((fields[name] for name in names if fields.get(name) not in (None, "")), None)
