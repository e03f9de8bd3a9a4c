"""LangSmith's examples, from exported files or from its client."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from ..arguments import as_id
from ..errors import InvalidInputError
from ..passages import Passage
from .answered import Answer, Answered, judged_collection
from .collection import Collection
from .records import Record, Source, read_records, source_name

__all__ = ["load_langsmith"]

_NAMES = ("inputs", "outputs", "id")
_TEXTS = ("page_content", "text")  # of a document, in LangChain's and in other forms


def load_langsmith(
    source: Source,
    passages: Iterable[Passage] | None = None,
    *,
    ids: str | None = None,
    contexts: str | None = None,
    question: str = "question",
) -> Collection:
    """Load the examples of a LangSmith dataset as questions with the passages that answer them.

    An output has the ids of passages, or texts that are looked up in `passages`: one string, a
    list of strings, or a list of documents. A text belongs to the passages with the same text
    apart from blanks, or else to those that contain it. What is no passage is left out, and a
    warning counts it. The id of a question is the example's, or without one its text.

    Args:
        source: exported examples, as JSONL or JSON (objects with ``inputs`` and ``outputs``) or as
            CSV (columns ``input_question``, ``output_ids`` …), or what `client.list_examples`
            returns.
        passages: those that are searched, an index for example; with `ids` it may be left out.
        ids: the output that has passages' ids.
        contexts: instead, the output that has texts or documents.
        question: the input that has the question.

    Raises:
        InvalidInputError: not one of `ids` and `contexts`, an example without these fields, or none
            of them is a passage; the message names file and line.

    >>> examples = [{"inputs": {"question": "why?"}, "outputs": {"sources": ["p1", "p2"]}}]
    >>> load_langsmith(examples, ids="sources").qrels
    {'why?': {'p1': 1, 'p2': 1}}
    """
    if (ids is None) == (contexts is None):
        raise InvalidInputError(
            "say which output has the passages' ids, as `ids`, or their texts, as `contexts`"
        )
    name = source_name(source, "the examples")
    output = ids if contexts is None else contexts
    rows = (_example(record) for record in read_records(source, _NAMES))
    return judged_collection(_answered(rows, question, output, ids is not None), passages, name)


def _answered(
    rows: Iterable[tuple[Record, Record, str | None]], question: str, output: Any, is_id: bool
) -> Iterator[Answered]:
    for inputs, outputs, id_ in rows:
        text = inputs.text(question)
        values = outputs.value(output)
        listed = values if isinstance(values, list) else [] if values in (None, "") else [values]
        where = f"{outputs.where}: {output!r}"
        if is_id:
            answers = [Answer(as_id(each, f"{where} must be passages' ids")) for each in listed]
        else:
            answers = [Answer(text=_text(each, where)) for each in listed]
        yield Answered(id_ or text, text, answers)


def _example(record: Record) -> tuple[Record, Record, str | None]:
    """Return the inputs and the outputs of an example, and its id."""
    fields = dict(record.fields)
    if not fields.keys() & {"inputs", "outputs"}:  # of CSV, a column each
        for side in ("input", "output"):
            prefix = f"{side}_"
            fields[f"{side}s"] = {
                column.removeprefix(prefix): _cell(value)
                for column, value in record.fields.items()
                if column.startswith(prefix)
            }
    id_ = fields.get("id")
    return (
        _side(record, fields, "inputs"),
        _side(record, fields, "outputs"),
        str(id_) if isinstance(id_, str | UUID) and id_ else None,
    )


def _side(record: Record, fields: Mapping[str, Any], side: str) -> Record:
    value = _cell(fields.get(side))
    if not isinstance(value, Mapping):
        raise InvalidInputError(
            f"{record.where}: expected an example with {side}, not {record.fields!r:.80}"
        )
    return Record(f"{record.where}, {side}", value)


def _cell(value: Any) -> Any:
    """Return the JSON in a cell of a table; any other value as it is."""
    if not isinstance(value, str) or not value.startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):  # a text that begins with a bracket
        return value


def _text(value: Any, where: str) -> str:
    if isinstance(value, Mapping):
        kwargs = value.get("kwargs")  # as LangChain serializes a document
        document = kwargs if isinstance(kwargs, Mapping) else value
        value = next((document[key] for key in _TEXTS if key in document), value)
    if not isinstance(value, str):
        raise InvalidInputError(f"{where} must be texts or documents, not {value!r:.80}")
    return value
