"""LlamaIndex's data sets of evaluation and fine-tuning, from their files or as objects."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import InvalidInputError
from ..passages import Passage
from .answered import Answer, Answered, judged_collection
from .collection import Collection
from .records import get_field, read_json, source_name

__all__ = ["load_llama_index"]

_PAIRS = ("queries", "corpus", "relevant_docs")


def load_llama_index(
    source: str | os.PathLike[str] | object, passages: Iterable[Passage] | None = None
) -> Collection:
    """Load an `EmbeddingQAFinetuneDataset` or a `LabelledRagDataset` of LlamaIndex.

    The first has question-context pairs under ids: these are passages' ids, or, where `passages`
    has no such id, its texts are looked up. The second has no ids: its reference contexts are
    looked up in `passages`, and a question's id is its text. A context belongs to the passages with
    the same text apart from blanks, or else to those that contain it. What is no passage is left
    out, and a warning counts it.

    Args:
        source: the file that `save_json` wrote, or the data set.
        passages: those that are searched, an index for example; by default the pairs' own corpus.

    Raises:
        InvalidInputError: another file or object, or none of its contexts is a passage.

    >>> pairs = {
    ...     "queries": {"q1": "Why does dough rise?"},
    ...     "corpus": {"node-1": "Yeast makes gas.", "node-2": "Salt slows yeast."},
    ...     "relevant_docs": {"q1": ["node-1"]},
    ... }
    >>> load_llama_index(pairs).qrels
    {'q1': {'node-1': 1}}
    """
    name = source_name(source, "the data set")
    data = read_json(source) if isinstance(source, str | os.PathLike) else source
    queries, corpus, relevant = (get_field(data, part) for part in _PAIRS)
    if all(isinstance(part, Mapping) for part in (queries, corpus, relevant)):
        _strings(list(corpus.values()), f"{name}, corpus")
        if passages is None:
            passages = [Passage(id_, text) for id_, text in corpus.items()]
        return judged_collection(_pairs(queries, corpus, relevant, name), passages, name)
    examples = get_field(data, "examples")
    if isinstance(examples, list | tuple):
        return judged_collection(_examples(examples, name), passages, name)
    raise InvalidInputError(
        f"{name} is no data set of LlamaIndex: expected {', '.join(_PAIRS)}, or examples"
    )


def _pairs(
    queries: Mapping[str, Any], corpus: Mapping[str, Any], relevant: Mapping[str, Any], name: str
) -> Iterator[Answered]:
    if unknown := [query for query in relevant if query not in queries]:
        raise InvalidInputError(
            f"{name}: relevant_docs has {len(unknown)} queries that queries lacks "
            f"(the first: {unknown[0]!r})"
        )
    for query, ids in relevant.items():
        where = f"{name}, query {query!r}"
        answers = [Answer(id_, corpus.get(id_)) for id_ in _strings(ids, where)]
        yield Answered(query, _question(queries[query], where), answers)


def _examples(examples: Iterable[object], name: str) -> Iterator[Answered]:
    for number, example in enumerate(examples, start=1):
        where = f"{name}, example {number}"
        if (query := get_field(example, "query")) is None:
            raise InvalidInputError(
                f"{where} has no query: load LangSmith's examples by load_langsmith"
            )
        question = _question(query, where)
        contexts = get_field(example, "reference_contexts")
        quoted = _strings([] if contexts is None else contexts, where)
        yield Answered(question, question, [Answer(text=context) for context in quoted])


def _question(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{where}: the query must be a text, not {value!r:.80}")
    return value.strip()


def _strings(values: object, where: str) -> list[str]:
    if not isinstance(values, list | tuple) or not all(isinstance(each, str) for each in values):
        raise InvalidInputError(f"{where}: expected a list of strings, not {values!r:.80}")
    return list(values)
