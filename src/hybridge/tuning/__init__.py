"""Which fusion, weight, depth, BM25 constants and reranker's blend suit these questions best.

`tune` tries hundreds of settings for about the price of one: what each stage says of a query is
asked for once. Cross-validation tells what the choice is worth on questions it was not made by.
"""

from __future__ import annotations

from .procedure import tune
from .result import Trial, Tuning
from .setting import Setting
from .space import Space

__all__ = ["Setting", "Space", "Trial", "Tuning", "tune"]
