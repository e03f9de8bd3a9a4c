"""The API: search, explain, get, add and delete, by JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse

from ... import __version__
from ...explanation import Explanation, SearchExplanation, explanation_to_json
from ...passages import Passage
from ..jobs import Job, Report
from ..pages import service
from ..problems import PROBLEMS
from ..service import Service
from .messages import (
    AddRequest,
    Count,
    DeleteRequest,
    ExplainAnswer,
    ExplainRequest,
    FieldsAnswer,
    GetAnswer,
    GetRequest,
    InfoAnswer,
    JobModel,
    PassageModel,
    SearchAnswer,
    SearchRequest,
)

__all__ = [
    "Reading",
    "Writing",
    "add",
    "delete",
    "delete_many",
    "events",
    "explain",
    "fields",
    "get",
    "get_many",
    "info",
    "job",
    "router",
    "search",
    "start_adding",
    "stop_job",
]

router = APIRouter(prefix="/api", responses=PROBLEMS)

_SLICE = 256  # passages that a job adds at a time
_PING = 10.0  # seconds of silence until a stream says that it is still there

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Progress", "content": {"text/event-stream": {"schema": {}}}}
}


# Both are coroutines, for each other dependency costs a thread.
async def _reading(request: Request) -> Service:
    """Return the service."""
    return service(request)


async def _writing(request: Request) -> Service:
    """Return the service, if requests may write."""
    served = service(request)
    if not served.allow_writes:
        raise HTTPException(
            403, "this server is read-only: start it with --allow-writes to add and delete"
        )
    return served


Reading = Annotated[Service, Depends(_reading)]
Writing = Annotated[Service, Depends(_writing)]


def _json(value: Any) -> Response:
    """Return an answer as it is: its parts are data classes that need no second validation."""
    content = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, media_type="application/json")


@router.post("/search", response_model=SearchAnswer, tags=["search"])
async def search(request: SearchRequest, served: Reading) -> Response:
    """Return the passages that answer each query, with every stage's rank and score."""
    lists = await served.search(request.queries, request)
    return _json({"results": [{"hits": hits} for hits in lists]})


@router.post("/explain", response_model=ExplainAnswer, tags=["search"])
async def explain(request: ExplainRequest, served: Reading) -> Response:
    """Explain why a passage ranks where it does, or why it is not found; or each hit."""
    found = await served.explain(request.query, request, request.passage)
    return _json({"text": str(found), "explanations": _explanations(found)})


def _explanations(found: Explanation | SearchExplanation) -> list[Any]:
    each = [found] if isinstance(found, Explanation) else found.explanations
    return [explanation_to_json(explanation) for explanation in each]


@router.get("/passages/{passage_id:path}", response_model=PassageModel, tags=["passages"])
async def get(passage_id: str, served: Reading) -> Response:
    """Return a passage."""
    [found] = await asyncio.to_thread(served.index.get, [passage_id])
    if found is None:
        raise HTTPException(404, f"no passage has the id {passage_id!r:.200}")
    return _json(found)


@router.post("/passages/get", response_model=GetAnswer, tags=["passages"])
async def get_many(request: GetRequest, served: Reading) -> Response:
    """Return passages, null for an id that is not there."""
    return _json({"passages": await asyncio.to_thread(served.index.get, request.ids)})


@router.post("/passages", tags=["passages"])
async def add(request: AddRequest, served: Writing) -> Count:
    """Add passages, all or none of them, and answer when they are stored."""
    added = await asyncio.to_thread(served.index.add, _passages(request), progress=False)
    return Count(count=added)


@router.post("/passages/delete", tags=["passages"])
async def delete_many(request: DeleteRequest, served: Writing) -> Count:
    """Delete passages by their ids or by a filter."""
    delete = served.index.delete
    return Count(count=await asyncio.to_thread(delete, request.ids, where=request.where))


@router.delete("/passages/{passage_id:path}", tags=["passages"])
async def delete(passage_id: str, served: Writing) -> Count:
    """Delete a passage; one that is not there counts 0."""
    return Count(count=await asyncio.to_thread(served.index.delete, [passage_id]))


@router.get("/fields", response_model=FieldsAnswer, tags=["index"])
async def fields(served: Reading) -> Response:
    """Return the fields of the passages' metadata, which filters may name."""
    found = await asyncio.to_thread(served.index.fields)
    return _json({"fields": [field.to_dict() for field in found]})


@router.get("/info", response_model=InfoAnswer, tags=["index"])
async def info(served: Reading) -> Response:
    """Return the settings and contents of the index, and what requests may do with it."""
    described = await asyncio.to_thread(served.index.info)
    # Where it lies is no client's business.
    shown = {name: value for name, value in described.items() if name not in ("place", "server")}
    return _json(
        {
            "name": served.name,
            "version": __version__,
            "allow_writes": served.allow_writes,
            "rerankers": sorted(served.rerankers),
            "index": shown,
        }
    )


@router.post("/jobs/add", status_code=202, response_model=JobModel, tags=["jobs"])
async def start_adding(request: AddRequest, served: Writing) -> Response:
    """Add passages in the background, a slice at a time; those that are added stay if it stops."""
    passages = _passages(request)

    def added(report: Report) -> dict[str, int]:
        total, count = len(passages), 0
        for start in range(0, total, _SLICE):
            report("adding passages", start, total)
            count += served.index.add(passages[start : start + _SLICE], progress=False)
        report("added passages", total, total)
        return {"count": count}

    job = served.jobs.start(f"add {len(passages)} passages", added)
    response = _json(_state(job))
    response.status_code = 202
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return response


@router.get("/jobs/{job_id}", response_model=JobModel, tags=["jobs"])
async def job(job_id: str, served: Reading) -> Response:
    """Return how a job stands."""
    return _json(_state(_job(served, job_id)))


@router.delete("/jobs/{job_id}", response_model=JobModel, tags=["jobs"])
async def stop_job(job_id: str, served: Writing) -> Response:
    """Ask a job to stop: it does at its next line of progress."""
    found = _job(served, job_id)
    found.stop()
    return _json(_state(found))


@router.get(
    "/jobs/{job_id}/events", response_class=StreamingResponse, responses=_EVENTS, tags=["jobs"]
)
async def events(
    request: Request,
    job_id: str,
    served: Reading,
    start: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> StreamingResponse:
    """Stream a job's progress as server-sent events, from number `start` on, until it ends.

    Each line is an event named ``progress``; the last event is ``end``, with the job's state.
    """
    found = _job(served, job_id)
    headers = {"X-Accel-Buffering": "no"}
    ping = min(_PING, request.app.state.guards.seconds / 2)  # or the guard of time ends it
    return StreamingResponse(
        _stream(found, start, ping), headers=headers, media_type="text/event-stream"
    )


async def _stream(job: Job, start: int, ping: float) -> AsyncIterator[bytes]:
    following = aiter(job.follow(start))
    number = start
    waiting: asyncio.Task[Any] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(following, None))
            done, _ = await asyncio.wait([waiting], timeout=ping)
            if not done:
                yield b": still running\n\n"
                continue
            event, waiting = waiting.result(), None
            if event is None:
                break
            yield b"id: %d\nevent: progress\ndata: %b\n\n" % (number, orjson.dumps(asdict(event)))
            number += 1
    finally:
        if waiting is not None:
            waiting.cancel()
    yield b"event: end\ndata: %b\n\n" % orjson.dumps(_state(job))


def _job(served: Service, job_id: str) -> Job:
    found = served.jobs.get(job_id)
    if found is None:
        raise HTTPException(404, f"there is no job {job_id!r:.200}")
    return found


def _state(job: Job) -> dict[str, Any]:
    events: Sequence[Any] = job.events
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state,
        "progress": asdict(events[-1]) if events else None,
        # Jobs of the pages have results that are no JSON: the pages show them.
        "result": job.result if isinstance(job.result, dict) else None,
    }


def _passages(request: AddRequest) -> list[Passage]:
    return [Passage(each.id, each.text, each.metadata) for each in request.passages]
