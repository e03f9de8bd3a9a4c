"""What an `Analyzer` is made of: cutting text into words, and what is known of each language."""

from __future__ import annotations

__all__: list[str] = []
