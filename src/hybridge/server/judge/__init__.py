"""The pages on which to judge, and the runs that judged questions allow."""

from __future__ import annotations

from .routes import router

__all__ = ["router"]
