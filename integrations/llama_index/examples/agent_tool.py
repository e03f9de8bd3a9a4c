"""An agent that may look something up: the retriever is its tool.

python agent_tool.py "Why are my glasses cloudy?"
"""

from __future__ import annotations

import asyncio
import sys

from llama_index.core.agent.workflow import FunctionAgent, ToolCall, ToolCallResult
from llama_index.core.tools import RetrieverTool

from common import MANUAL, language_model
from llama_index.retrievers.hybridge import HybridgeRetriever


async def main(question: str) -> None:
    tool = RetrieverTool.from_defaults(
        HybridgeRetriever.from_documents(MANUAL, similarity_top_k=2),
        name="search_manual",
        description="Searches the manual of the user's dishwasher.",
    )
    agent = FunctionAgent(tools=[tool], llm=language_model(calls_tools=True))

    running = agent.run(question)
    async for event in running.stream_events():
        if isinstance(event, ToolCallResult):
            print(f"It was told: {event.tool_output.content.strip()}\n")
        elif isinstance(event, ToolCall):
            print(f"It calls {event.tool_name}({event.tool_kwargs['input']!r})\n")
    print(await running)


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "Why are my glasses cloudy?"))
