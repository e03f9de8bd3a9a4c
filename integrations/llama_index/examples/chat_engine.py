"""A chat engine: each message is looked up before it is answered, and the talk is remembered.

python chat_engine.py "What does error E24 mean?" "And error E15?"
"""

from __future__ import annotations

import sys

from llama_index.core.chat_engine import ContextChatEngine

from common import MANUAL, language_model
from llama_index.retrievers.hybridge import HybridgeRetriever


def main(messages: list[str]) -> None:
    engine = ContextChatEngine.from_defaults(
        HybridgeRetriever.from_documents(MANUAL, similarity_top_k=1),
        llm=language_model(),
        context_template="Answer from these passages alone:\n\n{context_str}",
    )
    for message in messages:
        response = engine.chat(message)
        print(f"You: {message}\nIt, by {response.source_nodes[0].node.ref_doc_id}: {response}")
    print(f"It remembers {len(engine.chat_history)} messages.")


if __name__ == "__main__":
    main(sys.argv[1:] or ["Why does my dishwasher smell?", "Which lamp asks for salt?"])
