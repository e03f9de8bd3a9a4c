"""What the pages share: templates, the service behind a request, and the style of reports."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates
from markupsafe import Markup

from ..report import STYLE, Section, to_fragment
from .service import Service

__all__ = ["is_partial", "router", "service", "templates"]

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(directory=Path(__file__).parent / "templates")


def service(request: Request) -> Service:
    """Return the service of a request's application."""
    served: Service = request.app.state.service
    return served


def is_partial(request: Request) -> bool:
    """Return whether htmx requests a part of a page, and not a browser a page."""
    return request.headers.get("HX-Request") == "true"


@router.get("/report.css")
async def _report_style() -> Response:
    """Return the style sheet of reports, such as tables and heat maps."""
    return Response(STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


def _report(section: Section) -> Markup:
    """Render a section as HTML; all of its text is escaped."""
    return Markup(to_fragment(section))  # noqa: S704 - `to_fragment` escapes


templates.env.filters["report"] = _report
templates.env.trim_blocks = templates.env.lstrip_blocks = True
