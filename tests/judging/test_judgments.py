"""A file of judgments keeps questions, candidates and grades: of many judges, through kills."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hybridge import evaluate
from hybridge.errors import InvalidInputError, StoreError
from hybridge.index import HybridIndex
from hybridge.judging import UNSURE, Judgment, Judgments, Progress


def test_questions_are_kept_in_their_order(judgments: Judgments) -> None:
    assert judgments.add_questions(["why?", " who \n is it? "]) == ["q1", "q2"]
    assert judgments.add_questions({"own": "where?", "q1": "when?"}) == ["own", "q4"]

    again = Judgments(judgments.path)

    assert again.questions == {"q1": "why?", "q2": "who is it?", "own": "where?", "q4": "when?"}


def test_a_question_that_is_there_keeps_its_id(judgments: Judgments) -> None:
    judgments.add_questions({"a": "why?"})

    assert judgments.add_questions(["why?", "  why? "]) == ["a", "a"]
    assert judgments.add_questions({"b": "why?"}) == ["a"]
    assert judgments.questions == {"a": "why?"}


def test_a_blank_question_is_refused_with_all(judgments: Judgments) -> None:
    with pytest.raises(InvalidInputError, match="not blank"):
        judgments.add_questions(["why?", " "])
    with pytest.raises(InvalidInputError, match="list of texts"):
        judgments.add_questions("why?")
    assert judgments.questions == {}


def test_half_a_character_is_refused(judgments: Judgments, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"query": "why?"}\n{"query": "who \\ud800"}\n')
    with pytest.raises(InvalidInputError, match="UTF-8"):
        judgments.import_file(file)
    assert judgments.questions == {}


def test_ids_of_removed_questions_do_not_bring_their_grades_back(judgments: Judgments) -> None:
    first, second = judgments.add_questions(["why?", "who?"])
    judgments.grade(second, "p", 2, judge="Ann")

    judgments.remove_question(second)

    assert judgments.judgments() == []
    [again] = judgments.add_questions(["who?"])
    assert judgments.progress("Ann") == {first: Progress(0, 0), again: Progress(0, 0)}
    with pytest.raises(InvalidInputError):  # a page of it that is still open
        judgments.grade(second, "p", 2, judge="Ann")


def test_progress_of_each_judge(judgments: Judgments) -> None:
    [question] = judgments.add_questions(["why?"])
    judgments.add_candidates(question, ["a", "b", "c"])
    judgments.grade(question, "a", 3, judge="Ann")
    judgments.grade(question, "a", 2, judge="Ann")
    judgments.grade(question, "b", UNSURE, judge="Ann")

    assert judgments.progress("Ann") == {question: Progress(2, 3)}
    assert judgments.progress("Bo") == {question: Progress(0, 3)}
    assert not judgments.progress("Ann")[question].is_done
    judgments.grade(question, "c", 0, judge="Ann")
    assert judgments.progress("Ann")[question].is_done
    assert judgments.judges == ["Ann"]
    assert judgments.grades("Ann") == {question: {"a": 2, "b": None, "c": 0}}
    assert judgments.grades("Bo") == {}


def test_undo_goes_back_step_by_step(judgments: Judgments) -> None:
    [question] = judgments.add_questions(["why?"])
    judgments.grade(question, "a", 1, judge="Ann")
    judgments.grade(question, "b", 0, judge="Bo")
    judgments.grade(question, "a", 3, judge="Ann")

    assert judgments.undo("Ann") == Judgment(question, "a", "Ann", 3)
    assert judgments.grades("Ann") == {question: {"a": 1}}
    assert judgments.undo("Ann") == Judgment(question, "a", "Ann", 1)
    assert judgments.grades("Ann") == {}
    assert judgments.undo("Ann") is None
    assert judgments.grades("Bo") == {question: {"b": 0}}


def test_undo_of_one_question_leaves_the_others(judgments: Judgments) -> None:
    first, second = judgments.add_questions(["why?", "who?"])
    judgments.grade(first, "a", 1, judge="Ann")
    judgments.grade(second, "a", 2, judge="Ann")

    assert judgments.undo("Ann", first) == Judgment(first, "a", "Ann", 1)
    assert judgments.undo("Ann", first) is None
    assert judgments.grades("Ann") == {second: {"a": 2}}


def test_the_pool_is_kept_and_may_grow(judgments: Judgments) -> None:
    [question] = judgments.add_questions(["why?"])
    assert not judgments.is_pooled(question)
    judgments.add_candidates(question, ["a", "b"])
    before = judgments.candidates(question, "Ann")

    judgments.add_candidates(question, ["b", "c"])

    assert judgments.is_pooled(question)
    assert sorted(judgments.candidates(question, "Ann")) == ["a", "b", "c"]
    assert [each for each in judgments.candidates(question, "Ann") if each != "c"] == before


@pytest.mark.parametrize("grade", [-1, 4, 1.0, True, "2"])
def test_other_grades_are_refused(judgments: Judgments, grade: object) -> None:
    [question] = judgments.add_questions(["why?"])
    with pytest.raises(InvalidInputError, match="a grade must be 0, 1, 2, 3 or None"):
        judgments.grade(question, "a", grade, judge="Ann")  # type: ignore[arg-type]
    assert judgments.judgments() == []


@pytest.mark.parametrize("name", ["", "  ", "a" * 101, "a\0b"])
def test_a_judge_has_a_name(judgments: Judgments, name: str) -> None:
    [question] = judgments.add_questions(["why?"])
    with pytest.raises(InvalidInputError, match="a judge must have a name"):
        judgments.grade(question, "a", 1, judge=name)


def test_unknown_questions_are_refused(judgments: Judgments) -> None:
    for call in (
        lambda: judgments.grade("q9", "a", 1, judge="Ann"),
        lambda: judgments.add_candidates("q9", ["a"]),
        lambda: judgments.candidates("q9", "Ann"),
        lambda: judgments.remove_question("q9"),
        lambda: judgments.is_pooled("q9"),
    ):
        with pytest.raises(InvalidInputError, match="no question with the id 'q9'"):
            call()


def test_the_collection_of_one_judge_and_of_all(judgments: Judgments) -> None:
    first, second, third = judgments.add_questions(["why?", "who?", "where?"])
    grades = {"Ann": (0, 3), "Bo": (1, 3), "Cy": (1, 0), "Di": (0, None)}
    for judge, (of_a, of_b) in grades.items():
        judgments.grade(first, "a", of_a, judge=judge)
        judgments.grade(first, "b", of_b, judge=judge)
    judgments.grade(second, "a", 0, judge="Ann")
    judgments.grade(third, "a", UNSURE, judge="Ann")

    merged = judgments.collection()

    assert merged.queries == {first: "why?"}  # the others have nothing relevant
    assert merged.qrels == {first: {"a": 0, "b": 3}}  # of 0 0 1 1 the lower middle
    assert judgments.collection("Bo").qrels == {first: {"a": 1, "b": 3}}
    assert judgments.collection(merge="most frequent").qrels == {first: {"a": 0, "b": 3}}


def test_median_and_most_frequent_differ(judgments: Judgments) -> None:
    [question] = judgments.add_questions(["why?"])
    for judge, grade in {"A": 0, "B": 0, "C": 1, "D": 2, "E": 3}.items():
        judgments.grade(question, "a", grade, judge=judge)

    assert judgments.collection().qrels == {question: {"a": 1}}
    judgments.grade(question, "b", 3, judge="A")  # the question stays, by this one
    assert judgments.collection(merge="most frequent").qrels == {question: {"a": 0, "b": 3}}


def test_a_collection_of_nothing_is_refused(judgments: Judgments) -> None:
    [question] = judgments.add_questions(["why?"])
    judgments.grade(question, "a", 0, judge="Ann")
    with pytest.raises(InvalidInputError, match="no question has a relevant passage yet"):
        judgments.collection()
    with pytest.raises(InvalidInputError, match=r"no judge 'Bo': those who graded are \['Ann'\]"):
        judgments.collection("Bo")
    with pytest.raises(InvalidInputError, match="merge must be"):
        judgments.collection(merge="mean")  # type: ignore[arg-type]


def test_a_collection_goes_into_evaluate(judgments: Judgments, index: HybridIndex) -> None:
    [question] = judgments.add_questions(["eels"])
    judgments.grade(question, "eel", 3, judge="Ann")
    collection = judgments.collection()

    evaluation = evaluate({"bm25": index.bm25}, collection.queries, collection.qrels, ["RR@10"])

    assert evaluation.mean("bm25", "RR@10") == 1.0


def test_import_of_questions_with_grades(judgments: Judgments, tmp_path: Path) -> None:
    file = tmp_path / "thumbs.csv"
    file.write_text("query,passage,thumb\nwhy?,a,up\nwhy?,b,down\n")
    judgments.add_questions(["who?", "why?"])

    assert judgments.import_file(file) == ["q2"]

    assert judgments.grades("imported") == {"q2": {"a": 1, "b": 0}}
    assert sorted(judgments.candidates("q2", "Ann")) == ["a", "b"]
    assert not judgments.is_pooled("q2")  # what the index finds is still to come


def test_import_of_a_data_set_keeps_its_ids(judgments: Judgments, tmp_path: Path) -> None:
    file = tmp_path / "set.json"
    file.write_text(
        '{"queries": {"x": "why?"}, "corpus": {"a": "text"}, "relevant_docs": {"x": ["a"]}}'
    )
    assert judgments.import_file(file, judge="Bo") == ["x"]
    assert judgments.grades("Bo") == {"x": {"a": 1}}


_GRADING = """
import sys
from hybridge.judging import Judgments
judgments = Judgments(sys.argv[1])
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    judgments.grade("q1", f"p{number}", number % 4, judge=sys.argv[2])
    print(number, flush=True)
"""


def _grading(path: Path, judge: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _GRADING, str(path), judge, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)


def test_a_kill_loses_nothing_that_was_graded(judgments: Judgments) -> None:
    judgments.add_questions(["why?"])
    with _grading(judgments.path, "Ann", 1_000_000) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "20\n":
                process.send_signal(signal.SIGKILL)
                break
        rest = process.stdout.read().split()
    last = int(rest[-1]) if rest else 20

    graded = Judgments(judgments.path).grades("Ann")["q1"]

    # The one that was on its way may have arrived.
    assert len(graded) in (last + 1, last + 2)
    assert list(graded.items()) == [(f"p{i}", i % 4) for i in range(len(graded))]


def test_several_processes_grade_at_once(judgments: Judgments) -> None:
    judgments.add_questions(["why?"])
    processes = [_grading(judgments.path, judge, 12) for judge in ("Ann", "Bo")]
    for process in processes:
        process.communicate()

    assert [process.returncode for process in processes] == [0, 0]
    assert judgments.progress("Ann")["q1"] == Progress(12, 12)
    assert judgments.progress("Bo")["q1"] == Progress(12, 12)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("What thins the blood? " * 100)
    with pytest.raises(InvalidInputError, match="is no file of judgments"):
        Judgments(text)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as file:
        file.execute("CREATE TABLE mine (id)")
    with pytest.raises(InvalidInputError, match="database of another program"):
        Judgments(other)
    with pytest.raises(InvalidInputError, match="there is no folder"):
        Judgments(tmp_path / "absent" / "judgments.db")


def test_a_file_of_a_later_version_is_refused(judgments: Judgments) -> None:
    with sqlite3.connect(judgments.path) as file:
        file.execute("PRAGMA user_version = 2")
    with pytest.raises(InvalidInputError, match="later version of Hybridge"):
        Judgments(judgments.path)


def test_a_file_that_was_removed_is_an_error_of_the_store(judgments: Judgments) -> None:
    judgments.path.unlink()
    with pytest.raises(StoreError, match="no such table"):
        judgments.add_questions(["why?"])


def test_pickled_it_is_the_same_file(judgments: Judgments) -> None:
    judgments.add_questions(["why?"])
    assert pickle.loads(pickle.dumps(judgments)).questions == {"q1": "why?"}
