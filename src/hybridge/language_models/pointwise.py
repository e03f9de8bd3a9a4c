"""`LLMReranker`: a language model grades each candidate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from ..arguments import check_count
from ..iteration import chunked
from ..search_text import SearchTextLike
from ..steps import Steps
from .budget import fitted
from .model_reranker import ModelReranker, Outcome
from .parsing import parse_grades

__all__ = ["GRADING_INSTRUCTION", "LLMReranker"]

GRADING_INSTRUCTION = "Grade how well the passage answers the query."
"""What a prompt begins with, unless another is given."""

_TIE = 1e-6  # a position; grades are mostly whole numbers


class LLMReranker(ModelReranker):
    """A reranker by a language model that grades passages, each alone or a few at once.

    A grade is a score with a meaning: the same for the same passage, whatever else was found. Equal
    grades keep their earlier order, by a millionth a position. Passages whose answer fails, or has
    no grade, get the mean of the others, so that a blend leaves them where they were.

    Args:
        model: anything that `LanguageModel.of` takes: a model of LangChain or LlamaIndex, a
            function from a prompt to a text, `local_language_model(chat=True)`; or a
            `LanguageModel`, for another number of calls at once, timeout or retries.
        highest: grade, from 1 to 100; the lowest is 0. With 1 the model answers yes or no.
        per_call: passages in a prompt. More cost fewer calls; their grades then depend on each
            other a little.
        name: the stage's name in traces.
        instruction: the task, in words.
        prompt_tokens: of the passages in one prompt, of which the longest are shortened to fit.
        count_tokens: returns the tokens of a text; None for its characters by 4.
        search_text: what is read of a passage, see `hybridge.search_text`; None for the text alone.

    Raises:
        InvalidInputError: an argument is not valid.

    >>> from hybridge import Hit, Passage
    >>> passages = [Passage("1", "Bread needs yeast."), Passage("2", "Blood clots.")]
    >>> hits = [Hit(passage, 0.0) for passage in passages]
    >>> reranker = LLMReranker(lambda prompt: "Yes" if "Blood" in prompt else "No", highest=1)
    >>> [reranked] = reranker.rerank(["why does blood clot?"], [hits])
    >>> [(hit.passage.id, round(hit.score, 3)) for hit in reranked]
    [('2', 1.0), ('1', 0.0)]
    """

    _unchanged = "answers gave no grade"
    _apart = _TIE

    def __init__(
        self,
        model: Any,
        *,
        highest: int = 3,
        per_call: int = 1,
        name: str = "llm",
        instruction: str = GRADING_INSTRUCTION,
        prompt_tokens: int = 6000,
        count_tokens: Callable[[str], int] | None = None,
        search_text: SearchTextLike = None,
    ) -> None:
        super().__init__(
            model,
            name=name,
            instruction=instruction,
            fields={"grades": list[int]},
            prompt_tokens=prompt_tokens,
            count_tokens=count_tokens,
            search_text=search_text,
        )
        self._highest = check_count(highest, "highest", 100)
        self._per_call = check_count(per_call, "per_call")

    def _scores(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]], outcomes: Sequence[Outcome]
    ) -> Steps[list[list[float]]]:
        calls = [
            (i, positions)
            for i, row in enumerate(texts)
            for positions in chunked(range(len(row)), self._per_call)
        ]
        prompts = [self._prompt(queries[i], [texts[i][j] for j in some]) for i, some in calls]
        completions = yield from self._ask(prompts)
        grades: list[dict[int, float]] = [{} for _ in queries]
        for (i, positions), completion in zip(calls, completions, strict=True):
            found = parse_grades(completion.text, len(positions), self._highest)
            outcomes[i].add(completion, usable=None not in found)
            grades[i] |= {j: g for j, g in zip(positions, found, strict=True) if g is not None}
        return [self._filled(known, len(row)) for known, row in zip(grades, texts, strict=True)]

    def _filled(self, grades: dict[int, float], count: int) -> list[float]:
        mean = fmean(grades.values()) if grades else 0.0
        return [grades.get(j, mean) + _TIE * (count - 1 - j) for j in range(count)]

    def _prompt(self, query: str, texts: Sequence[str]) -> str:
        shown = fitted(texts, self._budget, self._count)
        task = f"{self._instruction}\n\nQuery: {' '.join(query.split())}\n\n"
        scale = f"from 0, not at all, to {self._highest}, fully"
        if len(texts) == 1:
            end = "Answer yes or no." if self._highest == 1 else f"Write a grade {scale}, alone."
            return f"{task}Passage: {shown[0]}\n\n{end}"
        passages = "\n".join(f"[{number}] {text}" for number, text in enumerate(shown, start=1))
        return f"{task}{passages}\n\nWrite a grade {scale}, for each passage, as in [1]: 0."
