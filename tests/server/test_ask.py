"""The page on which to ask, without a browser: its form, its parts and its errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from fastapi.testclient import TestClient

from hybridge import Hit, HybridIndex, Passage
from hybridge.server import Options, create_app
from hybridge.server.ask.answers import Answer
from hybridge.server.ask.view import View, beside

from ..browser.passages import HOSTILE, SCRIPT
from ..browser.rerankers import Shortest
from .forms import form_values, tags
from .manual import new_manual

SETTINGS = [
    Options(),
    Options(k=3, depth=7, weights={"bm25": 0.25, "dense": 0.5}, fusion="dbsf"),
    Options(rerank=("shortest",), rerank_depth=9, blend=0.25, spelling=False, query_syntax=True),
    Options(floor={"dense": 0.25, "shortest": -5.5}, floor_of="list", rerank=("shortest",)),
    Options(distinct=True, group_by="topic", per_group=3),
    Options(distinct=0.75, group_by="note <b>"),
    Options(where={"topic": {"$in": ["kitchen", "hostile"]}, "year": {"$lte": 2010}}),
    Options(where={"$not": {"topic": '"</textarea><b>'}}, fusion="weighted-rrf"),
    Options(rerank=("shortest", "again"), distinct=0.0),
]


@pytest.fixture(scope="module")
def manual() -> Iterator[HybridIndex]:
    with new_manual() as index:
        yield index


@pytest.fixture
def client(manual: HybridIndex) -> Iterator[TestClient]:
    rerankers = {"again": Shortest(), "shortest": Shortest()}
    app = create_app(manual, rerankers=rerankers, name="<b>manual")
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as client:
        yield client


def ids(html: str) -> list[str]:
    """Return the ids of the answers, from the links that explain them."""
    found = re.findall(r'<a class="explain" href="([^"]*)"', html)
    return [str(_view(unescape(link)).explained) for link in found]


def _view(link: str) -> View:
    return View.from_params(dict(parse_qsl(urlsplit(link).query)))


@pytest.mark.parametrize("first", SETTINGS)
@pytest.mark.parametrize("second", [None, *SETTINGS[1:5]])
def test_the_form_sends_the_view_that_it_shows(
    client: TestClient, first: Options, second: Options | None
) -> None:
    other = None if second is None else beside(first, second)
    view = View("x\"'<b>", first, other)
    page = client.get(view.link())
    sent = form_values(page.text)
    answer = client.get("/ask", params=urlencode(sent))
    assert answer.status_code == 303
    assert _view(answer.headers["location"]) == view


@pytest.mark.parametrize("options", SETTINGS[:6])
async def test_the_page_has_the_answers_of_a_search(client: TestClient, options: Options) -> None:
    question = "a pump or a heart"
    page = client.get(View(question, options).link())
    service = client.app.state.service  # type: ignore[attr-defined]
    [hits] = await service.search([question], options)
    assert page.status_code == 200
    assert ids(page.text) == [hit.passage.id for hit in hits]
    part = client.get(
        "/ask", params=urlencode(form_values(page.text)), headers={"HX-Request": "true"}
    )
    assert ids(part.text) == ids(page.text)
    [link] = [part.headers[name] for name in part.headers if name.startswith("hx-")]
    assert _view(link) == View(question, options)


@pytest.mark.parametrize(
    ("before", "now", "header"),
    [
        ("/", "/?q=p", "HX-Replace-Url"),
        ("/?q=pu", "/?q=pum", "HX-Replace-Url"),
        ("/?q=pum", "/?q=pu", "HX-Replace-Url"),
        ("/?q=pump", "/?q=heart", "HX-Push-Url"),
        ("/?q=pump", "/?q=pump&k=3", "HX-Push-Url"),
        ("/?q=pump&k=3", "/?q=pump&k=3&compare=1", "HX-Push-Url"),
        ("/?unknown=1", "/?q=pump", "HX-Push-Url"),
    ],
)
def test_typing_on_makes_no_entry_in_the_history(
    client: TestClient, before: str, now: str, header: str
) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://localhost{before}"}
    sent = form_values(client.get(now).text)
    answer = client.get("/ask", params=urlencode(sent), headers=headers)
    assert answer.headers[header] == now
    assert len({"hx-push-url", "hx-replace-url"} & answer.headers.keys()) == 1


def test_hostile_text_is_escaped(client: TestClient) -> None:
    page = client.get(View(f"zebra {SCRIPT}", Options(k=20)).link()).text
    assert SCRIPT not in page
    assert {passage.id for passage in HOSTILE} <= {*ids(page)}
    for passage in HOSTILE:
        link = View("zebra", explained=passage.id).link("/ask/explain")
        part = client.get(link).text
        assert "not found" in part or "rank " in part
        assert SCRIPT not in part
        assert "<i>x</i>" not in part
        assert "<b>manual" not in client.get(link.replace("/ask/explain", "/")).text


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/?k=0", 400, "k: Input should be greater than or equal to 1, not 0"),
        ("/?q=x&k=many", 400, "k='many' is not JSON"),
        ('/?q=x&rerank=["none"]', 400, "there is no reranker 'none'"),
        ("/?q=x&fusion=loud", 400, "'loud'"),
        ('/?q=x&where={"a": {"$b": 1}}', 400, "'$b' is no operator"),
        ("/ask?q=x&a.k=many", 200, "k: 'many' is not a number"),
        ("/ask?q=x&a.k=1.5", 200, "k: Input should be a valid integer"),
        ("/ask?q=x&where=%7B", 200, "the filter is not JSON"),
        ("/ask/explain?q=x&explain=nobody", 200, "no passage has the id 'nobody'"),
        ("/ask/explain?q=&explain=aspirin", 200, "the query is blank"),
        ("/ask/explain?q=x&k=0", 200, "k: Input should be"),
        ("/ask/code?k=0", 200, "k: Input should be"),
        ("/ask/pictures?q=x&k=0", 200, "k: Input should be"),
        ("/ask/pictures?q=x&explain=nobody", 200, "no passage has the id"),
        ("/?q=x&explain=nobody", 200, "no passage has the id 'nobody'"),
    ],
)
def test_errors_are_said(client: TestClient, path: str, status: int, message: str) -> None:
    answer = client.get(path, headers={"HX-Request": "true"})
    assert answer.status_code == status
    assert message in unescape(answer.text)
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize("page", ["/", "/ask"])
@pytest.mark.parametrize(
    "where",
    ["[" * 10_000, '{"$not": ' * 500 + "{}" + "}" * 500, r'{"topic": "\ud800"}', "9" * 5000],
)
def test_json_that_nothing_can_read_is_refused(client: TestClient, page: str, where: str) -> None:
    answer = client.get(page, params={"q": "blood", "where": where})
    assert answer.status_code == 400
    assert "This cannot be searched" in answer.text
    assert "<main" in answer.text  # the page, for a browser without scripts too
    assert "[" * 1000 not in answer.text


def test_nothing_found_is_said(client: TestClient) -> None:
    page = client.get('/?q=x&where={"topic": "nothing"}').text
    assert "Nothing is found. A filter or a floor" in page


def test_pictures_are_kept_for_a_while(client: TestClient) -> None:
    html = client.get("/ask/pictures?q=pump&k=3").text
    links = re.findall(r'src="(/ask/pictures/[^"]*)"', html)
    assert len(links) == 2
    for link in links:
        picture = client.get(link)
        assert picture.headers["content-type"] == "image/svg+xml"
        assert picture.content.startswith(b"<?xml")
    assert client.get("/ask/pictures/none.svg").status_code == 404
    assert "There is nothing to draw" in client.get("/ask/pictures?q=").text


def test_pages_hold_no_script_and_no_style(client: TestClient) -> None:
    pages = ["/?q=blood&explain=heparin", "/?q=pump&compare=1", "/", "/ask/code?q=x"]
    for page in pages:
        for tag, attributes in tags(client.get(page).text):
            assert tag != "style"
            assert tag != "script" or "src" in attributes
            assert "style" not in attributes
            assert not any(name.startswith(("on", "hx-on")) for name in attributes)
    assert "hybridge" in client.get("/report.css").text


def test_moves_are_those_since_the_setting_before(client: TestClient) -> None:
    page = client.get("/?q=pump&k=3").text
    three = ids(page)
    sent = form_values(client.get("/?q=pump&k=2").text)
    headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost/?q=pump&k=3"}
    was = f'["{three[1]}", "{three[0]}", "{three[2]}"]'
    part = client.get(f"/ask?{urlencode([*sent, ('was', was)])}", headers=headers).text
    assert re.findall(r'<span class="unseen">((?:up|down) [^<]*)', part) == [
        "up 1 from rank 2",
        "down 1 from rank 1",
    ]
    assert "was 3" in part
    other = {**headers, "HX-Current-URL": "http://localhost/?q=heart&k=3"}
    part = client.get(f"/ask?{urlencode([*sent, ('was', was)])}", headers=other).text
    assert 'class="move' not in part
    for broken in ("", "[", "{}", "[1]"):
        part = client.get(f"/ask?{urlencode([*sent, ('was', broken)])}", headers=headers).text
        assert 'class="move' not in part


def test_a_title_is_not_said_twice(client: TestClient) -> None:
    passages = [
        Passage("1", "Pump\n\nIt moves fluids.", {"title": "Pump"}),
        Passage("2", "Pump", {"title": "Pump"}),
        Passage("3", "Pumps leak.\nOften.", {"title": "Pump"}),
    ]
    answer = Answer.of(
        client.app.state.service.index,  # type: ignore[attr-defined]
        "pump",
        [Hit(passage, 1.0) for passage in passages],
        Options(),
    )
    texts = ["".join(piece.text for piece in row.pieces) for row in answer.rows]
    assert texts == ["It moves fluids.", "Pump", "Pumps leak.\nOften."]
