"""The page on which to ask: answers as one types, knobs, two settings, reasons."""

from __future__ import annotations

from .routes import router

__all__ = ["router"]
