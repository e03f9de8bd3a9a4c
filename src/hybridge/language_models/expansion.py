"""Expansions of queries that a language model writes: phrasings, passages, sub-questions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..arguments import check_count
from ..errors import InvalidInputError
from ..forking import ForkSafeLock
from ..steps import Steps, Work, run
from .completions import Completion
from .model_reranker import Outcome
from .models import Ask, LanguageModel
from .parsing import parse_lines, parse_text

__all__ = [
    "Expanded",
    "QueryExpansion",
    "as_expansion",
    "hypothetical_passages",
    "rephrasings",
    "sub_questions",
]

_REPHRASING = (
    "Write {number} other phrasings of the search query below, which the same passages answer. "
    "Use other words where there are some, and keep its language."
)
_PASSAGE = (
    "Write a passage of a few sentences, as it might stand in a document, that answers the query "
    "below, in its language. If you do not know the answer, write what it might be."
)
_DECOMPOSITION = (
    "Write {number} simpler questions, in the language of the question below, whose answers "
    "together answer it."
)
_CACHED = 10_000  # queries


@dataclass(frozen=True, slots=True)
class Expanded:
    """What was written for a query.

    Args:
        texts: none where that failed.
        note: the cost, and the failure; None without either.
    """

    texts: tuple[str, ...] = ()
    note: str | None = None


class QueryExpansion:
    """Texts that a language model writes for a query, to search for beside it.

    The latest answers are kept, 10,000 of them: the model reads a query once. Failures are not.

    Args:
        model: anything that `LanguageModel.of` takes.
        instruction: the task, in words; ``{number}`` stands for the number.
        number: texts a query, at most.
        whole: an answer is one text, with a prompt each; False reads one text a line.

    Raises:
        InvalidInputError: an argument is not valid.

    >>> expansion = QueryExpansion(lambda prompt: "1. rising dough\\n2. yeast", "Rephrase.")
    >>> expansion.expand(["why does dough rise?"])
    [('rising dough', 'yeast')]
    """

    def __init__(
        self, model: Any, instruction: str, *, number: int = 3, whole: bool = False
    ) -> None:
        if not isinstance(instruction, str) or not instruction.strip():
            raise InvalidInputError(f"instruction must be a text, not {instruction!r}")
        self.model = LanguageModel.of(model)
        self.number = check_count(number, "number")
        self._instruction = instruction.replace("{number}", str(number)).strip()
        self._whole = whole
        self._known: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._lock = ForkSafeLock()

    def __repr__(self) -> str:
        return f"QueryExpansion({self._instruction!r}, number={self.number})"

    def expand(self, queries: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the texts for each query; none where the model fails."""
        return [found.texts for found in run(self.steps(queries))]

    def steps(self, queries: Sequence[str]) -> Steps[list[Expanded]]:
        """Return what was written for each query, after the step in which the model writes."""
        with self._lock:
            found = {query: self._known[query] for query in queries if query in self._known}
            for query in found:
                self._known.move_to_end(query)
        new = [query for query in dict.fromkeys(queries) if query not in found]
        times = self.number if self._whole else 1
        outcomes: dict[str, Expanded] = {}
        if new:
            model = self.model if self._whole else self.model.answering({"queries": list[str]})
            prompts = [self._prompt(query, i) for query in new for i in range(times)]
            answers: list[Completion] = yield Ask(model, prompts)
            for start, query in enumerate(new):
                some = answers[start * times : (start + 1) * times]
                outcomes[query] = self._read(query, some)
        return [
            outcomes[query] if query in outcomes else Expanded(found[query]) for query in queries
        ]

    def _prompt(self, query: str, i: int) -> str:
        task = self._instruction if i == 0 else f"{self._instruction} (Version {i + 1}.)"
        end = "" if self._whole else "\n\nWrite one a line, and nothing else."
        return f"{task}{end}\n\nQuery: {' '.join(query.split())}"

    def _read(self, query: str, completions: Sequence[Completion]) -> Expanded:
        outcome, texts = Outcome(), list[str]()
        for completion in completions:
            text = completion.text
            written = parse_text(text) if self._whole else parse_lines(text)
            outcome.add(completion, usable=bool(written))
            texts += written
        same = " ".join(query.split()).casefold()
        unique = {text.casefold(): text for text in texts if text.casefold() != same}
        chosen = tuple(unique.values())[: self.number]
        if chosen and not outcome.failures:
            with self._lock:
                self._known[query] = chosen
                while len(self._known) > _CACHED:
                    self._known.popitem(last=False)
        return Expanded(chosen, outcome.note("answers left the query alone"))


class _Function:
    """A function from a query to texts as an expansion."""

    def __init__(self, function: Callable[[str], Sequence[str]]) -> None:
        self._function = function

    def steps(self, queries: Sequence[str]) -> Steps[list[Expanded]]:
        expanded: list[Expanded] = yield Work(lambda: [self._expanded(query) for query in queries])
        return expanded

    def _expanded(self, query: str) -> Expanded:
        texts: Any = None
        try:
            texts = self._function(query)
            if isinstance(texts, Iterable) and not isinstance(texts, str):
                texts = list(texts)  # a generator may fail, too
        except Exception as error:  # noqa: BLE001  # it may raise anything, and the query is left
            return Expanded(note=f"the query alone: {type(error).__name__}: {error}"[:200])
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise InvalidInputError(
                f"an expansion returns a list of texts for a query, not {texts!r:.80}"
            )
        return Expanded(tuple(dict.fromkeys(text for text in texts if text.strip())))


def as_expansion(expansion: Any) -> Any:
    """Return an expansion as it is, and that of a function from a query to texts.

    Raises:
        InvalidInputError: it is neither.
    """
    if isinstance(expansion, type) or not (
        callable(getattr(expansion, "steps", None)) or callable(expansion)
    ):
        raise InvalidInputError(
            "an expansion is what rephrasings, hypothetical_passages or sub_questions return, or a "
            f"function from a query to a list of texts, not {expansion!r:.80}"
        )
    return expansion if callable(getattr(expansion, "steps", None)) else _Function(expansion)


def rephrasings(model: Any, number: int = 3, *, instruction: str = _REPHRASING) -> QueryExpansion:
    """Return an expansion by other phrasings of a query.

    Args:
        model: anything that `LanguageModel.of` takes.
        number: phrasings a query, at most.
        instruction: the task, in words.

    >>> rephrasings(lambda prompt: "what makes dough rise").expand(["why does dough rise?"])
    [('what makes dough rise',)]
    """
    return QueryExpansion(model, instruction, number=number)


def hypothetical_passages(
    model: Any, number: int = 1, *, instruction: str = _PASSAGE
) -> QueryExpansion:
    """Return an expansion by passages that might answer a query.

    HyDE: L. Gao et al., *Precise Zero-Shot Dense Retrieval without Relevance Labels*, arXiv
    2212.10496, 2022. It is for dense vectors: expand `HybridIndex.dense`, and fuse it with BM25.

    Args:
        model: anything that `LanguageModel.of` takes, with enough tokens for a passage.
        number: passages a query.
        instruction: the task, in words.
    """
    return QueryExpansion(model, instruction, number=number, whole=True)


def sub_questions(
    model: Any, number: int = 3, *, instruction: str = _DECOMPOSITION
) -> QueryExpansion:
    """Return an expansion by simpler questions, whose answers together answer a query.

    Args:
        model: anything that `LanguageModel.of` takes.
        number: questions a query, at most.
        instruction: the task, in words.
    """
    return QueryExpansion(model, instruction, number=number)
