"""A model that knows the relevant passages, in both frameworks, and can answer wrongly."""

from __future__ import annotations

import json
import random
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda
from llama_index.core.base.llms.types import CompletionResponse, LLMMetadata
from llama_index.core.llms import CustomLLM

__all__ = ["MALFORMED", "Script", "ScriptedChat", "ScriptedLLM"]

Render = Callable[[Sequence[int]], str]
Malformed = Callable[[list[int], Render], str]


def _letters(numbers: list[int], render: Render) -> str:
    return " > ".join(string.ascii_uppercase[n % 26] for n in range(len(numbers)))


def _fails(numbers: list[int], render: Render) -> str:
    raise ConnectionError("the server closed the connection")


# Each takes the best order and the form that a prompt asks for.
MALFORMED: dict[str, Malformed] = {
    "some missing": lambda numbers, render: render(numbers[::2]),
    "all doubled": lambda numbers, render: render([n for n in numbers for _ in range(2)]),
    "out of range": lambda numbers, render: render([99, *numbers, 1000]),
    "one alone": lambda numbers, render: render(numbers[:1]),
    "empty": lambda numbers, render: "",
    "blank": lambda numbers, render: " \n\n",
    "a refusal": lambda numbers, render: "I'm sorry, but I cannot rank these passages.",
    "prose around": lambda numbers, render: (
        f"Sure! Here are the {len(numbers)} passages, best first:\n{render(numbers)}\nIt helps?"
    ),
    "cut off": lambda numbers, render: render(numbers)[: len(render(numbers)) // 2],
    "a JSON list": lambda numbers, render: json.dumps(numbers),
    "a JSON object, fenced": lambda numbers, render: (
        f"```json\n{json.dumps({'ranking': numbers}, indent=1)}\n```"
    ),
    "JSON objects": lambda numbers, render: json.dumps([{"index": n, "score": 1} for n in numbers]),
    "broken JSON": lambda numbers, render: json.dumps({"ranking": numbers})[:-7],
    "letters": _letters,
    "commas": lambda numbers, render: ", ".join(map(str, numbers)),
    "a numbered list": lambda numbers, render: "\n".join(
        f"{rank}. [{n}]" for rank, n in enumerate(numbers, start=1)
    ),
    "names": lambda numbers, render: "\n".join(f"- **Passage {n}**: relevant" for n in numbers),
    "thinking first": lambda numbers, render: (
        f"<think>Is it [{numbers[-1]}] > [{numbers[0]}]? No.</think>{render(numbers)}"
    ),
    "a number of 5,000 digits": lambda numbers, render: f"{'9' * 5000} > {render(numbers)}",
    "wide digits": lambda numbers, render: "［{}］".format(
        "］＞［".join(map(str, numbers))
    ).translate({ord(str(d)): ord("０") + d for d in range(10)}),
    "an error": _fails,
}


class Script:
    """The answers to prompts of any of the rerankers.

    Args:
        gains: text → its relevance.

    Attributes:
        way: ``"perfect"``, ``"shuffled"``, or one of `MALFORMED`.
        calls: that were answered.
    """

    def __init__(self, gains: Mapping[str, int]) -> None:
        self._gains = {" ".join(text.split())[:60]: gain for text, gain in gains.items()}
        self.way = "perfect"
        self.calls = 0

    def __call__(self, prompt: str) -> str:
        return self.answer(prompt)

    def answer(self, prompt: str, field: str | None = None) -> str:
        """Return the answer to a prompt; with a field, as the JSON of structured output."""
        self.calls += 1
        first, texts = _passages(prompt)
        order = sorted(range(len(texts)), key=lambda i: -self._gain(texts[i]))
        if self.way == "shuffled":
            random.Random(self.calls).shuffle(order)
        render = _render_of(prompt, field)
        numbers = [i + first for i in order]
        if self.way in MALFORMED:
            return MALFORMED[self.way](numbers, render)
        return render(numbers)

    def _gain(self, text: str) -> int:
        return self._gains[" ".join(text.split())[:60]]


def _passages(prompt: str) -> tuple[int, list[str]]:
    """Return the first number and the texts of the passages in a prompt."""
    if found := re.findall(r"Document ID: \d+\n```(.*?)```", prompt, re.DOTALL):
        return 0, found
    shown = prompt.rsplit("Let's try this now:", 1)[-1]
    if found := re.findall(
        r"Document \d+:\n(.*?)(?=\n\nDocument \d|\nQuestion:)", shown, re.DOTALL
    ):
        return 1, found
    return 1, re.findall(r"^(?:user: )?\[\d+\] (.+)$", prompt, re.MULTILINE)


def _render_of(prompt: str, field: str | None) -> Render:
    if field is not None:
        return lambda numbers: json.dumps({field: list(numbers)})
    if "Relevance:" in prompt:
        return lambda numbers: "\n".join(
            f"Doc: {n}, Relevance: {max(10 - i, 1)}" for i, n in enumerate(numbers)
        )
    return lambda numbers: " > ".join(f"[{n}]" for n in numbers)


class ScriptedChat(BaseChatModel):
    """LangChain's chat model of a script, with structured output."""

    script: Any

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        text = self.script.answer("\n".join(message.text for message in messages))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])

    def with_structured_output(
        self, schema: Any, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[Any, Any]:
        """Return the model that answers with an object; what is no valid one is an error."""
        [field] = schema.model_fields

        def answer(prompt: Any) -> Any:
            text = prompt if isinstance(prompt, str) else prompt.to_string()
            raw = AIMessage(self.script.answer(text, field))
            try:
                parsed, error = schema.model_validate_json(raw.text), None
            except ValueError as failed:
                if not include_raw:
                    raise
                parsed, error = None, failed
            if include_raw:
                return {"raw": raw, "parsed": parsed, "parsing_error": error}
            return parsed

        return RunnableLambda(answer)


class ScriptedLLM(CustomLLM):
    """LlamaIndex's LLM of a script."""

    script: Any

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="scripted")

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        return CompletionResponse(text=self.script.answer(prompt))

    def stream_complete(
        self, prompt: str, formatted: bool = False, **_: Any
    ) -> Iterator[CompletionResponse]:
        raise NotImplementedError
