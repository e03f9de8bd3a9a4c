"""LlamaIndex: SentenceTransformerRerank, as its documentation shows.

But for `top_n`, which only cuts its answer, every default is its own.
"""

from __future__ import annotations

from llama_index.core.postprocessor import SentenceTransformerRerank
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from hybridge.passages import Passage
from rerank_system import DEPTHS, RerankingSystem

__all__ = ["LlamaIndexCrossEncoder"]


class LlamaIndexCrossEncoder(RerankingSystem):
    """The system under test."""

    def wrap(self, passage: Passage) -> NodeWithScore:
        return NodeWithScore(node=TextNode(id_=passage.id, text=passage.text), score=0.0)

    def load(self) -> None:
        self._reranker = SentenceTransformerRerank(model=self.job.cross_encoder, top_n=max(DEPTHS))

    def rerank(self, query: str, candidates: list[NodeWithScore]) -> list[str]:
        found = self._reranker.postprocess_nodes(candidates, QueryBundle(query))
        return [node.node.node_id for node in found]
