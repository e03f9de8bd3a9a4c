"""An agent that may look something up: the retriever is its tool.

python agent.py "Why are my glasses cloudy?"        # needs: pip install langchain
"""

from __future__ import annotations

import sys

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import create_retriever_tool

from langchain_hybridge import HybridgeRetriever
from shared import MANUAL, chat_model


def main(question: str) -> None:
    retriever = HybridgeRetriever.from_documents(MANUAL, k=2)
    tool = create_retriever_tool(
        retriever, "search_manual", "Searches the manual of the user's dishwasher."
    )
    agent = create_agent(chat_model(calls_tools=True), [tool])

    result = agent.invoke({"messages": [HumanMessage(question)]})
    for message in result["messages"]:
        message.pretty_print()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "Why are my glasses cloudy?")
