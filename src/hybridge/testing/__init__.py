"""The rules of every stage, as tests for your retriever or reranker to inherit.

The protocols define the methods; types cannot express that `k` is the final count, that a filter
filters, or that eight threads agree with one. Subclass one of the two classes in a test file,
override `build`, and let pytest find the ``test_*`` methods:

    from hybridge.testing import RetrieverConformance

    class TestMyRetriever(RetrieverConformance):
        def build(self, passages):
            return MyRetriever(passages)

The package does not import pytest: each method is a plain function that raises AssertionError with
the broken rule, or `unittest.SkipTest` if the retriever lacks the ability.
"""

from __future__ import annotations

from .corpus import PASSAGES, QUERIES
from .rerankers import RerankerConformance
from .retrievers import RetrieverConformance

__all__ = ["PASSAGES", "QUERIES", "RerankerConformance", "RetrieverConformance"]
