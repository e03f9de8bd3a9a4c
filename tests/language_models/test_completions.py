"""Calls of language models: costs, timeouts, retries, several at once, and awaited."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableLambda
from llama_index.core.base.llms.types import CompletionResponse, LLMMetadata
from llama_index.core.llms import CustomLLM, MockLLM
from pydantic import BaseModel

from hybridge.errors import HybridgeError, InvalidInputError
from hybridge.language_models import Completion, LanguageModel, Usage
from hybridge.language_models.completions import Answer, Attempts, timed


def quick(write: Any, **options: Any) -> LanguageModel:
    return LanguageModel(write, **{"backoff": 0.0, **options})


def texts(completions: Sequence[Completion]) -> list[str]:
    return [completion.text for completion in completions]


def test_an_unknown_cost_is_estimated_by_characters() -> None:
    [completion] = quick(lambda _: ["12345"]).complete(["12345678"])
    assert completion == Completion("12345", Usage(1, 2, 2, estimated=True))


def test_a_reported_cost_is_kept() -> None:
    [completion] = quick(lambda _: [Answer.of("tea", Usage(1, 70, 8))]).complete(["?"])
    assert completion == Completion("tea", Usage(1, 70, 8))
    assert type(completion.text) is str
    assert str(completion.usage) == "1 call, 78 tokens"


def test_failed_prompts_are_tried_again_alone() -> None:
    batches: list[list[str]] = []

    def write(prompts: list[str]) -> list[str | Exception]:
        batches.append(prompts)
        return [ValueError("no") if p == "b" and len(batches) < 3 else p.upper() for p in prompts]

    model = quick(write, batch_size=3, retries=2)
    completions = model.complete(["a", "b", "c"])
    assert texts(completions) == ["A", "B", "C"]
    assert batches == [["a", "b", "c"], ["b"], ["b"]]
    assert [completion.usage.calls for completion in completions] == [1, 3, 1]


def test_the_last_error_stays_where_no_try_helps() -> None:
    calls: list[str] = []

    def write(prompts: list[str]) -> list[str]:
        calls.extend(prompts)
        raise ConnectionError(f"try {len(calls)}")

    [completion] = quick(write, retries=2).complete(["a"])
    assert (completion.text, str(completion.error), completion.usage.calls) == ("", "try 3", 3)
    assert calls == ["a"] * 3


def test_pauses_between_tries_double() -> None:
    assert list(LanguageModel(lambda _: [], backoff=0.5, retries=3)._pauses()) == [0, 0.5, 1, 2]


def test_calls_run_at_the_same_time_as_many_as_allowed() -> None:
    meeting = threading.Barrier(3, timeout=20)

    def write(prompts: list[str]) -> list[str]:
        meeting.wait()
        return prompts

    assert texts(quick(write, concurrency=3).complete(["a", "b", "c"])) == ["a", "b", "c"]


def test_a_call_that_takes_too_long_is_left_behind() -> None:
    hanging = threading.Event()

    def write(prompts: list[str]) -> list[str]:
        if prompts == ["slow"]:
            hanging.wait(30)
        return prompts

    slow, fast = quick(write, timeout=0.05, retries=0).complete(["slow", "fast"])
    hanging.set()
    assert isinstance(slow.error, TimeoutError)
    assert str(slow.error) == "no answer within 0.05 s"
    assert (fast.text, fast.error) == ("fast", None)


def test_a_models_own_timeout_is_its_error() -> None:
    def raising() -> str:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        timed(raising, 5)


async def test_awaited_calls_need_no_thread() -> None:
    threads: set[int] = set()
    running = most = 0

    async def awrite(prompts: list[str]) -> list[str]:
        nonlocal running, most
        threads.add(threading.get_ident())
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return prompts

    model = quick(lambda _: pytest.fail("a sync call"), awrite=awrite, concurrency=2)
    assert texts(await model.acomplete(["a", "b", "c", "d"])) == ["a", "b", "c", "d"]
    assert (threads, most) == ({threading.get_ident()}, 2)


async def test_awaited_calls_are_limited_and_tried_again() -> None:
    calls = 0

    async def awrite(prompts: list[str]) -> list[str]:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.sleep(30)
        if calls == 2:
            raise ConnectionError("gone")
        return ["there"]

    model = quick(lambda _: [], awrite=awrite, timeout=0.05, retries=1)
    [failed] = await model.acomplete(["a"])
    assert (str(failed.error), failed.usage.calls) == ("gone", 2)
    calls = 0
    model = quick(lambda _: [], awrite=awrite, timeout=0.05, retries=2)
    [completion] = await model.acomplete(["a"])
    assert (completion.text, completion.usage.calls) == ("there", 3)


async def test_a_function_is_called_in_a_thread() -> None:
    model = quick(lambda prompts: [str(threading.get_ident())], timeout=None)
    [completion] = await model.acomplete(["a"])
    assert completion.text != str(threading.get_ident())


@pytest.mark.parametrize("written", [["a", "b"], [None], [5]])
async def test_what_is_no_text_is_an_error_of_the_caller(written: Any) -> None:
    async def awrite(prompts: list[str]) -> Any:
        return written

    with pytest.raises(InvalidInputError, match="language model"):
        quick(lambda _: written).complete(["a"])
    with pytest.raises(InvalidInputError, match="language model"):
        await quick(lambda _: [], awrite=awrite).acomplete(["a"])


async def test_an_error_of_ours_is_raised() -> None:
    async def awrite(prompts: list[str]) -> Any:
        raise HybridgeError("stop")

    with pytest.raises(HybridgeError, match="stop"):
        await quick(lambda _: [], awrite=awrite).acomplete(["a"])


def test_attempts_sum_their_costs() -> None:
    attempts = Attempts(["12345678"])
    attempts.take([0], [ValueError("no")])
    assert attempts.left == [0]
    attempts.take([0], [Answer.of("yes", Usage(1, 10, 5))])
    assert attempts.left == []
    assert attempts.result == [Completion("yes", Usage(2, 12, 5, estimated=True))]


class Reporting(BaseChatModel):
    """A chat model of LangChain that reports tokens, and has structured output."""

    max_tokens: int | None = None
    text: str = "[2] > [1]"

    @property
    def _llm_type(self) -> str:
        return "reporting"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any
    ) -> ChatResult:
        usage = {"input_tokens": 30, "output_tokens": 4, "total_tokens": 34}
        message = AIMessage(f"{self.text}{self.max_tokens or ''}", usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def with_structured_output(self, schema: Any, *, include_raw: bool = False, **_: Any) -> Any:
        def answer(prompt: str) -> Any:
            raw = self.invoke(prompt)
            try:
                return {
                    "raw": raw,
                    "parsed": schema.model_validate_json(raw.text),
                    "parsing_error": None,
                }
            except ValueError as error:
                return {"raw": raw, "parsed": None, "parsing_error": error}

        assert include_raw
        return RunnableLambda(answer)


async def test_langchains_costs_are_read() -> None:
    model = LanguageModel.of(Reporting())
    expected = [Completion("[2] > [1]", Usage(1, 30, 4))]
    assert model.complete(["rank"]) == expected
    assert await model.acomplete(["rank"]) == expected


def test_structured_output_of_langchain_is_json_or_else_the_text() -> None:
    fields = {"ranking": list[int]}
    structured = LanguageModel.of(Reporting(text='{"ranking": [2, 1]}')).answering(fields)
    assert structured.complete(["rank"]) == [Completion('{"ranking": [2, 1]}', Usage(1, 30, 4))]
    broken = LanguageModel.of(Reporting(), retries=0, timeout=5, concurrency=2).answering(fields)
    assert broken.complete(["rank"]) == [Completion("[2] > [1]", Usage(1, 30, 4))]
    assert (broken.retries, broken.timeout, broken.concurrency) == (0, 5, 2)
    plain = LanguageModel.of(Reporting(), structured=False)
    assert plain.answering(fields) is plain


class Calling(CustomLLM):
    """An LLM of LlamaIndex that calls functions, and reports tokens."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_function_calling_model=True, model_name="calling")

    def as_structured_llm(self, output_cls: type[BaseModel], **_: Any) -> Any:
        made = Calling()
        object.__setattr__(
            made, "complete", lambda prompt: CompletionResponse(text=f"{{{prompt}}}")
        )
        return made

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        counts = {"prompt_tokens": 9, "completion_tokens": 2}
        return CompletionResponse(text=prompt, additional_kwargs=counts)

    async def acomplete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        return CompletionResponse(text=f"awaited {prompt}")

    def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> Any:
        raise NotImplementedError


class StructuredCalling(Calling):
    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        return CompletionResponse(text=f"{{{prompt}}}")


async def test_llama_indexs_costs_are_read_and_its_own_async_form_is_awaited() -> None:
    model = LanguageModel.of(Calling())
    assert model.complete(["tea"]) == [Completion("tea", Usage(1, 9, 2))]
    assert texts(await model.acomplete(["tea"])) == ["awaited tea"]
    # What `CustomLLM` has of its own would block the event loop.
    assert LanguageModel.of(MockLLM()).awrite is None


def test_structured_output_of_llama_index_is_for_models_that_call_functions() -> None:
    assert texts(LanguageModel.of(Calling()).answering({"a": int}).complete(["x"])) == ["{x}"]
    assert LanguageModel.of(MockLLM()).structured is None


def test_max_tokens_are_set_on_a_copy_of_the_model() -> None:
    inner = Reporting()
    assert texts(LanguageModel.of(inner, max_tokens=7).complete(["?"])) == ["[2] > [1]7"]
    assert inner.max_tokens is None
    with pytest.raises(InvalidInputError, match="a function has no field max_tokens"):
        LanguageModel.of(lambda prompt: prompt, max_tokens=7)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"timeout": 0}, "timeout must be above 0"),
        ({"timeout": -1}, "timeout must be a number of seconds"),
        ({"timeout": "5"}, "timeout must be a number of seconds"),
        ({"retries": -1}, "retries must be a whole number"),
        ({"retries": 1.5}, "retries must be a whole number"),
        ({"backoff": float("inf")}, "backoff must be a number of seconds"),
        ({"concurrency": 0}, "concurrency must be"),
    ],
)
def test_settings_that_are_not_valid_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        LanguageModel(lambda _: [], **options)
