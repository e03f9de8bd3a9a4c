"""Late interaction: a text has one vector a token, and a score sums the best matches.

O. Khattab and M. Zaharia, *ColBERT: Efficient and Effective Passage Search via Contextualized
Late Interaction over BERT*, SIGIR 2020, arXiv 2004.12832. Everything heavy is imported at first
use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# Not at first use: by then a module of the same name would stand in the function's place.
from .max_sim import max_sim as max_sim
from .max_sim import per_token as per_token
from .training_free import training_free as training_free

if TYPE_CHECKING:
    from .engines import ENGINES as ENGINES
    from .engines import as_token_encoder as as_token_encoder
    from .engines import token_encoder_from_config as token_encoder_from_config
    from .export import export_checkpoint as export_checkpoint
    from .multi_vector import MultiVectorTokenEncoder as MultiVectorTokenEncoder
    from .reranker import ColBERTReranker as ColBERTReranker
    from .retriever import ColBERTRetriever as ColBERTRetriever
    from .tokens import TokenEncoder as TokenEncoder

_HOMES = {
    "ENGINES": "engines",
    "ColBERTReranker": "reranker",
    "ColBERTRetriever": "retriever",
    "MultiVectorTokenEncoder": "multi_vector",
    "TokenEncoder": "tokens",
    "as_token_encoder": "engines",
    "export_checkpoint": "export",
    "token_encoder_from_config": "engines",
}

__all__ = sorted([*_HOMES, "max_sim", "per_token", "training_free"])


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
