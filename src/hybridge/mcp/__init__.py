"""Tools of an index for agents, by the Model Context Protocol.

`create_server` makes a server with the tools `search`, `get`, `explain` and `fields`, and where
writing is allowed `add` and `delete`; `ToolServer.run` answers on standard input and output, and
`mount` puts it into a web application.
"""

from __future__ import annotations

from ..errors import needs_extra

with needs_extra("mcp"):
    from .server import ToolServer, create_server, mount

__all__ = ["ToolServer", "create_server", "mount"]
