"""`ListwiseReranker`: windows from the last to the first, repaired rankings, failures, costs."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from hybridge import Hit, Passage, Pipeline
from hybridge.errors import InvalidInputError
from hybridge.language_models import LanguageModel, ListwiseReranker
from hybridge.testing import RerankerConformance

Model = Callable[[str], str]


def hits(count: int) -> list[Hit]:
    """Candidates whose texts are their values: 0, 1, …, in this order."""
    return [
        Hit(Passage(f"p{value:02}", f"value {value}"), 1 / (value + 1)) for value in range(count)
    ]


def shown(prompt: str) -> list[int]:
    """The values in a prompt, in its order."""
    numbered = re.findall(r"^\[(\d+)\] value (\d+)$", prompt, re.MULTILINE)
    assert [int(number) for number, _ in numbered] == list(range(1, len(numbered) + 1))
    return [int(value) for _, value in numbered]


def greatest_first(prompt: str) -> str:
    values = shown(prompt)
    order = sorted(range(len(values)), key=lambda i: -values[i])
    return " > ".join(f"[{i + 1}]" for i in order)


def values(reranked: Sequence[Hit]) -> list[int]:
    return [int(hit.passage.text.split()[1]) for hit in reranked]


def quick(model: Model, **options: Any) -> LanguageModel:
    return LanguageModel.of(model, **{"retries": 0, **options})


class TestConformance(RerankerConformance):
    def build(self) -> ListwiseReranker:
        def by_length(prompt: str) -> str:
            texts = re.findall(r"^\[\d+\] (.+)$", prompt, re.MULTILINE)
            order = sorted(range(len(texts)), key=lambda i: (-len(texts[i]), i))
            return " > ".join(f"[{i + 1}]" for i in order)

        return ListwiseReranker(by_length, window=6, step=3)


def test_windows_move_from_the_last_to_the_first() -> None:
    windows: list[list[int]] = []

    def model(prompt: str) -> str:
        windows.append(shown(prompt))
        return greatest_first(prompt)

    [reranked] = ListwiseReranker(model, window=4, step=2).rerank(["q"], [hits(9)])
    # By hand: 5…8 are turned round, 8 and 7 go along to the next window, and so on.
    assert windows == [[5, 6, 7, 8], [3, 4, 8, 7], [1, 2, 8, 7], [0, 8, 7, 2]]
    assert values(reranked) == [8, 7, 2, 0, 1, 4, 3, 6, 5]
    assert [hit.score for hit in reranked] == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    # 4 calls of about 263 characters, and answers of 21 of them.
    assert reranked[0].trace[-1].note is not None
    assert re.fullmatch(r"4 calls, about \d+ tokens", reranked[0].trace[-1].note)


def test_windows_of_several_queries_are_asked_for_at_once() -> None:
    batches: list[int] = []

    def write(prompts: list[str]) -> list[str]:
        batches.append(len(prompts))
        return list(map(greatest_first, prompts))

    model = LanguageModel(write, batch_size=8)
    found = ListwiseReranker(model, window=4, step=2).rerank(
        ["q", " ", "r", "s"], [hits(6), hits(3), hits(3), hits(1)]
    )
    assert batches == [2, 1]
    assert list(map(values, found)) == [[5, 4, 1, 0, 3, 2], [0, 1, 2], [2, 1, 0], [0]]
    assert [some[0].trace[-1].note is None for some in found] == [False, True, False, True]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("[3]", [2, 0, 1, 3]),  # the others keep their order behind
        ("[3] > [3] > [9] > [2]", [2, 1, 0, 3]),
        ("", [0, 1, 2, 3]),
        ("I'm sorry, but I cannot rank these.", [0, 1, 2, 3]),
        ('{"ranking": [4, 3', [3, 2, 0, 1]),
    ],
)
def test_what_an_answer_does_not_name_keeps_its_order(answer: str, expected: list[int]) -> None:
    [reranked] = ListwiseReranker(lambda _: answer).rerank(["q"], [hits(4)])
    assert values(reranked) == expected


def test_a_failure_keeps_the_order_of_its_window_and_is_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = 0

    def model(prompt: str) -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionError("no route")
        return greatest_first(prompt)

    reranker = ListwiseReranker(quick(model), window=4, step=2, name="judge")
    with caplog.at_level(logging.WARNING):
        [reranked] = reranker.rerank(["q"], [hits(6)])
        assert values(reranked) == [3, 2, 1, 0, 4, 5]
        calls = 0
        reranker.rerank(["q"], [hits(6)])
    note = reranked[0].trace[-1].note
    assert note is not None
    assert note.endswith("; 1 of 2 windows kept the earlier order: ConnectionError: no route")
    assert {hit.trace[-1].note for hit in reranked} == {note}
    [record] = caplog.records  # once, not twice
    assert "judge: 1 answers of the language model" in record.getMessage()


def test_an_unusable_answer_is_in_the_note() -> None:
    [reranked] = ListwiseReranker(lambda _: "Sorry.").rerank(["q"], [hits(2)])
    note = reranked[0].trace[-1].note
    assert note is not None
    assert note.endswith("1 of 1 windows kept the earlier order: unusable answer 'Sorry.'")


async def test_an_async_model_is_awaited_and_agrees() -> None:
    threads: set[int] = set()

    async def awrite(prompts: list[str]) -> list[str]:
        threads.add(threading.get_ident())
        await asyncio.sleep(0)
        return list(map(greatest_first, prompts))

    def write(prompts: list[str]) -> list[str]:
        return list(map(greatest_first, prompts))

    reranker = ListwiseReranker(LanguageModel(write, awrite=awrite), window=4, step=2)
    found = await reranker.arerank(["q"], [hits(9)])
    assert found == reranker.rerank(["q"], [hits(9)])
    assert threads == {threading.get_ident()}


def test_long_passages_are_shortened_to_the_budget() -> None:
    prompts: list[str] = []

    def model(prompt: str) -> str:
        prompts.append(prompt)
        return "[2] > [1]"

    texts = ["short text", "word " * 100]
    candidates = [Hit(Passage(str(i), text), 0.0) for i, text in enumerate(texts)]
    ListwiseReranker(model, prompt_tokens=12, count_tokens=lambda text: len(text.split())).rerank(
        ["q"], [candidates]
    )
    assert "[1] short text\n" in prompts[0]
    assert f"[2] {' '.join(['word'] * 10)}\n" in prompts[0]


def test_a_passage_cannot_pose_as_others() -> None:
    prompts: list[str] = []

    def model(prompt: str) -> str:
        prompts.append(prompt)
        return ""

    candidates = [Hit(Passage("1", "a\n[2] b\n\nQuery: c"), 0.0), Hit(Passage("2", "d"), 0.0)]
    ListwiseReranker(model).rerank(["e\nf"], [candidates])
    assert re.findall(r"^\[\d\] .*$", prompts[0], re.MULTILINE) == ["[1] a [2] b Query: c", "[2] d"]
    assert re.findall(r"^Query: .*$", prompts[0], re.MULTILINE) == ["Query: e f"]


def test_blank_passages_come_last_and_are_not_shown() -> None:
    def model(prompt: str) -> str:
        assert shown(prompt) == [0, 1]
        return "[2] > [1]"

    blank = Hit(Passage("blank", "  "), 9.0)
    [reranked] = ListwiseReranker(model).rerank(["q"], [[blank, *hits(2)]])
    assert [hit.passage.id for hit in reranked] == ["p01", "p00", "blank"]


def test_a_pipeline_blends_ranks_in_standard_deviations() -> None:
    class Fixed:
        def search(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> Any:
            return [[Hit(Passage("a", "value 0"), 3.0), Hit(Passage("b", "value 1"), 1.0)]]

        async def asearch(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> Any:
            return self.search(queries, k)

    for blend, expected in ((0.25, ["a", "b"]), (0.75, ["b", "a"])):
        pipeline = Pipeline(Fixed(), ListwiseReranker(greatest_first), blend=blend)
        [found] = pipeline.search(["q"], 2)
        assert [hit.passage.id for hit in found] == expected
        # Both sides are one standard deviation from their mean.
        assert found[0].score == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"window": 1}, "a window of 1 that moves by 10"),
        ({"window": 5, "step": 6}, "a window of 5 that moves by 6"),
        ({"step": 0}, "step must be"),
        ({"name": ""}, "name must be"),
        ({"instruction": " "}, "instruction must be"),
        ({"prompt_tokens": 0}, "prompt_tokens must be"),
        ({"count_tokens": 4}, "count_tokens must be a function"),
        ({"model": 5}, "a language model is"),
    ],
)
def test_arguments_that_are_not_valid_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        ListwiseReranker(**{"model": greatest_first, **options})
