"""What the rerankers of language models share: one body for both forms, costs and failures."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ..arguments import check_count
from ..errors import InvalidInputError
from ..passages import Hit
from ..reranking import check_candidates, reordered
from ..search_text import SearchText, SearchTextLike
from ..steps import Steps, arun, run
from .budget import estimated_tokens
from .completions import Completion, Usage
from .models import Ask, LanguageModel

__all__ = ["ModelReranker", "Outcome"]

logger = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What became of the prompts of one query.

    Args:
        usage: the cost of all.
        prompts: how many were answered or failed.
        failures: for each that had no use, the reason.
    """

    usage: Usage = field(default_factory=Usage)
    prompts: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, completion: Completion, usable: bool) -> None:
        """Count one prompt."""
        self.usage += completion.usage
        self.prompts += 1
        if completion.error is not None:
            error = completion.error
            self.failures.append(f"{type(error).__name__}: {error}"[:100].rstrip(": "))
        elif not usable:
            self.failures.append(f"unusable answer {completion.text[:60]!r}")

    def note(self, unchanged: str) -> str | None:
        """Return the cost and the failures in a line; None where nothing was asked."""
        if not self.prompts:
            return None
        if not self.failures:
            return str(self.usage)
        return (
            f"{self.usage}; {len(self.failures)} of {self.prompts} {unchanged}: {self.failures[0]}"
        )


class ModelReranker(ABC):
    """A reranker that asks a language model; a subclass asks, and gives the scores.

    A candidate is never lost, and nothing that a model writes raises an error: what it leaves out
    keeps its earlier order. What the model fails at is logged once, and is in the trace with the
    cost: each entry of this stage has it in its `note`. A blank query keeps the earlier order, and
    blank passages come last; the model reads neither.

    Args:
        model: anything that `LanguageModel.of` takes.
        name: the stage's name in traces.
        instruction: the task, in words.
        prompt_tokens: of the passages in one prompt, which are shortened until they fit.
        count_tokens: returns the tokens of a text; None for its characters by 4.
        search_text: what is read of a passage, see `hybridge.search_text`; None for the text alone.

    Attributes:
        reads_texts: True: any ids will do for the passages, since it reads their texts alone.
    """

    reads_texts = True
    _unchanged = "answers kept the earlier order"
    _apart = 1.0  # between the scores of blank passages, which are below 0

    def __init__(
        self,
        model: Any,
        *,
        name: str,
        instruction: str,
        fields: dict[str, Any],
        prompt_tokens: int,
        count_tokens: Callable[[str], int] | None,
        search_text: SearchTextLike,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise InvalidInputError(f"name must be a non-empty string, not {name!r}")
        if not isinstance(instruction, str) or not instruction.strip():
            raise InvalidInputError(f"instruction must be a text, not {instruction!r}")
        if count_tokens is not None and not callable(count_tokens):
            raise InvalidInputError(
                f"count_tokens must be a function from a text to a number, not {count_tokens!r}"
            )
        self.model = LanguageModel.of(model)
        self.name = name
        self.search_text = SearchText.of(search_text)
        self._instruction = instruction.strip()
        self._fields = fields
        self._budget = check_count(prompt_tokens, "prompt_tokens")
        self._count = estimated_tokens if count_tokens is None else count_tokens
        self._has_warned = False

    @abstractmethod
    def _scores(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]], outcomes: Sequence[Outcome]
    ) -> Steps[list[list[float]]]:
        """Return a score from 0 for each of `texts[i]`, none blank, and count in `outcomes`."""

    def rerank(
        self,
        queries: Sequence[str],
        candidates: Sequence[Sequence[Hit]],
        k: int | None = None,
    ) -> list[list[Hit]]:
        """Return each query's candidates in the order of this reranker's scores.

        Args:
            queries: questions.
            candidates: one list of hits a question, in their earlier order.
            k: how many to return at most; None for all.

        Raises:
            InvalidInputError: not one list a query, or something in it that is no hit; or the model
                returns something that is no text.
        """
        return run(self._reranked(queries, candidates, k))

    async def arerank(
        self,
        queries: Sequence[str],
        candidates: Sequence[Sequence[Hit]],
        k: int | None = None,
    ) -> list[list[Hit]]:
        """Return what `rerank` returns; a model that can be awaited is, without a thread."""
        return await arun(self._reranked(queries, candidates, k))

    def _reranked(
        self, queries: Sequence[str], candidates: Sequence[Sequence[Hit]], k: int | None
    ) -> Steps[list[list[Hit]]]:
        listed, rows = check_candidates(queries, candidates, k)
        texts = [[self.search_text.read(hit.passage) for hit in row] for row in rows]
        readable = [
            [i for i, text in enumerate(row) if text.strip()] if query.strip() else []
            for query, row in zip(listed, texts, strict=True)
        ]
        positions = [i for i, row in enumerate(readable) if row]
        outcomes = {i: Outcome() for i in positions}
        found = yield from self._scores(
            [listed[i] for i in positions],
            [[texts[i][j] for j in readable[i]] for i in positions],
            [outcomes[i] for i in positions],
        )
        scores = [[-float(j) for j in range(len(row))] for row in rows]  # the earlier order
        for i, some in zip(positions, found, strict=True):
            known, blank = dict(zip(readable[i], some, strict=True)), count(1)
            scores[i] = [
                known[j] if j in known else -self._apart * next(blank) for j in range(len(rows[i]))
            ]
        self._warn(outcomes.values())
        return [
            reordered(
                self.name,
                row,
                row_scores,
                k,
                note=outcomes[i].note(self._unchanged) if i in outcomes else None,
            )
            for i, (row, row_scores) in enumerate(zip(rows, scores, strict=True))
        ]

    def _ask(self, prompts: Sequence[str]) -> Steps[list[Completion]]:
        """Return the model's completions, as JSON where it has structured output."""
        if not prompts:
            return []
        completions: list[Completion] = yield Ask(self.model.answering(self._fields), prompts)
        return completions

    def _warn(self, outcomes: Iterable[Outcome]) -> None:
        failed = [reason for outcome in outcomes for reason in outcome.failures]
        if failed and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "%s: %d answers of the language model were of no use, and the earlier order stays "
                "there, first: %s (logged once; see the notes in the trace)",
                self.name,
                len(failed),
                failed[0],
            )
