"""The command line: `hybridge index`, `search`, `evaluate`, `fields`, `models`, `doctor` …"""

from __future__ import annotations

from ..errors import MissingExtraError

__all__ = ["main"]


def main() -> None:
    """Run the command line; without the extra `cli`, say how to get it."""
    try:
        from .commands import hybridge
    except ImportError as error:
        if error.name != "click":
            raise
        raise SystemExit(str(MissingExtraError("click", "cli"))) from None
    hybridge()
