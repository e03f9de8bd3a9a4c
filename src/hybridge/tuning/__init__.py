"""Tuning of fusion, weights, depth, BM25's constants and rerankers' blends on judged queries.

`tune` tries hundreds of settings for about the price of one: each stage scores each query once.
Cross-validation estimates the score of the choice on queries that it has not seen.
"""

from __future__ import annotations

from .procedure import tune
from .result import Trial, Tuning
from .setting import Setting
from .space import Space

__all__ = ["Setting", "Space", "Trial", "Tuning", "tune"]
