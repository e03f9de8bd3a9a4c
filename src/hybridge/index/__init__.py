"""The hybrid index: its lifecycle, persistence and search."""

from .hybrid import HybridIndex

__all__ = ["HybridIndex"]
