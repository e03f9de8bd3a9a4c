"""A server over one index: pages in which to ask and judge, an API, and tools for agents."""

from __future__ import annotations

from ..errors import needs_extra

with needs_extra("serve"):
    from .app import create_app
    from .guards import Guards, Keys
    from .jobs import Jobs
    from .options import Options
    from .service import Service
    from .serving import serve

__all__ = ["Guards", "Jobs", "Keys", "Options", "Service", "create_app", "serve"]
