"""The page on which to ask: results as one types, knobs, two settings side by side, reasons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from ...errors import HybridgeError, InvalidInputError
from ...explanation import Explanation, explain
from ...explanation.renderable import report
from ...passages import Hit
from ...stages import Dense
from ..options import parsed
from ..pages import is_partial, service, templates
from ..service import Service
from .answers import Answer, title_of
from .code import FRAMEWORKS, code
from .facets import Filters
from .knobs import Knobs, default_similarity
from .pictures import Pictures
from .view import View, beside

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

# Passages that pictures show, and passages near one.
_MANY, _NEAR = 50, 5
# Characters of a list of ids that a request carries.
_LONGEST = 3_000


@router.get("/")
async def _show_page(request: Request) -> HTMLResponse:
    """Show the page of a link: its question and settings, and their answers."""
    try:
        view, error = View.from_params(request.query_params), None
    except InvalidInputError as invalid:
        view, error = View(request.query_params.get("q", "")), str(invalid)
    knobs = await run_in_threadpool(Knobs.of, service(request))
    found = {"error": error} if error else await _answered(request, view)
    if view.explained is not None and not found["error"]:
        found |= await _explained(request, view)
    return _page(request, view, knobs, found)


@router.get("/ask")
async def _answer(request: Request) -> Response:
    """Answer the form: by its part of the page, or by the page of its link."""
    form = request.query_params
    knobs = await run_in_threadpool(Knobs.of, service(request))
    view = View(form.get("q", "").strip())
    try:
        where = Filters.read(form)
        first = knobs.read(form, "a", where)
        second = beside(first, knobs.read(form, "b", where)) if form.get("compare") else None
        view = View(view.question, first, second)
    except InvalidInputError as invalid:
        if not is_partial(request):
            return _page(request, view, knobs, {"error": str(invalid)})
        # A half-typed filter is no failure of the page: status 200.
        context = {"error": str(invalid), "view": view, "service": service(request)}
        return templates.TemplateResponse(request, "ask_answers.html", context)
    if not is_partial(request):
        return RedirectResponse(view.link(), status_code=303)
    before = _link_before(request)
    was = _ids(form.get("was")) if before is not None and _is_turned(before, view) else None
    context = await _answered(request, view, was)
    context |= {"view": view, "service": service(request), "passages": len(service(request).index)}
    shown = templates.TemplateResponse(request, "ask_answers.html", context)
    header = "HX-Replace-Url" if _is_typing(before, view) else "HX-Push-Url"
    shown.headers[header] = view.link()
    return shown


@router.get("/ask/explain")
async def _show_explanation(request: Request) -> HTMLResponse:
    """Explain a passage: why it ranks where it does, or why it is not found."""
    try:
        view = View.from_params(request.query_params)
        context = await _explained(request, view)
    except InvalidInputError as invalid:
        view, context = View(), {"sheet_error": str(invalid)}
    context |= {"view": view, "service": service(request)}
    shown = templates.TemplateResponse(request, "ask_explanation.html", context)
    if is_partial(request) and view.explained is not None:
        shown.headers["HX-Replace-Url"] = view.link()
    return shown


@router.get("/ask/code")
async def _show_code(request: Request) -> HTMLResponse:
    """Show the code of a setting."""
    context: dict[str, Any] = {"frameworks": FRAMEWORKS, "programs": {}}
    try:
        view = View.from_params(request.query_params)
        context["programs"] = {
            name: code(service(request), view.question, view.options(), name) for name in FRAMEWORKS
        }
    except InvalidInputError as invalid:
        context["sheet_error"] = str(invalid)
    return templates.TemplateResponse(request, "ask_code.html", context)


@router.get("/ask/pictures")
async def _show_pictures(request: Request) -> HTMLResponse:
    """Draw the ranks and scores of the answers, or the parts of a passage's score."""
    drawer, served = _pictures(request), service(request)
    view, error, drawn = View(), None, []
    try:
        view = View.from_params(request.query_params)
        options = view.options()
        if view.explained is not None:
            part = await run_in_threadpool(_explain, served, view)
            drawn = await run_in_threadpool(drawer.of_explanation, part)
        else:
            many = options.model_copy(update={"k": max(options.k, _MANY)})
            [hits] = await served.search([view.question], many)
            drawn = await run_in_threadpool(drawer.of_search, hits, options.k)
    except HybridgeError as failure:
        error = str(failure)
    context = {"view": view, "pictures": drawn, "sheet_error": error}
    return templates.TemplateResponse(request, "ask_pictures.html", context)


@router.get("/ask/pictures/{key}.svg")
async def _show_picture(request: Request, key: str) -> Response:
    """Return a picture that was drawn of late."""
    content = _pictures(request).get(key)
    if content is None:
        raise HTTPException(404, "this picture is not kept any more: ask for it again")
    headers = {"Cache-Control": "private, max-age=3600, immutable"}
    return Response(content, media_type="image/svg+xml", headers=headers)


async def _answered(
    request: Request, view: View, was: Sequence[str] | None = None
) -> dict[str, Any]:
    """Search by each setting of a view: what templates show of it."""
    if not view.question.strip():
        return {"error": None, "answers": [], "ids": None}
    answers, before = [], was
    try:
        for options in (view.first, view.second):
            if options is None:
                continue
            start = perf_counter()
            [hits] = await service(request).search([view.question], options)
            seconds = perf_counter() - start
            answers.append(
                await run_in_threadpool(
                    Answer.of,
                    service(request).index,
                    view.question,
                    hits,
                    options,
                    seconds=seconds,
                    before=before,
                )
            )
            before = [hit.passage.id for hit in hits]
    except HybridgeError as failure:
        return {"error": str(failure)}
    ids = json.dumps(before) if view.second is None else ""
    return {"error": None, "answers": answers, "ids": ids if len(ids) < _LONGEST else None}


async def _explained(request: Request, view: View) -> dict[str, Any]:
    """Explain the passage of a view: what templates show of it."""
    served = service(request)
    try:
        part = await run_in_threadpool(_explain, served, view)
        options = view.options()
        wide = options.model_copy(update={"k": min(1000, max(options.k, (part.rank or 0) + 2))})
        [hits] = await served.search([view.question], wide)
        near = await run_in_threadpool(_nearest, served, part)
    except HybridgeError as failure:
        return {"sheet_error": str(failure)}
    passage = part.passage
    return {
        "explanation": report(part),
        "passage": passage,
        "title": title_of(passage)[0],
        "around": _around(hits, part),
        "near": [(title_of(hit.passage)[0], hit.passage.id, hit.score) for hit in near],
        "metadata": [(name, _spelled(value)) for name, value in passage.metadata.items()],
    }


def _page(request: Request, view: View, knobs: Knobs, found: dict[str, Any]) -> HTMLResponse:
    context = found | {
        "view": view,
        "knobs": knobs,
        "filters": Filters.of(view.first.where, knobs.fields),
        "service": service(request),
        "similarity": default_similarity,
        "passages": len(service(request).index),
    }
    status = 400 if found["error"] else 200
    return templates.TemplateResponse(request, "ask.html", context, status_code=status)


def _explain(served: Service, view: View) -> Explanation:
    options, passage = view.options(), view.explained or ""
    return explain(
        served.retriever(options), view.question, passage, k=options.k, where=options.where
    )


def _around(hits: Sequence[Hit], part: Explanation) -> list[tuple[int, str, str, float, bool]]:
    """Return the hits above and below a passage: rank, id, title, score, and whether it is it."""
    if part.rank is None:
        return []
    first = max(0, part.rank - 3)
    return [
        (rank, hit.passage.id, title_of(hit.passage)[0], hit.score, rank == part.rank)
        for rank, hit in enumerate(hits[first : part.rank + 2], start=first + 1)
    ]


def _nearest(served: Service, part: Explanation) -> list[Hit]:
    """Return the passages whose vectors are nearest to a passage's text, without itself."""
    dense = [stage for stage in served.index.stages.values() if isinstance(stage.definition, Dense)]
    if not dense or not part.passage.text.strip():
        return []
    [hits] = dense[0].search([part.passage.text], _NEAR + 1)
    return [hit for hit in hits if hit.passage.id != part.passage.id][:_NEAR]


def _pictures(request: Request) -> Pictures:
    state = request.app.state
    if not hasattr(state, "pictures"):
        state.pictures = Pictures()
    drawn: Pictures = state.pictures
    return drawn


def _link_before(request: Request) -> View | None:
    """Return the view that the browser's address shows; None for one that is not valid."""
    query = urlsplit(request.headers.get("HX-Current-URL", "")).query
    try:
        return View.from_params(dict(parse_qsl(query)))
    except InvalidInputError:
        return None


def _is_turned(before: View, view: View) -> bool:
    """Return whether the setting alone is another: what it changes is shown."""
    alone = before.second is None and view.second is None
    return alone and before.question == view.question and before.first != view.first


def _is_typing(before: View | None, view: View) -> bool:
    """Return whether one goes on typing a question, which needs no entry in the history."""
    if before is None or (before.first, before.second) != (view.first, view.second):
        return False
    old, new = before.question, view.question
    return old.startswith(new) or new.startswith(old)


def _ids(text: str | None) -> list[str] | None:
    try:
        ids = parsed(text or "")
    except ValueError:
        return None
    return ids if isinstance(ids, list) and all(isinstance(each, str) for each in ids) else None


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
