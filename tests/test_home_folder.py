"""A path that begins with ~ means the user's home, wherever a path is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridge import BM25Retriever, CallableEncoder, HybridIndex, Passage
from hybridge.evaluation import load_beir, read_qrels, read_run
from hybridge.readers import read_passages


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_an_index(home: Path, tmp_path: Path) -> None:
    encoder = CallableEncoder(lambda texts: [[len(text)] for text in texts], identity="length")
    with HybridIndex.create("~/notes", encoder=encoder) as index:
        index.add([Passage("a", "Bread")])
    for read_only in (None, True, False):
        with HybridIndex.open("~/notes", encoder=encoder, read_only=read_only) as index:
            assert len(index) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]


def test_a_bm25_retriever(home: Path) -> None:
    BM25Retriever([Passage("a", "Bread")]).save("~/words")
    assert len(BM25Retriever.open(Path("~/words"))) == 1
    assert (home / "words").is_dir()


def test_files_that_are_read(home: Path) -> None:
    (home / "note.txt").write_text("Bread needs yeast.")
    (home / "run.trec").write_text("q1 Q0 p7 1 12.5 mine\n")
    (home / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tp7\t1\n")
    folder = home / "beir"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": "p7", "title": "", "text": "Bread"}\n')
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "yeast?"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tp7\t1\n")
    assert [passage.text for passage in read_passages("~/note.txt")] == ["Bread needs yeast."]
    assert read_run("~/run.trec") == {"q1": {"p7": 12.5}}
    assert read_qrels("~/qrels.tsv") == {"q1": {"p7": 1}}
    assert [passage.id for passage in load_beir("~/beir", "test").passages] == ["p7"]
