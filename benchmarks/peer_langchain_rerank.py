"""LangChain: CrossEncoderReranker over HuggingFaceCrossEncoder, as its documentation shows.

But for `top_n`, which only cuts its answer, every default is its own.
"""

from __future__ import annotations

from langchain_classic.retrievers.document_compressors import CrossEncoderReranker
from langchain_community.cross_encoders import HuggingFaceCrossEncoder
from langchain_core.documents import Document

from hybridge.passages import Passage
from rerank_system import DEPTHS, RerankingSystem

__all__ = ["LangChainCrossEncoder"]


class LangChainCrossEncoder(RerankingSystem):
    """The system under test."""

    def wrap(self, passage: Passage) -> Document:
        return Document(page_content=passage.text, metadata={"id": passage.id})

    def load(self) -> None:
        self._reranker = CrossEncoderReranker(
            model=HuggingFaceCrossEncoder(model_name=self.job.cross_encoder), top_n=max(DEPTHS)
        )

    def rerank(self, query: str, candidates: list[Document]) -> list[str]:
        found = self._reranker.compress_documents(candidates, query)
        return [document.metadata["id"] for document in found]
