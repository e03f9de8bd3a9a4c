"""Asking in a real browser: answers, filters, knobs, two settings, reasons, links and keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from hybridge.server import Options

from .conftest import SIZES, Served, Visit, check_accessibility, check_width
from .passages import HOSTILE, SCRIPT


def titles(where: Page | Locator) -> list[str]:
    return where.locator(".hit h3").all_inner_texts()


def changed(page: Page, act: Callable[[], object]) -> None:
    """Do something, and wait until its answers are there."""
    with page.expect_response(lambda response: "/ask?" in response.url):
        act()
    expect(page.locator(".htmx-request")).to_have_count(0)


def params(page: Page) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(page.url).query).items()}


def found(served: Served, question: str, **options: Any) -> list[str]:
    """Return the titles that a search of the index itself finds."""
    [hits] = served.index.search([question], **options)
    return [str(hit.passage.metadata.get("title", "")).strip() or hit.passage.id for hit in hits]


def test_answers_come_as_one_types(visit: Visit, served: Served) -> None:
    page = visit()
    expect(page.locator("#q")).to_be_focused()
    changed(page, lambda: page.keyboard.type("leaking pumps", delay=5))
    assert titles(page) == found(served, "leaking pumps")
    assert params(page) == {"q": "leaking pumps"}
    marks = page.locator(".hit mark").all_inner_texts()
    assert {"pump", "leak"} <= {mark.lower() for mark in marks}
    [hits] = served.index.search(["leaking pumps"])
    shown = page.locator(".hit").first.locator(".bars li").all_inner_texts()
    stages = [f"{entry.stage} rank #{entry.rank} {entry.score:.3f}" for entry in hits[0].trace]
    assert [" ".join(each.split()) for each in shown] == stages
    page.reload()
    assert titles(page) == found(served, "leaking pumps")
    assert page.locator("#q").input_value() == "leaking pumps"


def test_the_last_answer_wins(visit: Visit, served: Served) -> None:
    page = visit()
    waiting: list[Route] = []

    def hold_first(route: Route) -> None:
        """Let the first request wait until the second has its answer."""
        if waiting:
            route.continue_()
        else:
            waiting.append(route)

    page.route("**/ask?*", hold_first)
    with page.expect_request(lambda request: "/ask?" in request.url):
        page.locator("#q").fill("bread")
    changed(page, lambda: page.locator("#q").fill("heart"))
    assert titles(page) == found(served, "heart")
    waiting[0].abort()
    page.wait_for_timeout(50)
    assert titles(page) == found(served, "heart")
    assert params(page) == {"q": "heart"}


def test_corrections_are_said(visit: Visit) -> None:
    page = visit("/?q=asprin")
    expect(page.locator(".corrected")).to_contain_text("Read as aspirin")
    assert page.locator(".hit mark").first.inner_text().lower() == "aspirin"
    changed(page, lambda: page.get_by_label("Correct spelling").uncheck())
    expect(page.locator(".corrected")).to_have_count(0)
    assert params(page)["spelling"] == "false"
    page.go_back()
    page.get_by_role("link", name="Search as typed").click()
    assert not page.get_by_label("Correct spelling").is_checked()
    assert params(page)["spelling"] == "false"


def test_filters(visit: Visit, served: Served) -> None:
    page = visit("/?q=pump")
    topics = page.get_by_role("group", name="topic")
    assert "machines 5" in " ".join(topics.inner_text().split())
    changed(page, lambda: topics.get_by_label("machines").check())
    where: dict[str, object] = {"topic": "machines"}
    assert titles(page) == found(served, "pump", where=where)
    changed(page, lambda: page.get_by_label("year from").fill("2014"))
    where["year"] = {"$gte": 2014}
    assert titles(page) == found(served, "pump", where=where)
    changed(page, lambda: page.get_by_label("published to").fill("2019-12-31"))
    where["published"] = {"$lte": "2019-12-31"}
    assert titles(page) == found(served, "pump", where=where)
    changed(page, lambda: page.locator("#where").fill('{"title": {"$ne": "Bearing"}}'))
    where["title"] = {"$ne": "Bearing"}
    assert titles(page) == found(served, "pump", where=where)
    assert len(titles(page)) == 2
    assert Options.from_params({"where": params(page)["where"]}).where == where
    page.reload()
    assert topics.get_by_label("machines").is_checked()
    assert page.get_by_label("year from").input_value() == "2014"
    assert page.get_by_label("published to").input_value() == "2019-12-31"
    assert page.locator("#where").input_value() == '{"title": {"$ne": "Bearing"}}'
    assert len(titles(page)) == 2


def test_errors_are_shown_in_words(visit: Visit) -> None:
    page = visit("/?q=pump")
    changed(page, lambda: page.locator("#where").fill('{"year": '))
    expect(page.get_by_role("alert").last).to_contain_text("the filter is not JSON")
    changed(page, lambda: page.locator("#where").fill('{"year": {"$about": 3}}'))
    expect(page.get_by_role("alert").last).to_contain_text("'$about' is no operator")
    changed(page, lambda: page.locator("#where").fill(""))
    expect(page.locator(".hit").first).to_be_visible()


def test_a_server_that_fails_says_so(visit: Visit) -> None:
    page = visit("/?q=pump", fails=True)
    page.route("**/ask?*", lambda route: route.abort())
    page.locator("#q").fill("valve")
    expect(page.locator("#failure")).to_have_text("The server does not answer.")
    page.unroute("**/ask?*")
    changed(page, lambda: page.locator("#q").fill("valves"))
    expect(page.locator("#failure")).to_have_text("")


def test_knobs_show_what_they_change(visit: Visit, served: Served) -> None:
    page = visit("/?q=a pump with a seal")
    before = titles(page)
    assert not page.locator(".move").count()
    slider = page.get_by_label("Weight of dense")
    changed(page, lambda: slider.fill("0"))
    after = found(served, "a pump with a seal", weights={"bm25": 0.5, "dense": 0})
    assert titles(page) == after != before
    for row, title in zip(page.locator(".hit").all(), after, strict=True):
        by = before.index(title) - after.index(title)
        words = f"{'up' if by > 0 else 'down'} {abs(by)} from rank {before.index(title) + 1}"
        assert row.locator(".move .unseen").all_inner_texts() == ([words] if by else [])
    gone = page.locator(".lost li").all_inner_texts()
    assert [each.split("\n")[-1] for each in gone] == [
        title for title in before if title not in after
    ]
    assert page.locator("output[for='a.weights.dense']").inner_text() == "0.00"
    page.get_by_text("Floor, duplicates, groups").click()
    changed(page, lambda: page.get_by_label("Group by").select_option("topic"))
    changed(page, lambda: page.get_by_label("Answers (k)").fill("2"))
    changed(page, lambda: page.get_by_label("Fusion").select_option("dbsf"))
    changed(page, lambda: page.get_by_label("shortest").check())
    changed(page, lambda: page.get_by_label("Share of a reranker").fill("1"))
    changed(page, lambda: page.get_by_label("Share of late interaction").fill("0"))
    changed(page, lambda: page.get_by_label("Floor of dense").fill("0.1"))
    changed(page, lambda: page.get_by_label("Leave out near duplicates").check())
    changed(page, lambda: page.get_by_label("“phrases”").check())
    changed(page, lambda: page.get_by_label("Depth").fill("50"))
    options = Options.from_params({n: v for n, v in params(page).items() if n != "q"})
    assert options == Options(
        k=2,
        depth=50,
        weights={"bm25": 0.5, "dense": 0},
        fusion="dbsf",
        late_interaction_weight=0,
        rerank=("shortest",),
        blend=1,
        floor={"dense": 0.1},
        distinct=True,
        group_by="topic",
        query_syntax=True,
    )
    retriever = options.retriever(served.index, served.app.state.service.rerankers)
    [hits] = retriever.search(["a pump with a seal"], 2)
    assert titles(page) == [hit.passage.metadata["title"] for hit in hits]
    page.go_back()
    expect(page.get_by_label("Depth")).to_have_value("100")
    assert "depth" not in params(page)
    page.go_forward()
    expect(page.get_by_label("Depth")).to_have_value("50")
    assert params(page)["depth"] == "50"
    page.get_by_role("link", name="Reset").click()
    assert titles(page) == before
    assert params(page) == {"q": "a pump with a seal"}


def test_a_link_reproduces_the_view(visit: Visit) -> None:
    page = visit("/?q=bread&k=3&fusion=rrf")
    page.evaluate(
        "() => Object.defineProperty(navigator, 'clipboard',"
        " {value: {writeText: async (text) => { window.copied = text; }}})"
    )
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("window.copied")
    other = visit(link)
    assert titles(other) == titles(page)
    assert len(titles(other)) == 3
    assert other.get_by_label("Fusion").input_value() == "rrf"


def test_two_settings_side_by_side(visit: Visit, served: Served) -> None:
    page = visit("/?q=blood")
    page.get_by_role("link", name="Compare").click()
    first, second = page.locator(".column.a"), page.locator(".column.b")
    assert titles(first) == titles(second)
    assert not page.locator(".move").count()
    changed(page, lambda: page.locator("[id='b.weights.bm25']").fill("0"))
    ones = found(served, "blood")
    others = found(served, "blood", weights={"bm25": 0, "dense": 0.5})
    assert titles(first) == ones
    assert titles(second) == others
    moved = [title for title in others if ones.index(title) != others.index(title)]
    assert second.locator(".hit:has(.move) h3").all_inner_texts() == moved
    assert moved
    page.reload()
    assert titles(second) == others
    second.locator(".hit a.explain").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("rank 1")
    assert params(page)["side"] == "b"
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Keep B").click()
    assert titles(page) == others
    assert page.locator(".column").count() == 1


def test_a_hit_is_explained(visit: Visit) -> None:
    page = visit("/?q=clotting blood")
    opener = page.locator("a.explain", has_text="Platelets")
    opener.click()
    sheet = page.get_by_role("dialog")
    for part in ("BM25 ", "dense: cosine ", "convex fusion ", "late-interaction ", "Around it"):
        expect(sheet).to_contain_text(part)
    assert sheet.locator("table.heat td.best").count() >= 4
    current = sheet.locator("[aria-current] td").all_inner_texts()
    rank = titles(page).index("Platelets") + 1
    assert current[:2] == [str(rank), "Platelets"]
    assert sheet.locator(".near tbody tr").count() == 5
    assert params(page)["explain"] == "platelets"
    sheet.get_by_role("button", name="Pictures").click()
    drawn = sheet.locator("img").first  # the first picture of a process takes its time
    expect(drawn).to_have_js_property("complete", value=True, timeout=20_000)
    assert drawn.evaluate("e => e.naturalWidth") > 0
    assert "clot" in str(sheet.locator("img").first.get_attribute("alt"))
    sheet.get_by_role("button", name="Back").click()
    expect(sheet).to_contain_text("BM25")
    page.reload()
    expect(page.get_by_role("dialog")).to_contain_text("BM25")
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("explain"))
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_why_not_this_one(visit: Visit) -> None:
    page = visit("/?q=clotting blood&k=2")
    page.get_by_label("Why not this one?").fill("oven")
    page.keyboard.press("Enter")
    sheet = page.get_by_role("dialog")
    expect(sheet).to_contain_text("not found: it ranks")
    expect(sheet).to_contain_text("k is 2")
    page.keyboard.press("Escape")
    page.get_by_label("Why not this one?").fill("nobody")
    page.keyboard.press("Enter")
    expect(sheet).to_contain_text("no passage has the id 'nobody'")


def test_pictures_and_code_of_a_setting(visit: Visit) -> None:
    page = visit("/?q=clotting blood&k=3")
    page.get_by_role("button", name="Code").click()
    sheet = page.get_by_role("dialog")
    expect(sheet.locator("pre")).to_have_count(3)
    expect(sheet.locator("pre").first).to_contain_text('index.search(["clotting blood"], k=3)')
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Pictures").click()
    expect(sheet.locator("img")).to_have_count(2)
    for image in sheet.locator("img").all():
        expect(image).to_have_js_property("complete", value=True)
        assert image.evaluate("e => e.naturalWidth") > 0


def test_the_keyboard_alone(visit: Visit) -> None:
    page = visit("/?q=pump")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    changed(page, lambda: page.keyboard.type("bread"))
    page.locator("#q").evaluate("e => e.blur()")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("a.explain").first).to_be_focused()
    page.keyboard.press("Enter")
    sheet = page.get_by_role("dialog")
    expect(sheet).to_contain_text("rank 1")
    other = sheet.locator(".near a").first.inner_text()
    sheet.locator(".near a").first.press("Enter")
    expect(sheet.locator("h2").first).to_have_text(other)
    expect(sheet.locator("h2").first).to_be_focused()  # its link is gone
    page.keyboard.press("Escape")
    expect(page.locator("a.explain").first).to_be_focused()
    page.locator("[id='a.weights.bm25']").focus()
    changed(page, lambda: page.keyboard.press("ArrowRight"))
    assert params(page)["weights"] == '{"bm25": 0.51, "dense": 0.5}'


@pytest.mark.parametrize("size", SIZES)
def test_hostile_passages_are_text(visit: Visit, size: str) -> None:
    page = visit("/?q=zebra", size=size)
    assert any(SCRIPT in title for title in titles(page))
    for passage in HOSTILE:
        page.locator("a.explain").nth(_position(page, passage.id)).click()
        expect(page.get_by_role("dialog")).to_contain_text("rank")
        expect(page.get_by_role("dialog")).to_contain_text("Metadata")
        check_width(page)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    changed(page, lambda: page.locator("#q").fill(f"zebra {SCRIPT}"))
    page.reload()
    assert page.locator("#q").input_value() == f"zebra {SCRIPT}"
    assert page.evaluate("window.stolen") is None


def _position(page: Page, passage: str) -> int:
    """Return where the answer with this passage is."""
    links = page.locator("a.explain").evaluate_all("links => links.map((each) => each.href)")
    ids = [parse_qs(urlsplit(link).query)["explain"] for link in links]
    return ids.index([passage])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_looks(visit: Visit, size: str, scheme: str) -> None:
    weights = '{"bm25":1,"dense":0}'
    for path in ("/", "/?q=zebra&explain=long", f"/?q=pump seal&compare=1&b.weights={weights}"):
        page = visit(path, size=size, scheme=scheme)
        if size == "narrow":
            assert page.locator("#panel").get_attribute("open") is None
            page.locator("#panel").evaluate("e => { e.open = true; }")
        check_width(page)
        # Each costs a second or two: every page in every size and in every scheme is enough.
        if (size == "wide") == (scheme == "light"):
            check_accessibility(page)


def test_without_scripts_the_form_leads_to_the_link(visit: Visit, served: Served) -> None:
    page = visit()
    answer = page.request.get(
        "/ask?q=bread&a.k=3&a.depth=100&a.weights.bm25=1&a.weights.dense=1&a.spelling=1"
        "&is.topic=%22kitchen%22&is.topic=%22medicine%22"
    )
    assert re.sub(r"^https?://[^/]*", "", answer.url) == (
        "/?q=bread&k=3&where=%7B%22topic%22%3A+%7B%22%24in%22%3A+%5B%22kitchen%22%2C+"
        "%22medicine%22%5D%7D%7D"
    )
    where = {"topic": {"$in": ["kitchen", "medicine"]}}
    assert all(title in answer.text() for title in found(served, "bread", k=3, where=where))
