"""What the pages share: templates and the service behind a request."""

from __future__ import annotations

from pathlib import Path

from fastapi import Request
from fastapi.templating import Jinja2Templates

from .service import Service

__all__ = ["service", "templates"]

templates = Jinja2Templates(directory=Path(__file__).parent / "templates")


def service(request: Request) -> Service:
    """Return the service of a request's application."""
    served: Service = request.app.state.service
    return served
