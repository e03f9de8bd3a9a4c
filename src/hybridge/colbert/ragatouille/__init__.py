"""ColBERT by RAGatouille and colbert-ai, kept from the process they run in.

Both were written for a process of their own: they need an older LangChain and transformers to be
imported, compile C++ while they run, print, reseed random numbers and keep the folders of all
models on one stack. The modules here use their parts under one lock.
`hybridge.colbert.ColBERTRetriever` is the retriever that they make together.

Whoever uses colbert-ai in the same process meets these changes to it, which stay from its first
use here on:

- `ColBERT`, `StridedTensor` and `IndexScorer` have their C++ functions from `torch_ops`;
- its model class calls ``post_init``, which transformers 5 needs;
- the code that comes with a checkpoint's model is never run, and ``trust_remote_code`` is off for
  its configuration.

Everything else is put back: the environment, the working folder, random states, the filters of
warnings, the streams, how processes are started and what stood in for LangChain.
"""

from __future__ import annotations

from .encoder import RAGatouilleTokenEncoder

__all__ = ["RAGatouilleTokenEncoder"]
