"""`ListwiseReranker`: a language model ranks windows of candidates, from the last to the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..arguments import check_count
from ..errors import InvalidInputError
from ..search_text import SearchTextLike
from ..steps import Steps
from .budget import fitted
from .model_reranker import ModelReranker, Outcome
from .parsing import parse_ranking

__all__ = ["RANKING_INSTRUCTION", "ListwiseReranker"]

RANKING_INSTRUCTION = "Rank the passages by how well they answer the query."
"""What a prompt begins with, unless another is given."""


class ListwiseReranker(ModelReranker):
    r"""A reranker by a language model that ranks several passages at once.

    The model ranks a window of candidates, at first the last ones; then the window moves towards
    the first, and takes the best of the one before along: W. Sun et al., *Is ChatGPT Good at
    Search? Investigating Large Language Models as Re-Ranking Agents*, EMNLP 2023, arXiv 2304.09542.
    The windows of several queries are asked for at the same time.

    An answer is repaired: passages it names twice count once, numbers of no passage are left out,
    and passages it does not name come behind those it does, in their earlier order. Where a call
    fails, or its answer names no passage, the window keeps its earlier order.

    The score of the passage at rank :math:`r` of :math:`n` is :math:`n - r`: it means
    nothing by itself, but can be blended as any score, in standard deviations.

    Args:
        model: anything that `LanguageModel.of` takes: a model of LangChain or LlamaIndex, a
            function from a prompt to a text, `local_language_model(chat=True)`; or a
            `LanguageModel`, for another number of calls at once, timeout or retries.
        window: passages in a prompt.
        step: by how many the window moves.
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
    >>> reranker = ListwiseReranker(lambda prompt: "[2] > [1]")
    >>> [reranked] = reranker.rerank(["why does blood clot?"], [hits])
    >>> [hit.passage.id for hit in reranked], reranked[0].trace[-1].note
    (['2', '1'], '1 call, about 59 tokens')
    """

    _unchanged = "windows kept the earlier order"
    listwise = True
    query_dependent = True  # ranks, which no floor fits

    def __init__(
        self,
        model: Any,
        *,
        window: int = 20,
        step: int = 10,
        name: str = "listwise",
        instruction: str = RANKING_INSTRUCTION,
        prompt_tokens: int = 6000,
        count_tokens: Callable[[str], int] | None = None,
        search_text: SearchTextLike = None,
    ) -> None:
        super().__init__(
            model,
            name=name,
            instruction=instruction,
            fields={"ranking": list[int]},
            prompt_tokens=prompt_tokens,
            count_tokens=count_tokens,
            search_text=search_text,
        )
        self._window = check_count(window, "window")
        self._step = check_count(step, "step")
        if self._window < 2 or self._step > self._window:
            raise InvalidInputError(
                f"a window of {window} that moves by {step} leaves passages out: give a window of "
                "at least 2, and a step of at most the window"
            )

    def _scores(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]], outcomes: Sequence[Outcome]
    ) -> Steps[list[list[float]]]:
        orders = [list(range(len(row))) for row in texts]
        starts = [_starts(len(row), self._window, self._step) for row in texts]
        for number in range(max(map(len, starts), default=0)):
            rows = [i for i, some in enumerate(starts) if number < len(some)]
            spans = [slice(starts[i][number], starts[i][number] + self._window) for i in rows]
            prompts = [
                self._prompt(queries[i], [texts[i][j] for j in orders[i][span]])
                for i, span in zip(rows, spans, strict=True)
            ]
            completions = yield from self._ask(prompts)
            for i, span, completion in zip(rows, spans, completions, strict=True):
                window = orders[i][span]
                best = parse_ranking(completion.text, len(window))
                outcomes[i].add(completion, usable=bool(best))
                named = set(best)
                others = (j for j in range(len(window)) if j not in named)
                orders[i][span] = [window[j] for j in (*best, *others)]
        scores = []
        for order in orders:
            of_rank = {j: float(len(order) - rank) for rank, j in enumerate(order, start=1)}
            scores.append([of_rank[j] for j in range(len(order))])
        return scores

    def _prompt(self, query: str, texts: Sequence[str]) -> str:
        shown = fitted(texts, self._budget, self._count)
        passages = "\n".join(f"[{number}] {text}" for number, text in enumerate(shown, start=1))
        return (
            f"{self._instruction}\n\n{passages}\n\nQuery: {' '.join(query.split())}\n\n"
            f"Rank all {len(texts)} passages, the best first, by their numbers: [2] > [1] and so "
            "on. Write the ranking alone."
        )


def _starts(count: int, window: int, step: int) -> list[int]:
    """Return where the windows begin, in the order they are ranked.

    >>> _starts(45, 20, 10), _starts(12, 20, 10), _starts(1, 20, 10)
    ([25, 15, 5, 0], [0], [])
    """
    if count < 2:
        return []
    last = max(count - window, 0)
    return [*range(last, 0, -step), 0]
