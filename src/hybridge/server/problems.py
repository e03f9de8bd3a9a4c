"""What goes wrong, as an answer: problem details in JSON (RFC 9457), the same for each error."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from ..errors import (
    ClosedError,
    EncoderMismatchError,
    HybridgeError,
    IndexExistsError,
    IndexLockedError,
    IndexNotFoundError,
    InvalidInputError,
    MissingExtraError,
    ReadOnlyError,
    StoreError,
)
from .jobs import BusyError

__all__ = ["PROBLEMS", "Problem", "add_handlers", "document", "problem"]

_MEDIA = "application/problem+json"
_LETTERS = 4_000

_STATUSES: tuple[tuple[type[HybridgeError], int], ...] = (
    (InvalidInputError, 400),
    (ReadOnlyError, 403),
    (IndexNotFoundError, 404),
    (IndexExistsError, 409),
    (IndexLockedError, 409),
    (EncoderMismatchError, 409),
    (MissingExtraError, 501),
    (BusyError, 503),
    (ClosedError, 503),
    (StoreError, 502),  # After its own kinds, for the first that fits counts.
)

_TITLES = {
    400: "Not valid",
    401: "A key is needed",
    403: "Not allowed",
    404: "Not found",
    405: "No such method",
    408: "The request came too slowly",
    409: "In conflict with the index",
    413: "The body is too large",
    421: "Another host is served here",
    500: "Internal error",
    501: "Not installed",
    502: "The store failed",
    503: "Busy",
}


class Problem(BaseModel):
    """An error.

    Args:
        type: always ``about:blank``: the status says it all.
        title: the status in words.
        status: of the answer.
        detail: what is wrong, what is valid, and what to do.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def _documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": _TITLES[status], "content": {_MEDIA: schema}} for status in statuses
    }


PROBLEMS = _documented(400, 401, 403, 404, 408, 409, 413, 421, 500, 501, 502, 503) | {
    "4XX": {}  # keeps FastAPI from its own model of errors; `document` drops it
}
"""The errors that each route of the API documents."""


def document(schema: dict[str, Any]) -> None:
    """Put the model of errors into an OpenAPI document.

    Args:
        schema: the document.
    """
    schema.setdefault("components", {}).setdefault("schemas", {})["Problem"] = (
        Problem.model_json_schema()
    )
    for operations in schema["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("4XX", None)


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error as an answer.

    Args:
        status: of the answer.
        detail: what is wrong and what to do.
        headers: further ones.
    """
    # Of the request it may repeat lone surrogates, and much.
    text = detail[:_LETTERS].encode(errors="replace").decode()
    content = Problem(title=_TITLES.get(status, "Error"), status=status, detail=text)
    return Response(orjson.dumps(content.model_dump()), status, headers, _MEDIA)


def add_handlers(app: FastAPI) -> None:
    """Let an application answer errors by `problem`."""

    @app.exception_handler(HybridgeError)
    async def failed(_request: Request, error: HybridgeError) -> Response:
        status = next((s for kind, s in _STATUSES if isinstance(error, kind)), 500)
        return problem(status, str(error), {"Retry-After": "5"} if status == 503 else None)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        errors = error.errors()
        parts = [f"{'.'.join(map(str, each['loc'])):.200}: {each['msg']}" for each in errors[:5]]
        shown = "; ".join(parts) + (f"; and {len(errors) - 5} more" if len(errors) > 5 else "")
        return problem(400, shown)

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), dict(error.headers or {}))
