"""The hybrid index: its lifecycle, persistence and search."""

from .hybrid import HybridIndex
from .late import LateInteraction

__all__ = ["HybridIndex", "LateInteraction"]
