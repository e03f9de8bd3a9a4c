"""What the examples share: a manual to search, and a chat model that needs no key and no network.

With HYBRIDGE_CHAT_MODEL set, as in ``HYBRIDGE_CHAT_MODEL=openai:gpt-5-mini``, a real model answers;
that needs ``pip install langchain langchain-openai``, or another provider's package.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable

__all__ = ["MANUAL", "QuotingChatModel", "chat_model"]

MANUAL = [
    Document("Error E24: the pump cannot empty the tub. Clean the filter and the hose.", id="E24"),
    Document("Error E15: there is water in the base. Close the tap and call us.", id="E15"),
    Document("The Eco programme takes four hours and ten litres of water.", id="eco"),
    Document("Fill in salt when the S lamp lights, and rinse aid when the star does.", id="lamps"),
    Document("Glasses turn cloudy when the dose of rinse aid is too low.", id="glasses"),
    Document("A bad smell goes away with the filter cleaned and one run at 70 °C.", id="smell"),
]


def chat_model() -> BaseChatModel:
    """Return the model that HYBRIDGE_CHAT_MODEL names, or one that quotes what it was told."""
    if name := os.environ.get("HYBRIDGE_CHAT_MODEL"):
        from langchain.chat_models import init_chat_model

        return init_chat_model(name)
    return QuotingChatModel()


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
        question = next(some.text for some in reversed(messages) if isinstance(some, HumanMessage))
        told = [some.text for some in messages if isinstance(some, SystemMessage | ToolMessage)]
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
