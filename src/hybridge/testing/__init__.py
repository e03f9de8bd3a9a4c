"""The rules that every stage keeps, as tests that your own retriever or reranker can inherit.

The protocols say which methods there are; the types cannot say that `k` is the final count, that
a filter filters, or that eight threads get what one gets. Subclass one of the two classes in a
test file, say how to build the object, and let pytest find the ``test_*`` methods:

    from hybridge.testing import RetrieverConformance

    class TestMyRetriever(RetrieverConformance):
        def build(self, passages):
            return MyRetriever(passages)

Nothing here imports pytest: each method is a plain function that raises AssertionError with the
rule that was broken, or `unittest.SkipTest` where a retriever has nothing to keep the rule with.
"""

from __future__ import annotations

from .corpus import PASSAGES, QUERIES
from .rerankers import RerankerConformance
from .retrievers import RetrieverConformance

__all__ = ["PASSAGES", "QUERIES", "RerankerConformance", "RetrieverConformance"]
