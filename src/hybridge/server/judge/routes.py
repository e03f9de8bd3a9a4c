"""The pages on which to judge: questions, the passages to grade for each, and what comes of it."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote, urlencode

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse

from ...errors import HybridgeError, InvalidInputError
from ...evaluation import Collection
from ...judging import (
    GRADES,
    Judgments,
    pool,
    sample_questions,
    write_beir,
    write_csv,
    write_trec,
)
from ...passages import Passage
from ..ask.answers import analyzer_of, title_of
from ..ask.highlights import Piece, highlighted
from ..jobs import Job
from ..pages import is_partial, service, templates
from .experiments import (
    DEPTH,
    MEASURES,
    Outcome,
    can_adapt,
    run_adapt,
    run_evaluate,
    run_tune,
)

__all__ = ["router"]

router = APIRouter(prefix="/judge", include_in_schema=False)

_UNSURE = "?"  # the grade of a passage that a judge cannot grade, in forms
_NOBODY = "me"  # the name of a judge who gave none
_COOKIE = "judge"
_YEAR_S = 365 * 24 * 3600
_SHOWN = 2000  # characters of a passage at once; the rest unfolds
_CHUNK = 1 << 16
_SUFFIXES = {".csv", ".json", ".jsonl", ".ndjson", ".tsv", ".txt"}

_What = Literal["evaluate", "tune", "adapt"]


@dataclass(frozen=True)
class _Candidate:
    """A passage to grade, as the page shows it; None of it says who found it.

    Args:
        id: of the passage.
        title: of the passage; empty for none.
        pieces: its text, or the first part.
        rest: of a long text.
        grade: of this judge: "0" to "3", "?" or "".
        is_missing: whether the index has no such passage now.
    """

    id: str
    title: str
    pieces: list[Piece]
    rest: str
    grade: str
    is_missing: bool


# ---- Pages


@router.get("")
def questions(request: Request) -> Response:
    """Show the questions, how far a judge is, and what can be done with the grades."""
    return _overview(request)


@router.get("/question")
def question(request: Request, id: str) -> Response:  # noqa: A002 - the name in links
    """Show the passages to grade for a question; the first look makes the pool."""
    with _shown(request) as shown:
        stored, judge = _judgments(request), _judge(request)
        texts = stored.questions
        if id not in texts:
            raise InvalidInputError(f"there is no question with the id {id!r}")
        if not stored.is_pooled(id):
            _add_pool(request, stored, id, texts[id])
        ids = list(texts)
        position = ids.index(id)
        candidates = _candidates(request, stored, id, texts[id], judge)
        progress = stored.progress(judge)
        unfinished = [
            each for each in ids[position + 1 :] + ids[:position] if not progress[each].is_done
        ]
        shown.response = templates.TemplateResponse(
            request,
            "judge_question.html",
            {
                "service": service(request),
                "id": id,
                "text": texts[id],
                "position": position + 1,
                "count": len(ids),
                "judge": judge,
                "candidates": candidates,
                "progress": progress[id],
                "grades": _labels(),
                "before": ids[position - 1] if position else None,
                "after": ids[position + 1] if position + 1 < len(ids) else None,
                "unfinished": unfinished[0] if unfinished else None,
            },
        )
    return shown.response


# ---- What the pages send


@router.post("/name")
def name(request: Request, name: Annotated[str, Form()] = "") -> Response:
    """Keep the name of who judges, in a cookie."""
    answer = _back()
    chosen = "".join(filter(str.isprintable, " ".join(name.split())))[:100].strip() or _NOBODY
    answer.set_cookie(_COOKIE, quote(chosen), max_age=_YEAR_S, httponly=True, samesite="strict")
    return answer


@router.post("/questions")
def add_questions(request: Request, texts: Annotated[str, Form()] = "") -> Response:
    """Add the questions of a form, one a line."""
    with _shown(request) as shown:
        lines = [line for line in texts.splitlines() if line.strip()]
        if not lines:
            raise InvalidInputError("there is no question in the form: write one a line")
        _judgments(request).add_questions(lines)
        shown.response = _back()
    return shown.response


@router.post("/import")
def import_file(
    request: Request,
    file: UploadFile,
    count: Annotated[str, Form()] = "",
    weighted: Annotated[bool, Form()] = False,
) -> Response:
    """Add the questions of a file, or a sample of them."""
    with _shown(request) as shown, TemporaryDirectory() as folder:
        stored = _judgments(request)
        # Of the file's name its ending alone names a path, for that says what it holds.
        base = (file.filename or "").replace("\\", "/").rpartition("/")[2] or "the file"
        suffix = Path(base.replace("\0", "")).suffix.lower()
        copy = Path(folder) / f"questions{suffix if suffix in _SUFFIXES else '.txt'}"
        with copy.open("wb") as target:
            shutil.copyfileobj(file.file, target)
        try:
            if count.strip():
                size = int(count) if count.strip().isdecimal() else 0
                stored.add_questions(sample_questions(copy, size, weighted=weighted))
            else:
                stored.import_file(copy, passages=service(request).index)
        except InvalidInputError as error:  # without the folder, which is of no use to a reader
            raise InvalidInputError(str(error).replace(str(copy), base)) from None
        shown.response = _back()
    return shown.response


@router.post("/remove")
def remove(request: Request, question: Annotated[str, Form()]) -> Response:
    """Remove a question with its grades."""
    with _shown(request) as shown:
        _judgments(request).remove_question(question)
        shown.response = _back()
    return shown.response


@router.post("/pool")
def pool_again(request: Request, question: Annotated[str, Form()]) -> Response:
    """Add what the index finds now to the passages to grade."""
    with _shown(request) as shown:
        stored = _judgments(request)
        texts = stored.questions
        if question not in texts:
            raise InvalidInputError(f"there is no question with the id {question!r}")
        _add_pool(request, stored, question, texts[question])
        shown.response = _back(_link(question))
    return shown.response


@router.post("/grade")
def grade(
    request: Request,
    question: Annotated[str, Form()],
    passage: Annotated[str, Form()],
    judge: Annotated[str, Form()],
    grade: Annotated[str, Form()],
) -> Response:
    """Save a grade; a script gets the progress, and a form the page again."""
    if grade not in _labels():
        raise InvalidInputError(f"a grade must be 0, 1, 2, 3 or {_UNSURE}, not {grade!r}")
    stored = _judgments(request)
    value = None if grade == _UNSURE else int(grade)
    stored.grade(question, passage, value, judge=judge)
    return _graded(request, stored, question, judge, passage, grade)


@router.post("/undo")
def undo(
    request: Request, question: Annotated[str, Form()], judge: Annotated[str, Form()]
) -> Response:
    """Take the judge's last grade of this question back."""
    stored = _judgments(request)
    undone = stored.undo(judge, question)
    if undone is None:
        return _graded(request, stored, question, judge, "", "")
    now = stored.grades(judge).get(question, {})
    shown = _form_of(now[undone.passage]) if undone.passage in now else ""
    return _graded(request, stored, question, judge, undone.passage, shown)


# ---- What comes of the grades


@router.get("/export/{form}")
def export(request: Request, form: str) -> Response:
    """Send the judged questions as files."""
    with _shown(request) as shown:
        stored = _judgments(request)
        if form == "judges.csv":
            shown.response = _all_grades(stored)
        elif form in _WRITERS:
            shown.response = _zipped(request, form, stored.collection())
        else:
            raise InvalidInputError(
                f"there is no form {form!r}: choose judges.csv, {', '.join(_WRITERS)}"
            )
    return shown.response


@router.post("/runs")
def start(
    request: Request,
    what: Annotated[_What, Form()],
    grades: Annotated[str, Form()] = "median",
    measure: Annotated[str, Form()] = MEASURES[0],
    rerank: Annotated[list[str] | None, Form()] = None,
    minutes: Annotated[float, Form(gt=0, le=24 * 60)] = 10.0,
) -> Response:
    """Start an evaluation, a tuning or an adaptation of the index with the grades so far."""
    with _shown(request) as shown:
        stored, served = _judgments(request), service(request)
        if measure not in MEASURES:
            raise InvalidInputError(
                f"measure must be one of {', '.join(MEASURES)}, not {measure!r}"
            )
        collection = _collection(stored, grades)

        def run(report: Any) -> Outcome:
            if what == "evaluate":
                return run_evaluate(served, collection, measure, report)
            if what == "tune":
                return run_tune(served, collection, measure, rerank or [], report)
            # One folder for the same grades and settings, so that a repeated run goes on there.
            inputs = json.dumps([collection.queries, collection.qrels, measure, minutes])
            digest = blake2b(inputs.encode(), digest_size=4).hexdigest()
            folder = stored.path.with_name(f"{stored.path.stem}-adapted-{digest}")
            return run_adapt(served, collection, measure, folder, minutes, report)

        title = f"{what.capitalize()}: {measure}, {len(collection.qrels)} questions"
        job = served.jobs.start(title, run)
        _started(request)[job.id] = job
        shown.response = _back(f"/judge/runs/{job.id}")
    return shown.response


@router.get("/runs/{job_id}")
def show_run(request: Request, job_id: str) -> Response:
    """Show the progress of a run, and its outcome."""
    job = _started(request).get(job_id)
    if job is None:
        return _failed(request, "this run is not known, or no longer kept: start it again", 404)
    template = "judge_progress.html" if is_partial(request) else "judge_run.html"
    return templates.TemplateResponse(
        request, template, {"service": service(request), "job": job, "outcome": job.result}
    )


@router.post("/runs/{job_id}/stop")
def stop_run(request: Request, job_id: str) -> Response:
    """Ask a run to stop."""
    job = _started(request).get(job_id)
    if job is not None:
        job.stop()
    return _back(f"/judge/runs/{quote(job_id, safe='')}")


@router.get("/runs/{job_id}/{number}.svg")
def picture(request: Request, job_id: str, number: int) -> Response:
    """Send a picture of a run's outcome."""
    job = _started(request).get(job_id)
    pictures = () if job is None or job.result is None else job.result.pictures
    if not 0 <= number < len(pictures):
        return Response("there is no such picture", 404)
    return Response(pictures[number].content, media_type="image/svg+xml")


# ---- What they share


@cache
def _opened(path: Path) -> Judgments:
    return Judgments(path)


def _judgments(request: Request) -> Judgments:
    path = service(request).judgments
    if path is None:
        raise InvalidInputError(
            "this server keeps no judgments: start it with --judgments FILE to judge"
        )
    return _opened(path)


def _judge(request: Request) -> str:
    name = " ".join(unquote(request.cookies.get(_COOKIE, "")).split())[:100]
    return name if name and name.isprintable() else _NOBODY


def _started(request: Request) -> dict[str, Job]:
    """Return the runs that the pages started and the server keeps, by id, the oldest first."""
    state = request.app.state
    if not hasattr(state, "judge_runs"):
        state.judge_runs = {}
    runs: dict[str, Job] = state.judge_runs
    for gone in [id_ for id_ in [*runs] if service(request).jobs.get(id_) is None]:
        runs.pop(gone, None)
    return runs


class _Shown:
    """What a block leaves behind to answer with."""

    response: Response


@contextmanager
def _shown(request: Request) -> Iterator[_Shown]:
    """Answer with the page of questions and the message where the block raises our error."""
    shown = _Shown()
    try:
        yield shown
    except HybridgeError as error:
        shown.response = _failed(request, str(error), 400)


def _failed(request: Request, message: str, status: int) -> Response:
    return _overview(request, message, status)


def _overview(request: Request, message: str = "", status: int = 200) -> HTMLResponse:
    served, judge = service(request), _judge(request)
    context: dict[str, Any] = {"service": served, "message": message, "judge": judge}
    if served.judgments is not None:
        try:
            context |= _state(request, _judgments(request), judge)
        except HybridgeError as error:
            context |= {"message": str(error)}
            status = max(status, 400)
    return templates.TemplateResponse(request, "judge.html", context, status_code=status)


def _state(request: Request, stored: Judgments, judge: str) -> dict[str, Any]:
    progress = stored.progress(judge)
    rows = [(id_, text, progress[id_]) for id_, text in stored.questions.items() if id_ in progress]
    unfinished = [id_ for id_, _, done in rows if not done.is_done]
    judges = stored.judges
    agreement = stored.agreement() if len(judges) > 1 else None
    return {
        "questions": rows,
        "done": len(rows) - len(unfinished),
        "unfinished": unfinished[0] if unfinished else None,
        "judges": judges,
        "agreement": None if agreement is None else agreement._report(),
        "measures": MEASURES,
        "rerankers": list(service(request).rerankers),
        "can_adapt": can_adapt(),
        "runs": list(_started(request).values())[::-1],
        "forms": list(_WRITERS),
    }


def _labels() -> dict[str, str]:
    return {**{str(grade): meaning for grade, meaning in GRADES.items()}, _UNSURE: "not sure"}


def _form_of(grade: int | None) -> str:
    return _UNSURE if grade is None else str(grade)


def _link(question: str) -> str:
    return f"/judge/question?{urlencode({'id': question})}"


def _back(path: str = "/judge") -> RedirectResponse:
    return RedirectResponse(path, status_code=303)


def _graded(
    request: Request, stored: Judgments, question: str, judge: str, passage: str, grade: str
) -> Response:
    if "application/json" not in request.headers.get("accept", ""):
        return _back(_link(question))
    done = stored.progress(judge)[question]
    return JSONResponse(
        {"passage": passage, "grade": grade, "graded": done.graded, "candidates": done.candidates}
    )


def _add_pool(request: Request, stored: Judgments, question: str, text: str) -> None:
    served = service(request)
    found = pool(served.index, text, DEPTH, rerankers=served.rerankers)
    stored.add_candidates(question, [each.passage.id for each in found])


def _candidates(
    request: Request, stored: Judgments, question: str, text: str, judge: str
) -> list[_Candidate]:
    ids = stored.candidates(question, judge)
    grades = stored.grades(judge).get(question, {})
    index = service(request).index
    analyzer = analyzer_of(index)

    def shown(id_: str, passage: Passage | None) -> _Candidate:
        grade = _form_of(grades[id_]) if id_ in grades else ""
        if passage is None:
            return _Candidate(id_, "", [], "", grade, is_missing=True)
        title, is_titled = title_of(passage)
        first, rest = passage.text[:_SHOWN], passage.text[_SHOWN:]
        pieces = highlighted(first, text, analyzer, length=_SHOWN)
        return _Candidate(id_, title if is_titled else "", pieces, rest, grade, is_missing=False)

    return [shown(id_, passage) for id_, passage in zip(ids, index.get(ids), strict=True)]


def _collection(stored: Judgments, grades: str) -> Collection:
    """Return the grades that a form chose: "median", "most frequent", or "judge:" and a name."""
    if grades.startswith("judge:"):
        return stored.collection(grades.removeprefix("judge:"))
    return stored.collection(merge=grades)  # type: ignore[arg-type]


_WRITERS: Mapping[str, Any] = {"trec": write_trec, "beir": write_beir, "csv": write_csv}


def _zipped(request: Request, form: str, collection: Collection) -> Response:
    with TemporaryDirectory() as folder:
        root = Path(folder) / "judged"
        if form == "beir":
            write_beir(collection, root, service(request).index)
        else:
            _WRITERS[form](collection, root)
        archive = Path(shutil.make_archive(str(Path(folder) / form), "zip", root))
        file = TemporaryFile()  # noqa: SIM115 - closed when it was sent
        with archive.open("rb") as source:
            shutil.copyfileobj(source, file)
    size = file.tell()
    file.seek(0)
    return StreamingResponse(
        iter(lambda: file.read(_CHUNK), b""),
        media_type="application/zip",
        headers={**_as_file(f"judged-{form}.zip"), "Content-Length": str(size)},
        background=BackgroundTask(file.close),
    )


def _all_grades(stored: Judgments) -> Response:
    texts = stored.questions
    target = io.StringIO(newline="")
    writer = csv.writer(target)
    writer.writerow(("query_id", "query", "passage_id", "judge", "grade"))
    for each in stored.judgments():
        row = (each.question, texts.get(each.question, ""), each.passage, each.judge)
        writer.writerow((*map(_cell, row), _form_of(each.grade)))
    return Response(
        target.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers=_as_file("judgments.csv"),
    )


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text


def _as_file(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
