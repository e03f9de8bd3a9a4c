"""A RAG chain: a question goes in, its answer and the documents behind it come out.

python chain.py "What does error E24 mean?"
python chain.py "How are closures bound?" --index DIR    # made by: hybridge index docs/ --to DIR
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableParallel, RunnablePassthrough

from hybridge import HybridIndex
from langchain_hybridge import HybridgeRetriever
from shared import MANUAL, chat_model, described, model_name

# One message, the question last: small models read no more of a system message.
PROMPT = ChatPromptTemplate(
    [("human", "{passages}\n\nAnswer from the text above alone.\n\n{question}")]
)


def passages(given: dict[str, list[Document]]) -> str:
    texts = [document.page_content for document in given["documents"]]
    return "\n\n".join(f"[{number}] {text}" for number, text in enumerate(texts, start=1))


def main(question: str, folder: str | None) -> None:
    settings: dict[str, Any] = {"k": 3, "include_trace": True}
    if folder:
        retriever = HybridgeRetriever.from_index(HybridIndex.open(folder), **settings)
    else:
        retriever = HybridgeRetriever.from_documents(MANUAL, **settings)

    answer = (
        RunnablePassthrough.assign(passages=passages) | PROMPT | chat_model() | StrOutputParser()
    )
    asked = RunnableParallel(question=RunnablePassthrough(), documents=retriever)
    chain = asked.assign(answer=answer)

    result = chain.invoke(question)
    print(f"The question: {question}\n")
    print("The passages that the chain was given, and where each stage ranked them:")
    for document in result["documents"]:
        print(f"  {document.id}: {document.metadata.get('title', document.page_content)}")
        trace = document.metadata["hybridge"]
        print("    " + ", ".join(f"{stage} #{said['rank']}" for stage, said in trace.items()))
    print(f"\nThe answer ({described(model_name())}):\n{result['answer']}")


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question", nargs="?", default="What do I do when the tub is not emptied?")
    parser.add_argument("--index", metavar="DIR", help="instead of the manual of a dishwasher")
    given = parser.parse_args()
    main(given.question, given.index)
