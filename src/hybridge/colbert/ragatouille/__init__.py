"""ColBERT by RAGatouille and colbert-ai, isolated from the rest of the process.

Both libraries expect a process to themselves: they need an older LangChain and transformers,
compile C++ at run time, print, reseed random numbers and keep the folders of all models on one
stack. The modules here use their parts under one lock, and `hybridge.colbert.ColBERTRetriever` is
the retriever built on them.

Three changes to colbert-ai stay for the rest of the process:

- `ColBERT`, `StridedTensor` and `IndexScorer` have their C++ functions replaced by `torch_ops`;
- its model class calls ``post_init``, as transformers 5 requires;
- a checkpoint's own code never runs, and its configuration loads without ``trust_remote_code``.

Everything else is restored: the environment, the working folder, random states, warning filters,
the streams, the start method of processes and the stand-in for LangChain.
"""

from __future__ import annotations

from .encoder import RAGatouilleTokenEncoder

__all__ = ["RAGatouilleTokenEncoder"]
