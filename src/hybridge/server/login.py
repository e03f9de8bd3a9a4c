"""The form in which people give the server's key."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from .guards import Keys
from .pages import templates

__all__ = [
    "form",
    "login",
    "router",
]

router = APIRouter(include_in_schema=False)


@router.get("/login")
async def form(request: Request, to: str = "/") -> Response:
    """Show the form."""
    return templates.TemplateResponse(request, "login.html", {"to": to, "wrong": False})


@router.post("/login")
async def login(
    request: Request, key: Annotated[str, Form()] = "", to: Annotated[str, Form()] = "/"
) -> Response:
    """Set the cookie that stands for the key, and go on to the page that was asked for."""
    keys: Keys = request.app.state.guards.keys
    if not keys.accept(key):
        context = {"to": to, "wrong": True}
        return templates.TemplateResponse(request, "login.html", context, status_code=401)
    answer = RedirectResponse(_within(to), 303)
    answer.set_cookie(
        keys.cookie,
        keys.token(key),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


def _within(to: str) -> str:
    """Return a path of this server, and its first page in place of another server's."""
    is_path = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable()
    return to if is_path else "/"
