"""Cleaning of a language model's raw answers: the question alone, or nothing."""

from __future__ import annotations

import re
from collections.abc import Collection

from .word_spans import word_spans

__all__ = ["cleaned_question"]

_SHORTEST, _LONGEST = 3, 60  # words
# Where a chat template opens the reasoning, the answer only closes it.
_REASONING = re.compile(r"(?:<think>|\A).*?</think>|<think>.*\Z", re.DOTALL | re.IGNORECASE)
_LABEL = r"(?:search )?(?:question|query|claim|q)(?: ?\d+)?[*_]*:"
# What stands before a question: a mark of a list or a heading, a number, a label.
_LEAD = re.compile(
    rf"^(?:[-*•>#]+\s+|\(?\d{{1,2}}[.):]\s+|[*_]+(?=\w)|[*_]*{_LABEL}[*_]*\s*)+", re.IGNORECASE
)
_QUOTES = re.compile(r"""^(?:["'`“”„«»‘’「『]\s*)+|(?:\s*["'`“”„«»‘’」』]|[*_])+$""")
# Four characters or more, with a letter, that come three times in a row.
_LOOP = re.compile(r"((?=.{0,3}[^\W\d_]).{4,80}?)\1{2,}", re.DOTALL)


def cleaned_question(answer: str, passage: str, others: Collection[str] = ()) -> str | None:
    r"""Return the question in a raw answer, or None where there is none to be used.

    The question is the first line that does not announce another, without reasoning in
    ``<think>`` or before ``</think>``, numbers, labels such as "Question:" and quotes around it. It
    is not used where it has fewer than 3 words or more than 60, repeats itself three times in a
    row, or is copied from the passage or from the examples.

    Args:
        answer: the model's.
        passage: the text that the question is about.
        others: the queries of the examples in the prompt.

    >>> cleaned_question('Sure! Here is one:\n\n1. "Why does tea turn bitter?"', "Steep it.")
    'Why does tea turn bitter?'
    >>> cleaned_question("Steep it for three minutes.", "Steep it for three minutes. Then drink.")
    """
    question = _bare(_first_line(_REASONING.sub("", answer)))
    if not _SHORTEST <= len(word_spans(question)) <= _LONGEST or _LOOP.search(question):
        return None
    compared = _compared(question)
    if compared in _compared(passage) or compared in map(_compared, others):
        return None
    return question


def _first_line(answer: str) -> str:
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    for position, line in enumerate(lines, start=1):
        if position == len(lines) or not line.rstrip("*_ ").endswith((":", "：")):
            return line
    return ""


def _bare(line: str) -> str:
    line = _LEAD.sub("", line).strip()
    return _QUOTES.sub("", line).strip()


def _compared(text: str) -> str:
    """Return a text without the differences of a copy: case, space, marks at the ends."""
    return " ".join(text.casefold().split()).strip(" .?!。？！")
