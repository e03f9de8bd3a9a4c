"""The hybrid index: its lifecycle, persistence and search."""

from .fields import FieldSummary, describe_fields
from .hybrid import HybridIndex, ScopedIndex

__all__ = ["FieldSummary", "HybridIndex", "ScopedIndex", "describe_fields"]
