"""The page on which to ask: results as one types, with each stage's rank and score."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from .options import Options
from .pages import service, templates

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page(request: Request, q: str = "") -> HTMLResponse:
    """Show the page, with the results of its link."""
    params = {name: value for name, value in request.query_params.items() if name != "q"}
    options = Options.from_params(params)
    [hits] = await service(request).search([q], options)
    return templates.TemplateResponse(
        request, "ask.html", {"q": q, "options": options, "hits": hits, "service": service(request)}
    )
