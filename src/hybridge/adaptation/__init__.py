"""Adaptation: models trained on your own questions, or on none, and measured on unseen ones."""

from __future__ import annotations

from .examples import Example
from .query_map import fit_query_map
from .query_map_result import FittedQueryMap, HeldOut

__all__ = ["Example", "FittedQueryMap", "HeldOut", "fit_query_map"]
