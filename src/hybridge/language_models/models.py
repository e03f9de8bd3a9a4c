"""Language models: those of LangChain and LlamaIndex, functions, and what makes one of them.

Hybridge knows no framework: LangChain's and LlamaIndex's models are recognised by their methods.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from types import MethodType
from typing import Any, TypeAlias

from ..arguments import check_count, check_seed
from ..errors import HybridgeError, InvalidInputError
from ..iteration import chunked
from .completions import Answer, Attempts, Completion, Usage, timed
from .t5 import t5_writer

__all__ = ["Ask", "LanguageModel", "doc2query"]

_Answers: TypeAlias = Sequence[str | Exception]
# Field → type, of a pydantic class.
_Fields: TypeAlias = Mapping[str, Any]

_CONCURRENCY = 4  # calls of a framework's model, which mostly wait for a server


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A model that continues prompts.

    Args:
        write: takes a list of prompts, and returns a text for each, or the exception that one
            prompt raised.
        name: of the model and all its settings, under which its answers are kept; None where
            nothing gives it a name, and then they are not kept.
        batch_size: how many prompts `write` gets at once.
        reads_passages: the model takes a passage alone as its prompt, as those of doc2query do.
        awrite: `write` that does not block the event loop; None runs that in a thread.
        concurrency: calls at the same time, at most.
        timeout: seconds a call may take; None for any number.
        retries: further calls for a prompt that failed.
        backoff: seconds before the first of them; each further pause is twice as long.
        structured: takes field names with their types, and returns the model that answers with a
            JSON object of these; None for a model without structured output.

    >>> model = LanguageModel(lambda prompts: [f"why {prompt}?" for prompt in prompts], "asker")
    >>> model.write(["tea", "milk"])
    ['why tea?', 'why milk?']
    >>> [completion] = model.complete(["tea"])
    >>> completion.text, str(completion.usage)
    ('why tea?', '1 call, about 3 tokens')
    """

    write: Callable[[list[str]], _Answers]
    name: str | None = None
    batch_size: int = 1
    reads_passages: bool = False
    awrite: Callable[[list[str]], Awaitable[_Answers]] | None = None
    concurrency: int = 1
    timeout: float | None = 60.0
    retries: int = 1
    backoff: float = 0.5
    structured: Callable[[_Fields], LanguageModel] | None = None

    def __post_init__(self) -> None:
        if not callable(self.write):
            raise InvalidInputError(f"write must be a function, not {self.write!r}")
        if self.name is not None and (not isinstance(self.name, str) or not self.name.strip()):
            raise InvalidInputError(f"name must be a string with text in it, not {self.name!r}")
        check_count(self.batch_size, "batch_size")
        check_count(self.concurrency, "concurrency")
        if self.timeout is not None:
            _check_seconds(self.timeout, "timeout")
            if not self.timeout:
                raise InvalidInputError("timeout must be above 0 seconds, or None for no limit")
        if type(self.retries) is not int or self.retries < 0:
            raise InvalidInputError(f"retries must be a whole number from 0, not {self.retries!r}")
        _check_seconds(self.backoff, "backoff")

    @classmethod
    def of(
        cls,
        model: object,
        *,
        name: str | None = None,
        batch_size: int | None = None,
        concurrency: int | None = None,
        timeout: float | None = None,
        retries: int | None = None,
        max_tokens: int | None = None,
        structured: bool = True,
    ) -> LanguageModel:
        """Return a model for an object.

        Args:
            model: a chat model, an LLM or another Runnable of LangChain, an LLM of LlamaIndex, a
                function, the name or folder of a T5 of doc2query's kind (see `doc2query`), or a
                `LanguageModel`.
            name: of the model and all its settings. None makes it of the class, the model and the
                temperature, or the function's name: pass it where you change other settings.
            batch_size: how many prompts are answered at once: by a framework's model in as many
                threads; a function of more than one gets a list of prompts, and returns a list.
                None is 1, and for a T5 or a `LanguageModel` its own.
            concurrency: calls of a stage at the same time; None is 4 for a framework's model, 1 for
                a function, and for a `LanguageModel` its own.
            timeout: seconds a call of a stage may take; None is 60, or a `LanguageModel`'s own.
            retries: further calls for a prompt that failed; None is 1, or a `LanguageModel`'s own.
            max_tokens: of an answer, for a framework's model with a field of this name; None leaves
                the model's own.
            structured: let stages use the model's structured output, where it has that.

        Raises:
            InvalidInputError: it is none of these, or an argument is not valid.

        >>> LanguageModel.of(str.upper, name="shout").write(["tea"])
        ['TEA']
        """
        if batch_size is not None:
            check_count(batch_size, "batch_size")
        if max_tokens is not None:
            model = _limited(model, check_count(max_tokens, "max_tokens"))
        if isinstance(model, cls):
            made = model
        elif isinstance(model, str | Path):
            made = doc2query(model)
        else:
            made = _of_object(model, batch_size or 1)
        options = {
            "name": name,
            "batch_size": batch_size,
            "concurrency": concurrency,
            "timeout": timeout,
            "retries": retries,
        }
        changes: dict[str, Any] = {
            key: value for key, value in options.items() if value is not None
        }
        if name is None and max_tokens is not None and made.name is not None:
            changes["name"] = f"{made.name}:max_tokens={max_tokens}"
        if not structured:
            changes["structured"] = None
        return replace(made, **changes)

    def answering(self, fields: _Fields) -> LanguageModel:
        """Return the model that answers with a JSON object of these fields, where it can.

        Args:
            fields: name → type. A model without structured output stays as it is.
        """
        if self.structured is None:
            return self
        made = self.structured(fields)
        names = ("name", "concurrency", "timeout", "retries", "backoff")
        return replace(made, **{name: getattr(self, name) for name in names})

    def complete(self, prompts: Sequence[str]) -> list[Completion]:
        """Return the outcome of each prompt: its text, or the error of its last call.

        Raises:
            InvalidInputError: the model returns something that is no text.
        """
        chunks = list(chunked(prompts, self.batch_size))
        if self.concurrency == 1 or len(chunks) <= 1:
            results = [self._attempted(chunk) for chunk in chunks]
        else:
            with ThreadPoolExecutor(min(self.concurrency, len(chunks))) as pool:
                calls = [pool.submit(copy_context().run, self._attempted, one) for one in chunks]
                results = [call.result() for call in calls]
        return [completion for result in results for completion in result]

    async def acomplete(self, prompts: Sequence[str]) -> list[Completion]:
        """`complete` that does not block the event loop."""
        if self.awrite is None:
            return await asyncio.to_thread(self.complete, prompts)
        gate = asyncio.Semaphore(self.concurrency)

        async def attempted(chunk: list[str]) -> list[Completion]:
            async with gate:
                return await self._aattempted(chunk)

        chunks = chunked(prompts, self.batch_size)
        results = await asyncio.gather(*map(attempted, chunks))
        return [completion for result in results for completion in result]

    def answers(self, prompts: Sequence[str]) -> list[str | Exception]:
        """Return what `write` returns, one text or error a prompt, without a second try.

        Raises:
            InvalidInputError: another number, or something that is no text.
        """
        try:
            written = self.write(list(prompts))
        except HybridgeError:
            raise
        except Exception as error:  # noqa: BLE001  # a model may raise anything for a batch
            return [error] * len(prompts)
        return _checked(written, len(prompts))

    def _attempted(self, prompts: Sequence[str]) -> list[Completion]:
        attempts = Attempts(prompts)
        for pause in self._pauses():
            time.sleep(pause)
            left = attempts.left
            batch = [prompts[i] for i in left]
            try:
                answers = timed(lambda batch=batch: self.answers(batch), self.timeout)  # type: ignore[misc]
            except TimeoutError as error:
                answers = [error] * len(batch)
            attempts.take(left, answers)
            if not attempts.left:
                break
        return attempts.result

    async def _aattempted(self, prompts: Sequence[str]) -> list[Completion]:
        attempts = Attempts(prompts)
        for pause in self._pauses():
            await asyncio.sleep(pause)
            left = attempts.left
            attempts.take(left, await self._aanswers([prompts[i] for i in left]))
            if not attempts.left:
                break
        return attempts.result

    async def _aanswers(self, prompts: list[str]) -> list[str | Exception]:
        assert self.awrite is not None
        try:
            async with asyncio.timeout(self.timeout) as limit:
                written = await self.awrite(prompts)
        except HybridgeError:
            raise
        except Exception as raised:  # noqa: BLE001  # as for `answers`
            late = TimeoutError(f"no answer within {self.timeout} s")
            return [late if limit.expired() else raised] * len(prompts)
        return _checked(written, len(prompts))

    def _pauses(self) -> Iterator[float]:
        yield 0
        for number in range(self.retries):
            yield self.backoff * 2**number


@dataclass(frozen=True)
class Ask:
    """The step of a stage in which a model answers prompts; see `hybridge.steps`.

    Args:
        model: the model.
        prompts: any number of them.
    """

    model: LanguageModel
    prompts: Sequence[str]

    def run(self) -> list[Completion]:
        """Return one completion a prompt."""
        return self.model.complete(self.prompts)

    async def arun(self) -> list[Completion]:
        """Return what `run` returns, while the event loop goes on."""
        return await self.model.acomplete(self.prompts)


def _checked(written: Any, count: int) -> list[str | Exception]:
    answers = list(written)
    if len(answers) != count:
        raise InvalidInputError(
            f"the language model answered {count} prompts with {len(answers)} texts: a "
            "function of a list must return one text for each"
        )
    for answer in answers:
        if not isinstance(answer, str | Exception):
            raise InvalidInputError(f"the language model must return a text, not {answer!r:.80}")
    return answers


def _check_seconds(value: object, name: str) -> None:
    valid = isinstance(value, int | float) and not isinstance(value, bool)
    if not valid or not 0 <= value < float("inf"):  # type: ignore[operator]
        raise InvalidInputError(f"{name} must be a number of seconds, not {value!r}")


def _limited(model: Any, max_tokens: int) -> Any:
    if "max_tokens" not in getattr(type(model), "model_fields", {}):
        raise InvalidInputError(
            f"a {type(model).__name__} has no field max_tokens: set the number of tokens where the "
            "model is made"
        )
    return model.model_copy(update={"max_tokens": max_tokens})


def doc2query(
    model: str | Path,
    *,
    max_length: int = 320,
    batch_size: int = 8,
    device: str | None = None,
    seed: int = 0,
) -> LanguageModel:
    """Return a model that was trained to write a query for a passage: T5, and others of its shape.

    R. Nogueira et al., *Document Expansion by Query Prediction*, arXiv 1904.08375, 2019. Queries
    are sampled from the ten likeliest tokens, as there.

    Args:
        model: a folder, or a name on the hub, such as ``"doc2query/msmarco-t5-base-v1"``. It runs
            in torch, and no code of the model runs.
        max_length: the tokens of a passage that are read.
        batch_size: passages at once.
        device: torch's name of a device; None takes the best there is.
        seed: of the sampling.

    Raises:
        InvalidInputError: an argument is not valid, or there is no such device.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers, or its
            files are of another kind; the latter at its first use.
    """
    for value, argument in ((max_length, "max_length"), (batch_size, "batch_size")):
        check_count(value, argument)
    check_seed(seed)
    write, name = t5_writer(model, max_length=max_length, device=device, seed=seed)
    return LanguageModel(write, name, batch_size, reads_passages=True)


def _of_object(model: object, batch_size: int) -> LanguageModel:
    is_object = not isinstance(model, type)
    if is_object and _has(model, "invoke", "batch"):
        return _LangChain(model, batch_size).language_model()
    if is_object and _has(model, "complete") and hasattr(model, "metadata"):
        return _LlamaIndex(model, batch_size).language_model()
    if is_object and callable(model):
        write = _Each(model) if batch_size == 1 else model
        return LanguageModel(write, _function_name(model), batch_size)
    raise InvalidInputError(
        "a language model is one of LangChain or LlamaIndex, a function of a prompt, or the name "
        f"of a T5 of doc2query's kind: {model!r:.80} is none"
    )


def _has(model: object, *methods: str) -> bool:
    return all(callable(getattr(model, name, None)) for name in methods)


@dataclass(frozen=True)
class _LangChain:
    """A Runnable of LangChain."""

    model: Any
    batch_size: int

    def language_model(self, *, structured: bool = True) -> LanguageModel:
        return LanguageModel(
            self.write,
            _named("langchain", self.model, self.model),
            self.batch_size,
            awrite=self.awrite if _has(self.model, "abatch") else None,
            concurrency=_CONCURRENCY,
            structured=self.structured
            if structured and _has(self.model, "with_structured_output")
            else None,
        )

    def write(self, prompts: list[str]) -> list[str | Exception]:
        return list(map(_langchain_answer, self.model.batch(prompts, **self._options(prompts))))

    async def awrite(self, prompts: list[str]) -> list[str | Exception]:
        answers = await self.model.abatch(prompts, **self._options(prompts))
        return list(map(_langchain_answer, answers))

    def structured(self, fields: _Fields) -> LanguageModel:
        try:
            inner = self.model.with_structured_output(_pydantic_class(fields), include_raw=True)
        except NotImplementedError:  # a model without tools
            inner = self.model
        return _LangChain(inner, self.batch_size).language_model(structured=False)

    def _options(self, prompts: Sequence[str]) -> dict[str, Any]:
        return {"config": {"max_concurrency": len(prompts)}, "return_exceptions": True}


def _langchain_answer(answer: Any) -> str | Exception:
    if isinstance(answer, Exception):
        return answer
    text: Any = None
    if isinstance(answer, Mapping) and answer.keys() == {"raw", "parsed", "parsing_error"}:
        parsed, answer = answer["parsed"], answer["raw"]
        if parsed is not None:
            text = json.dumps(parsed if isinstance(parsed, Mapping) else parsed.model_dump())
    if text is None:
        # A chat model answers with a message, whose text is in `text`; an LLM with a string.
        text = getattr(answer, "text", answer)
    counts = getattr(answer, "usage_metadata", None)
    if not isinstance(text, str) or not isinstance(counts, Mapping):
        return text  # type: ignore[no-any-return]  # checked where it is read
    usage = _usage(counts.get("input_tokens"), counts.get("output_tokens"))
    return Answer.of(text, usage)


@dataclass(frozen=True)
class _LlamaIndex:
    """An LLM of LlamaIndex."""

    model: Any
    batch_size: int

    def language_model(self, *, structured: bool = True) -> LanguageModel:
        metadata = getattr(self.model, "metadata", None)
        calls_functions = bool(getattr(metadata, "is_function_calling_model", False))
        return LanguageModel(
            _Each(self.answer, self.batch_size),
            _named("llama_index", self.model, metadata),
            self.batch_size,
            awrite=self.awrite if _is_async(self.model) else None,
            concurrency=_CONCURRENCY,
            structured=self.structured
            if structured and calls_functions and _has(self.model, "as_structured_llm")
            else None,
        )

    def answer(self, prompt: str) -> str:
        return _llama_index_answer(self.model.complete(prompt))

    async def awrite(self, prompts: list[str]) -> list[str | Exception]:
        calls = (self.model.acomplete(prompt) for prompt in prompts)
        found = await asyncio.gather(*calls, return_exceptions=True)
        return [one if isinstance(one, Exception) else _llama_index_answer(one) for one in found]

    def structured(self, fields: _Fields) -> LanguageModel:
        inner = self.model.as_structured_llm(_pydantic_class(fields))
        return _LlamaIndex(inner, self.batch_size).language_model(structured=False)


def _is_async(model: Any) -> bool:
    """Return whether an LLM of LlamaIndex awaits its answers: `CustomLLM` by itself does not."""
    owner = next((cls for cls in type(model).__mro__ if "acomplete" in vars(cls)), None)
    return owner is not None and owner.__name__ != "CustomLLM"


def _llama_index_answer(response: Any) -> str:
    text: str = response.text
    reported = getattr(response, "additional_kwargs", None)
    counts = reported if isinstance(reported, Mapping) else {}
    usage = _usage(counts.get("prompt_tokens"), counts.get("completion_tokens"))
    return Answer.of(text, usage) if isinstance(text, str) else text


def _usage(prompt: object, completion: object) -> Usage | None:
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    return Usage(1, prompt, completion)


def _pydantic_class(fields: _Fields) -> Any:
    from pydantic import create_model  # which both frameworks have

    described: dict[str, Any] = {name: (kind, ...) for name, kind in fields.items()}
    return create_model("Answer", **described)


@dataclass(frozen=True)
class _Each:
    """A function of prompts from one of a prompt, whose errors are those of one prompt."""

    answer: Callable[[str], str]
    threads: int = 1

    def __call__(self, prompts: list[str]) -> list[str | Exception]:
        if self.threads == 1 or len(prompts) == 1:
            return [self._attempted(prompt) for prompt in prompts]
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(self._attempted, prompts))

    def _attempted(self, prompt: str) -> str | Exception:
        try:
            return self.answer(prompt)
        except HybridgeError:
            raise
        except Exception as error:  # noqa: BLE001  # a model may raise anything for a prompt
            return error


def _named(framework: str, model: object, named: object) -> str | None:
    for attribute in ("model_name", "model"):
        value = getattr(named, attribute, None)
        if isinstance(value, str) and value.strip() and value != "unknown":
            temperature = getattr(model, "temperature", None)
            return f"{framework}:{type(model).__name__}:{value}:temperature={temperature}"
    return None


def _function_name(function: object) -> str | None:
    name = getattr(function, "__qualname__", "<")
    has_settings = "<" in name or isinstance(function, MethodType)  # beyond what its name says
    return None if has_settings else f"{getattr(function, '__module__', '')}.{name}"
