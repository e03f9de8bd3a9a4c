"""Answers of language models with what they cost, and calls with timeouts and retries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TypeVar

from .budget import estimated_tokens

__all__ = ["Answer", "Attempts", "Completion", "Usage", "timed"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Usage:
    """The cost of answers.

    Args:
        calls: of the model, those that failed too.
        prompt_tokens: that it read.
        completion_tokens: that it wrote.
        estimated: the model does not report tokens, and they are characters by 4.

    >>> str(Usage(1, 900, 40) + Usage(1, 300, 10, estimated=True))
    '2 calls, about 1,250 tokens'
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False

    @classmethod
    def estimate(cls, prompt: str, text: str) -> Usage:
        """Return the cost of one call, by the lengths of its texts."""
        return cls(1, estimated_tokens(prompt), estimated_tokens(text), estimated=True)

    @property
    def tokens(self) -> int:
        """Those that the model read and wrote."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.estimated or other.estimated,
        )

    def __str__(self) -> str:
        calls = "1 call" if self.calls == 1 else f"{self.calls} calls"
        return f"{calls}, {'about ' if self.estimated else ''}{self.tokens:,} tokens"


class Answer(str):
    """A text that a model wrote, with the cost that it reports."""

    __slots__ = ("usage",)

    usage: Usage

    @classmethod
    def of(cls, text: str, usage: Usage | None) -> str:
        """Return a text with its cost, and the text alone where that is unknown."""
        if usage is None:
            return text
        answer = cls(text)
        answer.usage = usage
        return answer


@dataclass(frozen=True, slots=True)
class Completion:
    """The outcome of one prompt.

    Args:
        text: that the model wrote; "" where it failed.
        usage: its cost, that of failed calls too.
        error: of the last call; None where the model answered.
    """

    text: str
    usage: Usage
    error: Exception | None = None


@dataclass
class Attempts:
    """Prompts, of which those that fail are tried again.

    Args:
        prompts: of one call.
    """

    prompts: Sequence[str]
    completions: dict[int, Completion] = field(default_factory=dict)

    @property
    def left(self) -> list[int]:
        """The positions of the prompts without an answer."""
        found = self.completions
        return [i for i in range(len(self.prompts)) if i not in found or found[i].error is not None]

    def take(self, positions: Sequence[int], answers: Sequence[str | Exception]) -> None:
        """Keep the answers to the prompts in these positions."""
        for i, answer in zip(positions, answers, strict=True):
            before = self.completions[i].usage if i in self.completions else Usage()
            if isinstance(answer, Exception):
                cost = Usage.estimate(self.prompts[i], "")
                self.completions[i] = Completion("", before + cost, answer)
                continue
            cost = getattr(answer, "usage", None) or Usage.estimate(self.prompts[i], answer)
            self.completions[i] = Completion(str(answer), before + cost)

    @property
    def result(self) -> list[Completion]:
        """One completion a prompt."""
        return [self.completions[i] for i in range(len(self.prompts))]


def timed(call: Callable[[], T], timeout: float | None) -> T:
    """Return what a call returns, if it does in time; else leave it behind in its thread.

    Args:
        call: made in another thread, which does not keep the process alive.
        timeout: seconds; None waits for ever, in this thread.

    Raises:
        TimeoutError: the time is over.

    >>> timed(lambda: "tea", 5)
    'tea'
    """
    if timeout is None:
        return call()
    future: Future[T] = Future()
    context = copy_context()

    def work() -> None:
        try:
            future.set_result(context.run(call))
        except BaseException as error:  # noqa: BLE001  # raised where the result is awaited
            future.set_exception(error)

    threading.Thread(target=work, daemon=True, name="language model").start()
    try:
        return future.result(timeout)
    except TimeoutError:
        if future.done():  # the call's own
            raise
        raise TimeoutError(f"no answer within {timeout:g} s") from None
