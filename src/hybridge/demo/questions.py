"""Questions of Python users, and the passages of the language reference that answer them.

The texts, and so the passages, differ slightly between versions of Python. So a judgement names its
passage by topic and a literal quote, which can be found again in any passages.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidInputError
from ..evaluation import Collection
from ..passages import JSON, Passage, unique_passages
from .reference import language_reference

__all__ = ["KINDS", "Answer", "Question", "labelled_questions", "read_questions"]

logger = logging.getLogger(__name__)

KINDS = ("term", "paraphrase", "symptom", "keyword")
"""The term itself, a paraphrase, a symptom, or keywords as for a search engine."""

_FILE = Path(__file__).with_name("questions.jsonl")


@dataclass(frozen=True, slots=True)
class Answer:
    """A relevance judgement of a passage.

    Args:
        topic: the topic of the reference that holds the passage.
        quote: a literal quote from the passage, with single blanks for white space.
        relevance: 2 if the passage answers the question, 1 if it helps or answers it in part.
    """

    topic: str
    quote: str
    relevance: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question and every passage known to answer it.

    Args:
        id: "q001" and on.
        text: the question.
        kind: one of `KINDS`, on which retrievers differ.
        answers: at least one has relevance 2.
    """

    id: str
    text: str
    kind: str
    answers: Sequence[Answer]


def labelled_questions(passages: Iterable[Passage] | None = None) -> Collection:
    """Return the labelled questions over the language reference of this Python.

    Quotes that this Python's reference lacks are left out, and so are questions without any other
    passage of relevance 2; a warning counts both.

    Args:
        passages: the passages with the answers; None for `language_reference()`. Their metadata
            name the topic as ``source``; other topics count only if the quote's topic lacks it.

    Raises:
        InvalidInputError: the passages answer none of the questions.
        HybridgeError: this Python comes without its reference.

    >>> questions = labelled_questions()
    >>> questions.queries["q001"], questions.qrels["q001"]["nonlocal#0"]
    ('What does nonlocal do?', 2)
    """
    searched = list(unique_passages(language_reference() if passages is None else passages))
    quotes = _Quotes(searched)
    questions = read_questions()
    judged = {question.id: quotes.judgements(question.answers) for question in questions}
    qrels = {id_: found for id_, found in judged.items() if 2 in found.values()}
    if not qrels:
        raise InvalidInputError(
            f"the {len(searched)} passages answer none of the labelled questions: "
            "use those of language_reference(), in any chunks"
        )
    if quotes.missing or len(qrels) < len(questions):
        logger.warning(
            "%d of %d quotes are not in %s: these are left out, and with them %d of %d questions",
            quotes.missing,
            sum(len(question.answers) for question in questions),
            "this Python's language reference" if passages is None else "these passages",
            len(questions) - len(qrels),
            len(questions),
        )
    queries = {question.id: question.text for question in questions if question.id in qrels}
    return Collection(searched, queries, qrels)


def read_questions() -> list[Question]:
    """Read the labelled questions of the package, as they were judged.

    >>> first = read_questions()[0]
    >>> first.kind, first.answers[0].topic, first.answers[0].relevance
    ('term', 'nonlocal', 2)
    """
    with _FILE.open(encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines]
    return [
        Question(**{**entry, "answers": tuple(Answer(**answer) for answer in entry["answers"])})
        for entry in entries
    ]


class _Quotes:
    """The passages of each quote, and a count of the missing quotes."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        self.missing = 0
        self._topics: dict[JSON, dict[str, str]] = {}
        for passage in passages:
            topic = passage.metadata.get("source")
            if not isinstance(topic, str):
                topic = None
            self._topics.setdefault(topic, {})[passage.id] = " ".join(passage.text.split())

    def judgements(self, answers: Iterable[Answer]) -> dict[str, int]:
        found: dict[str, int] = {}
        for answer in answers:
            ids = self._ids_with(answer)
            self.missing += not ids
            for id_ in ids:
                found[id_] = max(answer.relevance, found.get(id_, 0))
        return found

    def _ids_with(self, answer: Answer) -> list[str]:
        def within(texts: Mapping[str, str]) -> list[str]:
            return [id_ for id_, text in texts.items() if answer.quote in text]

        return within(self._topics.get(answer.topic, {})) or [
            id_ for texts in self._topics.values() for id_ in within(texts)
        ]
