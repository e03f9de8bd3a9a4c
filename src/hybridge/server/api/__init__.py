"""The API: its routes, and its requests and answers."""

from __future__ import annotations

from .routes import router

__all__ = ["router"]
