"""A query engine: a question goes in, its answer and the nodes behind it come out.

python query_engine.py "What does error E24 mean?"
python query_engine.py "How are closures bound?" --index DIR    # by: hybridge index docs/ --to DIR
"""

from __future__ import annotations

from argparse import ArgumentParser

from llama_index.core.query_engine import RetrieverQueryEngine

from common import MANUAL, PROMPT, described, language_model, model_name
from hybridge import HybridIndex
from llama_index.retrievers.hybridge import HybridgeRetriever, TracedNode


def main(question: str, folder: str | None) -> None:
    if folder:
        retriever = HybridgeRetriever.from_index(HybridIndex.open(folder), similarity_top_k=3)
    else:
        retriever = HybridgeRetriever.from_documents(MANUAL, similarity_top_k=3)

    engine = RetrieverQueryEngine.from_args(
        retriever, llm=language_model(), text_qa_template=PROMPT
    )
    response = engine.query(question)

    print(f"The question: {question}\n")
    print("The passages that the query engine was given, and where each stage ranked them:")
    for found in response.source_nodes:
        assert isinstance(found, TracedNode)
        name = found.node.ref_doc_id or found.node.node_id
        print(f"  {name}: {found.metadata.get('title', found.text)}")
        print("    " + ", ".join(f"{stage} #{said['rank']}" for stage, said in found.trace.items()))
    print(f"\nThe answer ({described(model_name())}):\n{response}")


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question", nargs="?", default="What do I do when the tub is not emptied?")
    parser.add_argument("--index", metavar="DIR", help="instead of the manual of a dishwasher")
    given = parser.parse_args()
    main(given.question, given.index)
