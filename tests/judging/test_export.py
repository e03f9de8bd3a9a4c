"""What is written is read back the same, and ids that a form cannot have are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridge import Passage
from hybridge.errors import InvalidInputError
from hybridge.evaluation import Collection, load_beir, read_qrels, read_queries
from hybridge.judging import write_beir, write_csv, write_trec

_COLLECTION = Collection(
    [Passage("p1", "A text\nof two lines", {"year": 2020}), Passage("p, 2", "Bär")],
    {"q1": 'why, "x"?', "q2": "who?"},
    {"q1": {"p1": 3, "p2": 0}, "q2": {"p1": 1}},
)
_BLANK = Collection((), {"q1": "why?"}, {"q1": {"p, 2": 1}})
_TAB = Collection((), {"q1": "why?"}, {"q1": {"p\t2": 1}})
_OUTER = Collection((), {"q1": "why?"}, {"q1": {" p": 1}})


def test_trec(tmp_path: Path) -> None:
    write_trec(_COLLECTION, tmp_path / "out")

    assert (tmp_path / "out/qrels.txt").read_text() == "q1 0 p1 3\nq1 0 p2 0\nq2 0 p1 1\n"
    assert read_qrels(tmp_path / "out/qrels.txt") == _COLLECTION.qrels
    assert read_queries(tmp_path / "out/queries.tsv") == _COLLECTION.queries


def test_csv(tmp_path: Path) -> None:
    write_csv(_COLLECTION, tmp_path)

    assert read_qrels(tmp_path / "qrels.csv") == _COLLECTION.qrels
    assert read_queries(tmp_path / "queries.csv") == _COLLECTION.queries
    write_csv(_BLANK, tmp_path)
    assert read_qrels(tmp_path / "qrels.csv") == _BLANK.qrels


def test_beir(tmp_path: Path) -> None:
    write_beir(_COLLECTION, tmp_path)

    read = load_beir(tmp_path)

    assert (read.passages, read.queries, read.qrels) == (
        _COLLECTION.passages,
        _COLLECTION.queries,
        _COLLECTION.qrels,
    )


def test_beir_with_another_corpus_and_split(tmp_path: Path) -> None:
    write_beir(_COLLECTION, tmp_path, [Passage("p1", "alone")], split="dev")

    assert load_beir(tmp_path, "dev").passages == [Passage("p1", "alone")]


def test_ids_that_a_form_cannot_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="'p, 2' has a blank in it, which TREC's qrels"):
        write_trec(_BLANK, tmp_path)
    with pytest.raises(InvalidInputError, match="a tab, a line break or an outer blank"):
        write_beir(_TAB, tmp_path)
    with pytest.raises(InvalidInputError, match="' p' has an outer blank in it, which CSV"):
        write_csv(_OUTER, tmp_path)
    assert list(tmp_path.iterdir()) == []
