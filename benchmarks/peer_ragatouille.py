"""RAGatouille's own `RAGPretrainedModel.rerank`, with the least that lets it run at all.

On langchain 1.x it does not import, and on transformers 5 its model does not load: one module and
one call are put in its way, and nothing else is helped. It needs a C++ compiler.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import colbert.modeling.base_colbert
import colbert.modeling.hf_colbert
from langchain_core.documents import BaseDocumentCompressor

from hybridge.passages import Passage
from rerank_system import RerankingSystem

__all__ = ["RAGatouille"]

_moved = ModuleType("langchain.retrievers.document_compressors.base")
_moved.BaseDocumentCompressor = BaseDocumentCompressor  # type: ignore[attr-defined]
sys.modules[_moved.__name__] = _moved

from ragatouille import RAGPretrainedModel  # noqa: E402

_class_factory = colbert.modeling.hf_colbert.class_factory


def _with_post_init(name_or_path: str) -> type:
    made: Any = _class_factory(name_or_path)
    begin = made.__init__

    def __init__(self: Any, *arguments: Any, **settings: Any) -> None:  # noqa: N807
        begin(self, *arguments, **settings)
        self.post_init()

    made.__init__ = __init__
    return made  # type: ignore[no-any-return]


colbert.modeling.base_colbert.class_factory = _with_post_init


class RAGatouille(RerankingSystem):
    """The system under test."""

    def wrap(self, passage: Passage) -> Passage:
        return passage

    def load(self) -> None:
        self._model = RAGPretrainedModel.from_pretrained(self.job.colbert)

    def rerank(self, query: str, candidates: list[Passage]) -> list[str]:
        found = self._model.rerank(
            query=query, documents=[passage.text for passage in candidates], k=len(candidates)
        )
        return [candidates[result["result_index"]].id for result in found]
