"""Questions with the passages that answer them, named by id or quoted, as a judged collection."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import InvalidInputError
from ..passages import Passage, unique_passages
from .collection import Collection
from .contexts import PassageTexts

__all__ = ["Answer", "Answered", "judged_collection"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """A passage that answers a question.

    Args:
        id: the passage's id, if it is known.
        text: its text or a part of it, to find it where no passage has the id.
    """

    id: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A question and its answers.

    Args:
        id: the question's id.
        question: its text.
        answers: the passages that answer it.
    """

    id: str
    question: str
    answers: Sequence[Answer]


def judged_collection(
    answered: Iterable[Answered], passages: Iterable[Passage] | None, name: str
) -> Collection:
    """Return questions with the passages that answer them, each of relevance 1.

    Answers that are no passage, and questions left without an answer, are left out, and a warning
    counts them. A question that comes twice has the answers of both.

    Args:
        answered: the questions.
        passages: those that are searched, such as an index; None takes ids as they are.
        name: of the source, for messages.

    Raises:
        InvalidInputError: texts without passages, one id with two questions, or no question has an
            answer.

    >>> made = judged_collection([Answered("q1", "why?", [Answer("p1")])], None, "mine")
    >>> made.queries, made.qrels
    ({'q1': 'why?'}, {'q1': {'p1': 1}})
    """
    listed = None if passages is None else list(unique_passages(passages))
    known = {passage.id for passage in listed or ()}
    texts: PassageTexts | None = None
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    missing: list[Answer] = []
    total = 0
    for each in answered:
        if queries.setdefault(each.id, each.question) != each.question:
            raise InvalidInputError(
                f"{name}: the id {each.id!r} has two questions, {queries[each.id]!r} and "
                f"{each.question!r}"
            )
        relevant = qrels.setdefault(each.id, {})
        total += len(each.answers)
        for answer in each.answers:
            if listed is None and answer.id is None:
                raise InvalidInputError(
                    f"{name} quotes what answers a question: give the passages to find it in, an "
                    "index for example, as `passages`"
                )
            if answer.id is not None and (listed is None or answer.id in known):
                relevant[answer.id] = 1
                continue
            found: list[str] = []
            if answer.text is not None:
                texts = texts or PassageTexts(listed or ())
                found = texts.find(answer.text)
            relevant.update(dict.fromkeys(found, 1))
            if not found:
                missing.append(answer)
    first = repr(missing[0].text or missing[0].id) if missing else ""
    qrels = {query: relevant for query, relevant in qrels.items() if relevant}
    if not qrels:
        raise InvalidInputError(
            f"{name}: none of {total} answers to {len(queries)} questions is a passage"
            + (f" (the first: {first:.80}): are these the passages?" if missing else "")
        )
    if missing:
        logger.warning(
            "%s: %d of %d answers are no passage and no part of one (the first: %.80s), "
            "and are left out",
            *(name, len(missing), total, first),
        )
    if len(qrels) < len(queries):
        logger.warning(
            "%s: %d of %d questions have no answer among the passages, and are left out",
            *(name, len(queries) - len(qrels), len(queries)),
        )
    return Collection(listed or (), {query: queries[query] for query in qrels}, qrels)
