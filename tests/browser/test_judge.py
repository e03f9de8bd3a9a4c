"""Thirty questions graded by keys in a real browser, a reload in the middle, export and tuning."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from hybridge.evaluation import load_beir
from hybridge.judging import Judgments
from hybridge.server import create_app
from hybridge.server.judge import routes
from hybridge.server.judge.experiments import Outcome

from .conftest import Running, Served, Visit, check_accessibility, check_width
from .passages import HOSTILE, PASSAGES, SCRIPT
from .rerankers import Shortest

# Two questions to each of fifteen passages, which they name.
ASKED = {
    question.format(passage.metadata["title"]): passage.id
    for passage in PASSAGES[:15]
    for question in ("What is said of {}?", "{}: what is it?")
}


@pytest.fixture
def kept(tmp_path: Path) -> Judgments:
    return Judgments(tmp_path / "judgments.db")


@pytest.fixture
def served(served: Served, kept: Judgments) -> Iterator[Served]:
    """Serve the index of all tests with a file of judgments."""
    rerankers = {"shortest": Shortest()}
    app = create_app(served.index, rerankers=rerankers, name="manual", judgments=kept.path)
    with Running(app) as url:
        yield Served(url, served.index, app)


def check_looks(page: Page) -> None:
    check_accessibility(page)
    check_width(page)


def focused(page: Page) -> str | None:
    """Return the id of the passage in focus; None where there is none."""
    found: str | None = page.evaluate("document.activeElement.dataset.passage ?? null")
    return found


def grade_all(page: Page, relevant: str) -> None:
    """Grade what is left of a question: 3 for one passage, and 0 for the others."""
    while (passage := focused(page)) is not None:
        page.keyboard.press("3" if passage == relevant else "0")


def test_thirty_questions_by_keys_with_a_reload(
    visit: Visit, served: Served, kept: Judgments, tmp_path: Path
) -> None:
    page = visit("/judge")
    page.get_by_label("Who judges").fill("Ann")
    page.get_by_role("button", name="Set", exact=True).click()
    page.get_by_label("Questions, one a line").fill("\n".join(ASKED))
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("0 of 30 questions graded by Ann")).to_be_visible()

    for number, relevant in enumerate(ASKED.values(), start=1):
        if number not in (1, 16):  # whose pools the page makes; smaller ones take less time
            others = [PASSAGES[-1].id, *(HOSTILE[i].id for i in range(number % 3))]
            kept.add_candidates(f"q{number}", [relevant, *others])

    page.get_by_role("link", name="Start").click()
    for number, (question, relevant) in enumerate(ASKED.items(), start=1):
        expect(page.locator("h1")).to_have_text(question)
        if number == 16:  # in the middle of a question
            for _ in range(3):
                page.keyboard.press("1")
            expect(page.locator("#graded")).to_contain_text("3 of")
            waiting = focused(page)
            page.reload()
            expect(page.locator("#graded")).to_contain_text("3 of")
            assert focused(page) == waiting
            for _ in range(3):
                page.keyboard.press("u")
            expect(page.locator("#graded")).to_contain_text("0 of")
            assert kept.progress("Ann")["q16"].graded == 0
            page.reload()
        grade_all(page, relevant)
        page.keyboard.press("Enter")  # on the link onward, which has the focus now

    expect(page.locator("h1")).to_have_text("Judge")
    expect(page.get_by_text("30 of 30 questions graded by Ann")).to_be_visible()
    assert all(progress.is_done for progress in kept.progress("Ann").values())
    graded = kept.grades("Ann")
    found = dict(zip(graded, ASKED.values(), strict=True))
    assert all(
        {passage for passage, grade in graded[question].items() if grade == 3} == {relevant}
        for question, relevant in found.items()
    )

    with page.expect_download() as download:
        page.get_by_role("link", name="BEIR", exact=True).click()
    download.value.save_as(tmp_path / "beir.zip")
    zipfile.ZipFile(tmp_path / "beir.zip").extractall(tmp_path)
    read = load_beir(tmp_path)
    assert read.qrels == kept.collection().qrels
    assert list(read.queries.values()) == list(ASKED)
    assert len(read.passages) == len(served.index)

    page.get_by_role("button", name="Tune").click()
    expect(page.locator("#run")).to_have_attribute("data-state", "done", timeout=60_000)
    expect(page.locator(".verdict")).to_contain_text("30 queries")
    expect(page.locator("figure img").first).to_be_visible()
    check_looks(page)


def test_keys_move_undo_and_leave_forms_alone(visit: Visit, kept: Judgments) -> None:
    kept.add_questions({"a": "bread", "b": "pumps"})
    page = visit("/judge/question?id=a")
    order = kept.candidates("a", "me")
    assert focused(page) == order[0]

    page.keyboard.press("j")
    assert focused(page) == order[1]
    page.keyboard.press("k")
    assert focused(page) == order[0]
    page.keyboard.down("2")
    page.keyboard.down("2")  # held: one grade, not one for each passage
    page.keyboard.up("2")
    assert focused(page) == order[1]
    page.keyboard.press("?")
    expect(page.locator("#graded")).to_contain_text("2 of")
    assert kept.grades("me") == {"a": {order[0]: 2, order[1]: None}}
    expect(page.locator("#announced")).to_contain_text("Passage 2: grade ?")
    page.keyboard.press("u")
    expect(page.locator("#graded")).to_contain_text("1 of")
    assert focused(page) == order[1]
    page.keyboard.press("n")
    expect(page.locator("h1")).to_have_text("pumps")
    page.keyboard.press("p")
    expect(page.locator("h1")).to_have_text("bread")
    assert focused(page) == order[1]
    page.get_by_role("link", name="Questions").click()
    page.get_by_label("Questions, one a line").fill("")
    page.get_by_label("Questions, one a line").press("3")
    expect(page.get_by_label("Questions, one a line")).to_have_value("3")


def test_what_a_run_says_leaves_the_focus(
    visit: Visit, kept: Judgments, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_over = threading.Event()

    def wait(*_: object) -> Outcome:
        is_over.wait(20)
        return Outcome("It is over.", [])

    monkeypatch.setattr(routes, "run_evaluate", wait)
    kept.add_questions({"a": "bread"})
    kept.grade("a", PASSAGES[0].id, 3, judge="Ann")
    page = visit("/judge")
    page.get_by_role("button", name="Evaluate").click()
    page.get_by_role("button", name="Stop").focus()
    for _ in range(2):
        with page.expect_response("**/judge/runs/*"):
            pass
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    is_over.set()
    expect(page.locator(".verdict")).to_have_text("It is over.")


def test_a_grade_that_is_not_saved_is_said(visit: Visit, kept: Judgments) -> None:
    kept.add_questions({"a": "bread"})
    page = visit("/judge/question?id=a", fails=True)
    first = focused(page)
    kept.remove_question("a")

    page.keyboard.press("2")

    expect(page.locator("#failed")).to_contain_text("Not saved. there is no question")
    card = page.locator(".candidate").first
    assert card.get_attribute("data-passage") == first
    expect(card.locator("[aria-pressed=true]")).to_have_count(0)


def test_a_screen_reader_has_names_for_all(visit: Visit, kept: Judgments) -> None:
    kept.add_questions({"a": "aspirin"})
    kept.add_candidates("a", ["aspirin"])
    page = visit("/judge/question?id=a")
    group = page.get_by_role("group", name="Grade of passage 1")
    button = group.get_by_role("button", name="3 answers fully")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("status")).to_contain_text("Passage 1: grade 3. 1 of 1 graded.")


@pytest.mark.parametrize(
    ("size", "scheme"), [("wide", "light"), ("narrow", "dark"), ("narrow", "light")]
)
def test_looks(visit: Visit, kept: Judgments, size: str, scheme: str) -> None:
    kept.add_questions({"a": "zebra", "b": f"bread {SCRIPT} {'w' * 300}", "c": "pumps"})
    kept.grade("b", "salt", 3, judge="Ann")
    kept.grade("b", "salt", 0, judge="Bo")
    page = visit("/judge/question?id=a", size=size, scheme=scheme)
    check_looks(page)
    page.goto("/judge")
    check_looks(page)
    assert page.evaluate("window.stolen") is None
