"""What the examples share: a manual to search, and a model that needs no key and no network.

With HYBRIDGE_CHAT_MODEL set, as in ``HYBRIDGE_CHAT_MODEL=openai:gpt-5-mini``, a real model answers;
that needs ``pip install llama-index-llms-openai``, or another provider's package.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms import ChatMessage, MessageRole, MockFunctionCallingLLM
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.prompts import ChatPromptTemplate
from llama_index.core.schema import Document

__all__ = ["MANUAL", "PROMPT", "language_model", "quoting"]

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

PROMPT = ChatPromptTemplate.from_messages(
    [("system", "Answer from these passages alone:\n\n{context_str}"), ("user", "{query_str}")]
)


def language_model() -> FunctionCallingLLM:
    """Return the model that HYBRIDGE_CHAT_MODEL names, or one that quotes what it was told."""
    if name := os.environ.get("HYBRIDGE_CHAT_MODEL"):
        provider, _, model = name.partition(":")
        package = import_module(f"llama_index.llms.{provider}")
        real: FunctionCallingLLM = getattr(package, package.__all__[0])(model=model)
        return real
    return MockFunctionCallingLLM(response_generator=quoting, is_chat_model=True)


def quoting(
    messages: Sequence[ChatMessage], tools: Sequence[Any] = (), **kwargs: Any
) -> ChatMessage:
    """Stands in for a model: it calls the tool it has, and quotes what it was told.

    Of all paragraphs it quotes the one that shares most words with the question.
    """
    question = next(
        some.content or "" for some in reversed(messages) if some.role == MessageRole.USER
    )
    if tools and messages[-1].role != MessageRole.TOOL:
        call = ToolCallBlock(
            tool_call_id="call-1",
            tool_name=tools[0].metadata.get_name(),
            tool_kwargs={"input": question},
        )
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=[call])
    told = [
        some.content or ""
        for some in messages
        if some.role in (MessageRole.SYSTEM, MessageRole.TOOL)
    ]
    paragraphs = "\n\n".join(told).split("\n\n")
    best = max(paragraphs, key=lambda paragraph: len(_words(question) & _words(paragraph)))
    return ChatMessage(role=MessageRole.ASSISTANT, content=f"“{' '.join(best.split())}”")


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w{3,}", text.lower()))
