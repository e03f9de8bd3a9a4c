"""Cross-encoders: models that read a query and a passage together and score the pair."""

from __future__ import annotations

from .loading import DEFAULT_MODEL
from .reranker import CrossEncoderReranker

__all__ = ["DEFAULT_MODEL", "CrossEncoderReranker"]
