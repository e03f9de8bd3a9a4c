"""Tuning of fusion, weights, depth, BM25's constants, rerankers and boosts on judged queries.

`tune` tries hundreds of settings for about the price of one: each stage scores each query once.
Cross-validation estimates the score of the choice on queries that it has not seen.
`calibrate_floor` finds the score below which a hit is no answer.
"""

from __future__ import annotations

from .floors import FloorCalibration, FloorPoint, calibrate_floor
from .procedure import tune
from .result import Trial, Tuning
from .setting import Setting
from .space import Space

__all__ = [
    "FloorCalibration",
    "FloorPoint",
    "Setting",
    "Space",
    "Trial",
    "Tuning",
    "calibrate_floor",
    "tune",
]
