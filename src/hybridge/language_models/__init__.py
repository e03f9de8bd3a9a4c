"""Language models as stages of retrieval: rerankers, query expansion, and context of passages."""

from __future__ import annotations

from .completions import Completion, Usage
from .expanded import ExpandedRetriever
from .expansion import QueryExpansion, hypothetical_passages, rephrasings, sub_questions
from .listwise import ListwiseReranker
from .local import LocalServer, local_language_model
from .models import LanguageModel, doc2query
from .passage_context import CONTEXTUAL, ContextualPassages, contextual
from .pointwise import LLMReranker

__all__ = [
    "CONTEXTUAL",
    "Completion",
    "ContextualPassages",
    "ExpandedRetriever",
    "LLMReranker",
    "LanguageModel",
    "ListwiseReranker",
    "LocalServer",
    "QueryExpansion",
    "Usage",
    "contextual",
    "doc2query",
    "hypothetical_passages",
    "local_language_model",
    "rephrasings",
    "sub_questions",
]
