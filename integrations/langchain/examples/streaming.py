"""Events of a chain as they happen: what each stage of retrieval found, then the answer's words.

python streaming.py "Which lamp asks for salt?"
"""

from __future__ import annotations

import asyncio
import sys

from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from langchain_hybridge import HybridgeRetriever
from shared import MANUAL, chat_model

# One message, the question last: small models read no more of a system message.
PROMPT = ChatPromptTemplate(
    [("human", "{passages}\n\nAnswer from the text above alone.\n\n{question}")]
)


def passages(documents: list[Document]) -> str:
    texts = [document.page_content for document in documents]
    return "\n\n".join(f"[{number}] {text}" for number, text in enumerate(texts, start=1))


async def main(question: str) -> None:
    retriever = HybridgeRetriever.from_documents(MANUAL, k=2)
    given = {"passages": retriever | passages, "question": RunnablePassthrough()}
    chain = given | PROMPT | chat_model()

    async for event in chain.astream_events(question, version="v2"):
        match event:
            case {"event": "on_retriever_end", "name": name, "data": {"output": documents}}:
                print(f"{name}: {', '.join(document.id for document in documents)}")
            case {"event": "on_chat_model_stream", "data": {"chunk": chunk}}:
                print(chunk.text, end="", flush=True)
    print()


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "Which lamp asks for salt?"))
