"""ColBERT by RAGatouille and colbert-ai, kept from the process they run in.

Both were written for a process of their own: they need an older LangChain and transformers to be
imported, compile C++ while they run, print, reseed random numbers and keep the folders of all
models on one stack. The modules here use their parts under one lock and put everything back.
`hybridge.colbert.ColBERTRetriever` is the retriever that they make together.
"""

from __future__ import annotations

from .encoder import RAGatouilleTokenEncoder

__all__ = ["RAGatouilleTokenEncoder"]
