"""Runs in TREC's format: read as trec_eval reads them, and what a broken file says."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytrec_eval

from hybridge.errors import InvalidInputError
from hybridge.evaluation import evaluate_runs, read_run

RUN = """\
q1 Q0 p1 1 0.9 mine
q1 Q0 p3 2 0.9 mine
q2\tQ0\tp2\t7\t-1e-3\tmine

q1 Q0 p2 3 0.25 mine
"""
QRELS = {"q1": {"p1": 1, "p2": 2}, "q2": {"p2": 1}, "q3": {"p1": 1}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.run"
    path.write_text(RUN)
    return path


def test_ids_and_scores_count(file: Path) -> None:
    expected = {"q1": {"p3": 0.9, "p1": 0.9, "p2": 0.25}, "q2": {"p2": -0.001}}
    assert read_run(file) == read_run(str(file)) == expected


def test_it_is_what_trec_eval_reads(file: Path) -> None:
    with file.open() as lines:
        assert read_run(file) == pytrec_eval.parse_run([line for line in lines if line.strip()])


def test_a_run_is_judged_with_its_ties_as_in_trec_eval(file: Path) -> None:
    judged = pytrec_eval.RelevanceEvaluator(QRELS, {"ndcg_cut_10"}).evaluate(read_run(file))
    evaluation = evaluate_runs({"mine": read_run(file)}, QRELS, None)
    values = evaluation.values["mine"]["nDCG@10"]
    assert values["q1"] == pytest.approx(judged["q1"]["ndcg_cut_10"], abs=1e-9)
    assert values["q2"] == 1.0
    assert values["q3"] == 0.0  # nothing was found
    assert evaluation.lists["mine"]["q1"] == ["p3", "p1", "p2"]


def test_other_line_ends_a_byte_order_mark_and_strange_ids(tmp_path: Path) -> None:
    file = tmp_path / "run"
    file.write_bytes("\ufeffq1 Q0 a\xa0b 1 2.5 x\r\nq1 Q0 日本 2 1 x\r\n".encode())
    assert read_run(file) == {"q1": {"a\xa0b": 2.5, "日本": 1.0}}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no passage in it"),
        (b"\n \n", "no passage in it"),
        (b"q1 Q0 p1 1 0.5 x\nq1 Q0 p1", r"line 2: expected .* not 'q1 Q0 p1'"),
        (b"q1 0 p1 1\n", "line 1: expected a query id, Q0"),
        (b"q1 Q0 p1 1 high x\n", "line 1: expected"),
        (b"q1 Q0 p1 1 nan x\n", "line 1: expected"),
        (b"q1 Q0 p1 1 inf x\n", "line 1: expected"),
        (b"q1 Q0 p1 1 0.5 x y\n", "line 1: expected"),
        (b"q1 Q0 p1 1 0.5 x\nq1 Q0 p1 2 0.4 x\n", "line 2: the query 'q1' has 'p1' before"),
        (b"q1 Q0 \xff 1 0.5 x\n", "line 1: not UTF-8"),
    ],
)
def test_a_broken_file_is_refused_with_the_line(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "bad.run"
    file.write_bytes(content)
    with pytest.raises(InvalidInputError, match=says):
        read_run(file)


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="there is no file"):
        read_run(tmp_path / "missing.run")
