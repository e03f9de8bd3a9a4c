"""An ingestion pipeline that keeps the index in step with documents that change and go.

python ingestion.py "What does error E15 mean?"
"""

from __future__ import annotations

import sys

from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document

from common import MANUAL
from llama_index.retrievers.hybridge import HybridgeRetriever
from llama_index.vector_stores.hybridge import HybridVectorStore


def main(question: str) -> None:
    store = HybridVectorStore.create()  # path="…" keeps it
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(), store.cached_embed_model],
        vector_store=store,
        docstore=store.docstore,
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
    )
    retriever = HybridgeRetriever.from_index(store.index, similarity_top_k=1)

    changed = Document(text="Error E15: a valve has stuck. Switch off and on again.", id_="E15")
    others = [document for document in MANUAL if document.id_ != "E15"]
    for said, documents in [
        ("The manual", MANUAL),
        ("The same again", MANUAL),
        ("E15 has changed", [*others, changed]),
        ("E15 has gone", others),
    ]:
        written = pipeline.run(documents=documents)
        [found] = retriever.retrieve(question)
        print(f"{said}: {len(written)} written, {len(store.index)} there\n  {found.text}")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "What does error E15 mean?")
