"""What Python users ask, and which passages of the language reference answer it.

Another Python has slightly other texts, cut at other places. So a judgement names its passage by
topic and a literal quote, and is found again in whatever passages there are.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidInputError
from ..evaluation import Collection
from ..passages import JSON, Passage, unique_passages
from ..readers import read_json_lines
from .reference import language_reference

__all__ = ["KINDS", "Answer", "Question", "labelled_questions", "read_questions"]

logger = logging.getLogger(__name__)

KINDS = ("term", "paraphrase", "symptom", "keyword")
"""Asked by name, in words of one's own, by what went wrong, or as one types into a search box."""

_FILE = Path(__file__).with_name("questions.jsonl")
_SHORTEST_QUOTE = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """A passage that was judged, wherever it is now.

    Args:
        topic: the reference's topic that holds it.
        quote: some of its words, literally, with a single blank wherever there is white space.
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
        text: as it is asked.
        kind: one of `KINDS`, so that it shows who finds what.
        answers: one of them at least has relevance 2.
    """

    id: str
    text: str
    kind: str
    answers: Sequence[Answer]


def labelled_questions(passages: Iterable[Passage] | None = None) -> Collection:
    """The labelled questions over the language reference that this Python carries.

    A quote that this Python's reference lacks is left out, and so is a question that thereby has
    no passage of relevance 2; a warning tells how many.

    Args:
        passages: where to look for the answers; None for `language_reference()`. Their metadata
            names the topic as ``source``; elsewhere a quote is sought only if its topic lacks it.

    Raises:
        InvalidInputError: the passages answer none of the questions.
        HybridgeError: this Python was packaged without its reference.

    >>> questions = labelled_questions()
    >>> questions.queries["q001"], questions.qrels["q001"]["nonlocal#0"]
    ('What does nonlocal do?', 2)
    """
    searched = list(unique_passages(language_reference() if passages is None else passages))
    places = _Places(searched)
    asked = read_questions(_FILE)
    judged = {question.id: places.judgements(question.answers) for question in asked}
    qrels = {id_: found for id_, found in judged.items() if 2 in found.values()}
    if not qrels:
        raise InvalidInputError(
            f"the {len(searched)} passages answer none of the labelled questions: "
            "give what language_reference() gives, cut as you like"
        )
    if places.missing or len(qrels) < len(asked):
        logger.warning(
            "%d of %d quotes are not in %s: they are left out, and with them %d of %d questions",
            places.missing,
            sum(len(question.answers) for question in asked),
            "this Python's language reference" if passages is None else "the passages given",
            len(asked) - len(qrels),
            len(asked),
        )
    queries = {question.id: question.text for question in asked if question.id in qrels}
    return Collection(searched, queries, qrels)


def read_questions(path: str | os.PathLike[str] = _FILE) -> list[Question]:
    """The questions of a file, as they were judged: one JSON object a line, as in ours.

    Args:
        path: a file of such lines; our own by default.

    Raises:
        InvalidInputError: a line is no such question; the message gives file and line.

    >>> first = read_questions()[0]
    >>> first.kind, first.answers[0].topic, first.answers[0].relevance
    ('term', 'nonlocal', 2)
    """
    questions: dict[str, Question] = {}
    for number, entry in read_json_lines(path):
        try:
            question = _question(entry)
            if question.id in questions:
                raise InvalidInputError(f"the id {question.id!r} was there before")
        except InvalidInputError as error:
            raise InvalidInputError(f"{path}, line {number}: {error}") from None
        questions[question.id] = question
    return list(questions.values())


class _Places:
    """Where in the passages each quote is, and how many quotes were nowhere."""

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
            places = self._holding(answer)
            self.missing += not places
            for place in places:
                found[place] = max(answer.relevance, found.get(place, 0))
        return found

    def _holding(self, answer: Answer) -> list[str]:
        def within(texts: Mapping[str, str]) -> list[str]:
            return [id_ for id_, text in texts.items() if answer.quote in text]

        return within(self._topics.get(answer.topic, {})) or [
            id_ for texts in self._topics.values() for id_ in within(texts)
        ]


def _question(entry: Mapping[str, JSON]) -> Question:
    id_, text, kind = (_text(entry, key) for key in ("id", "text", "kind"))
    if kind not in KINDS:
        raise InvalidInputError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    answers = entry.get("answers")
    if not isinstance(answers, list):
        raise InvalidInputError(f"answers must be a list, not {answers!r:.80}")
    question = Question(id_, text, kind, tuple(_answer(answer) for answer in answers))
    if all(answer.relevance < 2 for answer in question.answers):
        raise InvalidInputError(f"{id_!r} has no answer of relevance 2")
    return question


def _answer(entry: JSON) -> Answer:
    if not isinstance(entry, dict):
        raise InvalidInputError(
            f"an answer must be an object with topic, quote and relevance, not {entry!r:.80}"
        )
    topic, quote = _text(entry, "topic"), _text(entry, "quote")
    if len(quote) < _SHORTEST_QUOTE or quote != " ".join(quote.split()):
        raise InvalidInputError(
            f"a quote must have {_SHORTEST_QUOTE} characters and single blanks, not {quote!r}"
        )
    relevance = entry.get("relevance")
    if not isinstance(relevance, int) or isinstance(relevance, bool) or relevance not in (1, 2):
        raise InvalidInputError(f"relevance must be 1 or 2, not {relevance!r}")
    return Answer(topic, quote, relevance)


def _text(entry: Mapping[str, JSON], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidInputError(f"{key} must be a text that is not empty, not {value!r:.80}")
    return value
