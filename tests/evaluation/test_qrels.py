"""Questions and judgements from files: every form, and what a broken file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridge.errors import InvalidInputError
from hybridge.evaluation import read_qrels, read_queries

JUDGED = {"q1": {"p1": 2, "p2": 0}, "q2": {"p1": 1}}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("beir.tsv", "query-id\tcorpus-id\tscore\nq1\tp1\t2\nq1\tp2\t0\nq2\tp1\t1\n"),
        ("bare.tsv", "q1\tp1\t2\nq1\tp2\t0\nq2\tp1\t1"),
        ("sheet.csv", "query,passage,relevance\r\nq1,p1,2\r\n\r\nq1,p2,0\r\nq2,p1,1\r\n"),
        ("quoted.csv", '"q1","p1","2"\n"q1","p2","0"\n"q2","p1","1"\n'),
        ("blanks.csv", "q1, p1, 2\nq1, p2, 0\nq2, p1, 1\n"),
        ("bom.csv", "\ufeffq1,p1,2\nq1,p2,0\nq2,p1,1\n"),
        ("headed-bom.tsv", "\ufeffQuery_ID\tDoc\tRelevance\nq1\tp1\t2\nq1\tp2\t0\nq2\tp1\t1\n"),
        ("trec.qrels", "q1 0 p1 2\nq1 0 p2 0\nq2  Q0  p1 1\n"),
        ("trec.txt", "q1\t0\tp1\t2\nq1\t0\tp2\t0\nq2\t0\tp1\t1\n"),
        ("trec.tsv", "qid\titer\tdocno\trel\nq1\t0\tp1\t2\nq1\t0\tp2\t0\nq2\t0\tp1\t1\n"),
        ("covid.txt", "q1 4.5 p1 2\nq1 1 p2 0\nq2 3 p1 1\n"),
        ("no-suffix", "q1,p1,2\nq1,p2,0\nq2,p1,1\n"),
        ("spam.qrels", "q1 0 p1 2\nq1 0 p2 -2\nq2 0 p1 1\n"),
        ("twice.tsv", "q1\tp1\t2\nq1\tp2\t0\nq1\tp1\t2\nq2\tp1\t1\n"),
    ],
)
def test_every_form_gives_the_same_judgements(tmp_path: Path, name: str, content: str) -> None:
    file = tmp_path / name
    file.write_bytes(content.encode())
    assert read_qrels(file) == JUDGED
    assert read_qrels(str(file)) == JUDGED


def test_no_other_space_than_ascii_s_ends_an_id(tmp_path: Path) -> None:
    file = tmp_path / "qrels"
    file.write_bytes("q1 0 a\xa0b 1\nq1\t0 c\u2003d  0\n".encode())
    assert read_qrels(file) == {"q1": {"a\xa0b": 1, "c\u2003d": 0}}


@pytest.mark.parametrize("name", ["qrels.csv", "qrels"])
def test_ids_may_hold_commas_in_quotes_and_in_trec_s_form(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text('q1,"a,b",1\n' if name.endswith("csv") else "q1 0 a,b 1\n")
    assert read_qrels(file) == {"q1": {"a,b": 1}}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("q.tsv", b"", "no judgement in it"),
        ("q.tsv", b"query-id\tcorpus-id\tscore\n", "no judgement in it"),
        ("q.tsv", b"q1\tp1\t1\nq1\tp", r"line 2: expected .* not 'q1 p': is the file truncated"),
        ("q.tsv", b"q1\tp1\tmuch\n", r"line 1: .* whole number"),
        ("q.tsv", b"q1\tp1\t1\nquery-id\tcorpus-id\tscore\n", "line 2: "),
        ("q.tsv", b"q1\tp1\t1.5\n", "line 1: "),
        ("q.tsv", b"q1\t\t1\n", "line 1: "),
        ("q.tsv", b"\tp1\t1\n", "line 1: "),
        ("q.tsv", b"q1 0 p1 1\n", "line 1: "),
        ("q.csv", b"q1,p1,1,x,y\n", "line 1: "),
        # As pandas writes them with an index; the ids of queries are no row numbers.
        ("q.csv", b",query,passage,relevance\n0,7,p1,1\n", "line 2: .* not '0 7 p1 1'$"),
        ("q.tsv", b"query\tpassage\trelevance\ttime\nq1\tp1\t1\t17\n", "line 2: "),
        ("q.csv", b"q1,p1,1\n\nq1,\xff,1\n", "line 3: not UTF-8"),
        ("q.csv", b'q1,p1,1\nq1,"p2,1\n', "line 2: "),
        ("q.qrels", b"q1 0 p1 1\nq1 0 p1\n", "line 2: "),
        ("q.qrels", b"q1 0 p1 1\nq1 0 p1 0\n", "line 2: 'p1' was judged 1 for 'q1' before"),
    ],
)
def test_broken_judgements_are_named_with_the_line(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InvalidInputError, match=rf"{name}.*{says}"):
        read_qrels(file)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.tsv", 'q1\tWhat is "x, y"?\nq2\tWho?\n'),
        ("q.tsv", '\ufeffquery_id\ttext\r\nq1\tWhat is "x, y"?\r\nq2\tWho?\r\n'),
        ("q.csv", 'qid,query\nq1,"What is ""x, y""?"\nq2, Who? \n'),
        ("q.txt", 'q1\tWhat is "x, y"?\n\nq2\tWho?'),
        ("q.jsonl", '{"_id": "q1", "text": "What is \\"x, y\\"?"}\n{"id": "q2", "text": "Who?"}\n'),
    ],
)
def test_every_form_gives_the_same_queries(tmp_path: Path, name: str, content: str) -> None:
    file = tmp_path / name
    file.write_bytes(content.encode())
    assert read_queries(file) == {"q1": 'What is "x, y"?', "q2": "Who?"}


def test_a_text_in_a_csv_file_may_have_lines(tmp_path: Path) -> None:
    file = tmp_path / "q.csv"
    file.write_bytes(b'q1,"one\ntwo"\nq2,three\nq2,four\n')
    with pytest.raises(InvalidInputError, match="line 4: the query id 'q2' comes twice"):
        read_queries(file)
    file.write_bytes(b'q1,"one\ntwo"\n')
    assert read_queries(file) == {"q1": "one\ntwo"}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("q.tsv", b"", "no query in it"),
        ("q.tsv", b"qid\ttext\n", "no query in it"),
        ("q.tsv", b"q1\tone\nq2\n", "line 2: expected a query id and a text"),
        ("q.tsv", b"q1\t \n", "line 1: expected"),
        ("q.tsv", b"q1\tone\ttwo\n", "line 1: expected"),
        ("q.tsv", b"q1\tone\nq1\ttwo\n", "line 2: the query id 'q1' comes twice"),
        ("q.csv", b"q1,one\nq2,\xe9\n", "line 2: not UTF-8"),
        ("q.jsonl", b'{"_id": "q1", "text": "cut', "line 1: not valid JSON"),
        ("q.jsonl", b'{"_id": "q1", "text": " "}\n', "line 1: expected"),
        ("q.jsonl", b'{"_id": "q1", "text": "a"}\n' * 2, "line 2: the query id 'q1' comes twice"),
    ],
)
def test_broken_queries_are_named_with_the_line(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InvalidInputError, match=rf"{name}.*{says}"):
        read_queries(file)


@pytest.mark.parametrize("name", ["gone.tsv", "gone.jsonl", "folder"])
def test_no_such_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    for read in (read_qrels, read_queries):
        with pytest.raises(InvalidInputError, match=f"no file .*{name}"):
            read(tmp_path / name)
