"""The pages on which to judge: what they send is kept, and what they show is escaped."""

from __future__ import annotations

import csv
import io
import re
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from hybridge import HybridIndex
from hybridge.adaptation import TrainingSettings
from hybridge.evaluation import load_beir, read_qrels, read_queries
from hybridge.fusion import get_fusion
from hybridge.judging import Judgments, judging_order, pool
from hybridge.report import Section
from hybridge.reranking import TextReranker
from hybridge.server import Options
from hybridge.server.judge.experiments import _options
from hybridge.tuning import Setting

JSON = {"Accept": "application/json"}


class Longest(TextReranker):
    def _score(self, queries, texts):  # type: ignore[no-untyped-def]
        return [[float(len(text)) for text in some] for some in texts]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "judgments.db"


@pytest.fixture
def kept(path: Path) -> Judgments:
    return Judgments(path)


@pytest.fixture
def pages(client_of: Callable[..., TestClient], kept: Judgments) -> TestClient:
    """A client of a server that keeps judgments."""
    return client_of(judgments=kept.path, rerankers={"longest": Longest("length")})


def graded(
    pages: TestClient, question: str, passage: str, grade: str, judge: str = "Ann"
) -> object:
    fields = {"question": question, "passage": passage, "grade": grade, "judge": judge}
    return pages.post("/judge/grade", data=fields, headers=JSON).json()


def passages_on(text: str) -> list[str]:
    return re.findall(r'data-passage="([^"]*)"', text)


def outcome_of(pages: TestClient, **fields: object) -> str:
    """Start a run and return its page once it has ended."""
    answer = pages.post("/judge/runs", data=fields, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    where = answer.headers["location"]
    job = pages.app.state.service.jobs.get(where.rpartition("/")[2])  # type: ignore[attr-defined]
    assert job.wait(60)
    return pages.get(where).text


def test_without_a_file_the_page_says_what_to_do(client: TestClient) -> None:
    answer = client.get("/judge")
    assert answer.status_code == 200
    assert "--judgments" in answer.text
    refused = client.post("/judge/questions", data={"texts": "why?"})
    assert refused.status_code == 400
    assert "keeps no judgments" in refused.text


def test_questions_are_added_one_a_line(pages: TestClient, kept: Judgments) -> None:
    answer = pages.post("/judge/questions", data={"texts": "bread?\r\n\r\n cheese? \nbread?"})

    assert answer.status_code == 200  # of the page it leads to
    assert kept.questions == {"q1": "bread?", "q2": "cheese?"}
    assert "0 of 2 questions graded by me" in answer.text
    assert pages.post("/judge/questions", data={"texts": " \n"}).status_code == 400


def test_a_file_is_imported(pages: TestClient, kept: Judgments) -> None:
    content = b"id,query\na,bread?\nb,cheese?\n"
    pages.post("/judge/import", files={"file": ("../../etc/log.csv", content)})
    assert kept.questions == {"a": "bread?", "b": "cheese?"}


def test_a_file_with_grades_is_imported(pages: TestClient, kept: Judgments) -> None:
    pages.post("/judge/import", files={"file": ("t.csv", b"query,passage,thumb\nbread?,b,up\n")})
    assert kept.grades("imported") == {"q1": {"b": 1}}


def test_a_log_is_sampled(pages: TestClient, kept: Judgments) -> None:
    log = b"bread?\ncheese?\nbread?\n"
    files = {"file": ("log.txt", log)}
    pages.post("/judge/import", files=files, data={"count": "5", "weighted": "true"})
    assert list(kept.questions.values()) == ["bread?", "cheese?"]
    refused = pages.post("/judge/import", files=files, data={"count": "many"})
    assert refused.status_code == 400
    assert "count must be" in refused.text


def test_a_bad_file_is_refused_without_the_servers_paths(
    pages: TestClient, kept: Judgments
) -> None:
    refused = pages.post("/judge/import", files={"file": ("bad.jsonl", b"{")})
    assert refused.status_code == 400
    assert "bad.jsonl, line 1: not valid JSON" in refused.text
    assert "/tmp" not in refused.text
    assert kept.questions == {}


def test_the_page_of_a_question_has_the_pool_in_the_judges_order(
    pages: TestClient, kept: Judgments, index: HybridIndex
) -> None:
    [question] = kept.add_questions(["bread?"])
    pages.post("/judge/name", data={"name": " Ann  B "})

    shown = passages_on(pages.get("/judge/question", params={"id": question}).text)

    ids = [each.passage.id for each in pool(index, "bread?", rerankers={"longest": Longest("l")})]
    assert shown == judging_order(ids, question, "Ann B")
    pages.post("/judge/name", data={"name": "Bo"})
    again = passages_on(pages.get("/judge/question", params={"id": question}).text)
    assert again == judging_order(ids, question, "Bo")


def test_the_page_gives_no_stage_and_no_score_away(
    pages: TestClient, kept: Judgments, index: HybridIndex
) -> None:
    [question] = kept.add_questions(["bread?"])
    text = pages.get("/judge/question", params={"id": question}).text
    for name in (*index.stages, "hybrid", "longest"):
        assert name not in text.partition("<main")[2]


def test_grades_are_kept_and_shown_after_a_reload(pages: TestClient, kept: Judgments) -> None:
    [question] = kept.add_questions(["bread?"])
    pages.post("/judge/name", data={"name": "Ann"})
    pages.get("/judge/question", params={"id": question})
    count = kept.progress("Ann")[question].candidates

    assert graded(pages, question, "c/d", "2") == {
        "passage": "c/d",
        "grade": "2",
        "graded": 1,
        "candidates": count,
    }
    graded(pages, question, "b", "?")

    assert kept.grades("Ann") == {question: {"c/d": 2, "b": None}}
    text = pages.get("/judge/question", params={"id": question}).text
    assert len(re.findall(r'value="2" aria-pressed="true"', text)) == 1
    assert len(re.findall(r'value="\?" aria-pressed="true"', text)) == 1
    assert f"2 of {count} graded" in text


def test_undo_says_what_counts_again(pages: TestClient, kept: Judgments) -> None:
    [question] = kept.add_questions(["bread?"])
    kept.add_candidates(question, ["a", "b"])
    graded(pages, question, "a", "1")
    graded(pages, question, "a", "?")
    graded(pages, question, "b", "3")
    fields = {"question": question, "judge": "Ann"}

    undone = [pages.post("/judge/undo", data=fields, headers=JSON).json() for _ in range(4)]

    assert [(each["passage"], each["grade"], each["graded"]) for each in undone] == [
        ("b", "", 1),
        ("a", "1", 1),
        ("a", "", 0),
        ("", "", 0),
    ]


def test_without_a_script_the_forms_lead_back_to_the_question(
    pages: TestClient, kept: Judgments
) -> None:
    kept.add_questions({"a&b?/..": "bread?"})
    fields = {"question": "a&b?/..", "passage": "b", "grade": "0", "judge": "Ann"}
    answer = pages.post("/judge/grade", data=fields)
    assert answer.status_code == 200
    assert "<h1" in answer.text
    assert "bread?" in answer.text
    assert kept.grades("Ann") == {"a&b?/..": {"b": 0}}


@pytest.mark.parametrize(
    ("field", "value"),
    [("grade", "4"), ("grade", "-1"), ("question", "q9"), ("judge", " "), ("passage", "")],
)
def test_bad_grades_are_refused(pages: TestClient, kept: Judgments, field: str, value: str) -> None:
    [question] = kept.add_questions(["bread?"])
    fields = {"question": question, "passage": "b", "grade": "1", "judge": "Ann"} | {field: value}
    answer = pages.post("/judge/grade", data=fields, headers=JSON)
    assert 400 <= answer.status_code < 500
    assert kept.judgments() == []


def test_an_unknown_question_is_said(pages: TestClient) -> None:
    answer = pages.get("/judge/question", params={"id": "q9"})
    assert answer.status_code == 400
    assert "no question with the id" in answer.text


def test_a_question_is_removed(pages: TestClient, kept: Judgments) -> None:
    kept.add_questions(["bread?", "cheese?"])
    kept.grade("q1", "b", 3, judge="Ann")  # so the question is put to any other judge too
    assert pages.get("/judge").text.count("data-confirm") == 2
    pages.post("/judge/remove", data={"question": "q1"})
    assert kept.questions == {"q2": "cheese?"}


def test_searching_again_adds_what_is_new(
    pages: TestClient, kept: Judgments, index: HybridIndex
) -> None:
    from hybridge import Passage

    [question] = kept.add_questions(["rye bread?"])
    pages.get("/judge/question", params={"id": question})
    index.add([Passage("rye", "Rye bread is dense.")])
    text = pages.get("/judge/question", params={"id": question}).text
    assert "rye" not in passages_on(text)

    text = pages.post("/judge/pool", data={"question": question}).text

    assert "rye" in passages_on(text)


@pytest.mark.parametrize("name", ["..", ".", "", "a\0.csv", f"{'x' * 300}.csv", "..\\..\\q.exe"])
def test_names_of_files_are_no_paths(pages: TestClient, kept: Judgments, name: str) -> None:
    pages.post("/judge/import", files={"file": (name or "x", b"bread?\n")})
    assert list(kept.questions.values()) == ["bread?"]


def test_a_passage_that_is_gone_is_said(pages: TestClient, kept: Judgments) -> None:
    [question] = kept.add_questions(["bread?"])
    kept.add_candidates(question, ["absent"])
    text = pages.get("/judge/question", params={"id": question}).text
    assert "The index has no passage absent now." in text


def test_scripts_are_escaped(pages: TestClient, kept: Judgments) -> None:
    attack = "<script>alert('bread')</script>"
    kept.add_questions({attack: f"bread {attack}?"})
    kept.grade(attack, f"p{attack}", 3, judge=attack)
    kept.grade(attack, f"p{attack}", 0, judge="Bo")
    pages.cookies.set("judge", "%3Cscript%3Ealert(1)%3C%2Fscript%3E")
    for text in (
        pages.get("/judge").text,
        pages.get("/judge/question", params={"id": attack}).text,
        pages.get("/judge/question", params={"id": f"x{attack}"}).text,
    ):
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text


def test_exports_are_read_back(
    pages: TestClient, kept: Judgments, tmp_path: Path, index: HybridIndex
) -> None:
    kept.add_questions(["bread?", "cheese?"])
    for passage, grade in {"a": "0", "b": "3", "c/d": "1"}.items():
        graded(pages, "q1", passage, grade)
    graded(pages, "q2", "c/d", "2")
    expected = kept.collection()

    for form in ("trec", "beir", "csv"):
        answer = pages.get(f"/judge/export/{form}")
        assert answer.headers["content-disposition"] == f'attachment; filename="judged-{form}.zip"'
        zipfile.ZipFile(io.BytesIO(answer.content)).extractall(tmp_path / form)

    assert read_qrels(tmp_path / "trec/qrels.txt") == expected.qrels
    assert read_queries(tmp_path / "trec/queries.tsv") == expected.queries
    assert read_qrels(tmp_path / "csv/qrels.csv") == expected.qrels
    assert read_queries(tmp_path / "csv/queries.csv") == expected.queries
    beir = load_beir(tmp_path / "beir")
    assert (beir.queries, beir.qrels) == (expected.queries, expected.qrels)
    assert {each.id: each.text for each in beir.passages} == {each.id: each.text for each in index}


def test_the_table_of_all_grades(pages: TestClient, kept: Judgments) -> None:
    kept.add_questions(["=1+1"])
    graded(pages, "q1", "a", "0")
    graded(pages, "q1", "b", "?", judge="Bo")
    rows = [*csv.reader(io.StringIO(pages.get("/judge/export/judges.csv").text))]
    assert rows == [
        ["query_id", "query", "passage_id", "judge", "grade"],
        ["q1", "'=1+1", "a", "Ann", "0"],  # no formula to a spreadsheet
        ["q1", "'=1+1", "b", "Bo", "?"],
    ]


@pytest.mark.parametrize("form", ["xls", "..%2F..%2Fetc%2Fpasswd", "trec"])
def test_an_export_of_nothing_or_of_no_form_is_refused(pages: TestClient, form: str) -> None:
    assert pages.get(f"/judge/export/{form}").status_code in (400, 404)


def test_an_id_that_a_form_cannot_have_is_said(pages: TestClient, kept: Judgments) -> None:
    kept.add_questions(["bread?"])
    graded(pages, "q1", "two words", "1")
    answer = pages.get("/judge/export/trec")
    assert answer.status_code == 400
    assert "has a blank in it, which TREC" in answer.text


def test_agreement_is_shown_of_two_judges(pages: TestClient, kept: Judgments) -> None:
    kept.add_questions(["bread?"])
    graded(pages, "q1", "a", "0")
    assert "alpha" not in pages.get("/judge").text
    graded(pages, "q1", "a", "3", judge="Bo")
    text = pages.get("/judge").text
    assert "Ann and Bo" in text
    assert "Too few to conclude from" in text


@pytest.fixture
def judged(kept: Judgments) -> Judgments:
    """A file with three questions that have relevant passages."""
    relevant = {"bread and flour": "b", "cheese meal": "c/d", "blood": "a"}
    for question, (text, passage) in zip("xyz", relevant.items(), strict=True):
        kept.add_questions({question: text})
        kept.grade(question, passage, 3, judge="Ann")
        kept.grade(question, "x", 0, judge="Ann")
    return kept


def test_evaluate_shows_tables_and_pictures(pages: TestClient, judged: Judgments) -> None:
    text = outcome_of(pages, what="evaluate", measure="RR@10")

    for name in ("bm25", "dense", "hybrid", "longest", "Against hybrid by RR@10", "graded"):
        assert name in text
    pictures = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', text)
    assert pictures
    for source, alt in pictures:
        answer = pages.get(source)
        assert answer.headers["content-type"] == "image/svg+xml"
        assert b"<svg" in answer.content
        assert "against hybrid" in alt


def test_evaluate_counts_the_passages_without_a_grade(pages: TestClient, kept: Judgments) -> None:
    kept.add_questions(["bread and flour"])
    kept.grade("q1", "b", 1, judge="Ann")
    text = outcome_of(pages, what="evaluate", grades="judge:Ann")
    assert "One question shows no difference" in text
    assert "25 %" in text  # of four passages one has a grade
    assert re.search(r"But of what \w+ finds only 25 % is graded", text)
    for passage in ("a", "c/d", "x"):
        kept.grade("q1", passage, 0, judge="Ann")
    assert "is graded" not in outcome_of(pages, what="evaluate", grades="judge:Ann")


def test_a_link_has_one_depth_and_share_for_all_rerankers() -> None:
    default = Setting(get_fusion("rrf"), None, 100)

    def linked(depths: tuple[int, ...], blends: tuple[float, ...]) -> Options | None:
        chosen = replace(default, rerank_depths=depths, rerank_blends=blends)
        tuning: Any = SimpleNamespace(chosen=chosen, default=default)
        return _options(tuning, ["first", "second"])

    both = {"rerank": ("first", "second"), "rerank_depth": 20, "blend": 0.3}
    assert linked((20, 20), (0.3, 0.3)) == Options(depth=100, fusion="rrf", **both)
    assert linked((20, 50), (0.3, 0.3)) is None
    assert linked((20, 20), (0.3, 0.4)) is None


def test_tune_gives_a_verdict_and_code_that_runs(
    pages: TestClient, judged: Judgments, index: HybridIndex
) -> None:
    text = outcome_of(pages, what="tune", measure="RR@10", grades="most frequent", rerank="longest")

    assert "keep" in text.lower()
    assert "finds only 50 % is graded" in text  # two of the four passages
    code = re.search(r"<code>(.*?)</code>", text, re.DOTALL)
    assert code is not None
    names: dict[str, object] = {"index": index, "rerankers": {"longest": Longest("length")}}
    source = code[1].replace("&#39;", "'").replace("&gt;", ">").replace("&#34;", '"')
    exec(source, names)
    [hits] = names["tuned"].search(["bread"], 2)  # type: ignore[attr-defined]
    assert len(hits) == 2


def test_a_run_that_fails_says_why(pages: TestClient, kept: Judgments) -> None:
    kept.add_questions(["bread"])
    kept.grade("q1", "b", 1, judge="Ann")
    text = outcome_of(pages, what="tune")
    assert "tuning needs two questions" in text


def test_a_run_can_be_stopped(client_of: Callable[..., TestClient], judged: Judgments) -> None:
    begun, released = threading.Event(), threading.Event()

    class Slow(Longest):
        def _score(self, queries, texts):  # type: ignore[no-untyped-def]
            begun.set()
            released.wait(30)
            return super()._score(queries, texts)

    pages = client_of(judgments=judged.path, rerankers={"slow": Slow("slow")})
    answer = pages.post("/judge/runs", data={"what": "evaluate"}, follow_redirects=False)
    where = answer.headers["location"]
    assert begun.wait(30)
    text = pages.get(where, headers={"HX-Request": "true"}).text
    assert "<html" not in text
    assert 'hx-trigger="every 1s"' in text

    pages.post(f"{where}/stop")
    released.set()

    job = pages.app.state.service.jobs.get(where.rpartition("/")[2])  # type: ignore[attr-defined]
    assert job.wait(30)
    text = pages.get(where).text
    assert "Stopped." in text
    assert "hx-trigger" not in text


def test_adapt_trains_beside_the_file_and_shows_its_report(
    pages: TestClient, judged: Judgments, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    class Adapted:
        verdict = "Keep the model."

        def _report(self) -> Section:
            return Section("What changed", ["nothing"])

    def adapt(index: object, *arguments: Any, **options: Any) -> Adapted:
        calls.append((arguments, options))
        return Adapted()

    monkeypatch.setattr("hybridge.server.judge.experiments.adapt", adapt)
    text = outcome_of(pages, what="adapt", measure="RR@10", minutes="3")

    collection = judged.collection()
    arguments, options = calls[0]
    assert arguments[:2] == (collection.queries, collection.qrels)
    assert arguments[2].parent == judged.path.parent
    outcome_of(pages, what="adapt", measure="RR@10", minutes="3")
    assert calls[1] == calls[0]  # the same folder, where it goes on
    outcome_of(pages, what="adapt", measure="RR@10", minutes="4")
    assert calls[2][0][2] != arguments[2]
    assert options["settings"] == TrainingSettings(minutes=3)
    assert options["measure"] == "RR@10"
    assert "What changed" in text
    assert "Keep the model." in text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"what": "evaluate", "measure": "nDCG@1000"}, "measure must be one of"),
        ({"what": "evaluate", "grades": "mean"}, "merge must be"),
        ({"what": "evaluate", "grades": "judge:Bo"}, "there is no judge"),
    ],
)
def test_bad_runs_are_refused(
    pages: TestClient, judged: Judgments, fields: dict[str, str], message: str
) -> None:
    answer = pages.post("/judge/runs", data=fields)
    assert answer.status_code == 400
    assert message in answer.text
    assert pages.get("/judge/runs/absent").status_code == 404
    assert pages.get("/judge/runs/absent/0.svg").status_code == 404


def test_a_name_keeps_what_can_be_shown_of_it(pages: TestClient) -> None:
    pages.post("/judge/name", data={"name": "Ann\u200b\u202e"})
    assert 'name="name" value="Ann"' in pages.get("/judge").text
