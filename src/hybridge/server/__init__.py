"""A server over one index: pages in which to ask and judge, an API, and tools for agents."""

from __future__ import annotations

from .app import create_app
from .options import Options
from .service import Service

__all__ = ["Options", "Service", "create_app"]
