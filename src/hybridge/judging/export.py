"""Judged questions as files: TREC's, BEIR's folder, and CSV."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..errors import InvalidInputError
from ..evaluation import Collection
from ..passages import Passage

__all__ = ["write_beir", "write_csv", "write_trec"]


def write_trec(collection: Collection, folder: str | os.PathLike[str]) -> None:
    """Write qrels.txt, in TREC's four columns, and queries.tsv.

    Args:
        collection: the questions and qrels, of `Judgments.collection` for example.
        folder: of the files; made if there is none.

    Raises:
        InvalidInputError: an id has a blank in it, which that format cannot have.
    """
    _check_ids(collection, lambda id_: id_.split() != [id_], "a blank", "TREC's qrels")
    root = _made(folder)
    judged = [
        f"{query} 0 {passage} {grade}\n"
        for query, graded in collection.qrels.items()
        for passage, grade in graded.items()
    ]
    _write(root / "qrels.txt", judged)
    _write(root / "queries.tsv", [f"{id_}\t{text}\n" for id_, text in _judged(collection)])


def write_beir(
    collection: Collection,
    folder: str | os.PathLike[str],
    passages: Iterable[Passage] | None = None,
    split: str = "test",
) -> None:
    """Write a folder as `hybridge.evaluation.load_beir` loads it.

    Args:
        collection: the questions and qrels.
        folder: of the files; made if there is none.
        passages: the corpus: an index, for example; None for the collection's own.
        split: the name of the qrels.

    Raises:
        InvalidInputError: an id has a tab or a line break in it or a blank at its end, which that
            format cannot have.
    """
    _check_ids(collection, _is_broken, "a tab, a line break or an outer blank", "BEIR's qrels")
    root = _made(folder)
    (root / "qrels").mkdir(exist_ok=True)
    corpus = collection.passages if passages is None else passages
    entries = (
        {"_id": each.id, "title": "", "text": each.text, "metadata": dict(each.metadata)}
        for each in corpus
    )
    _write(root / "corpus.jsonl", (f"{_json(entry)}\n" for entry in entries))
    queries = ({"_id": id_, "text": text} for id_, text in _judged(collection))
    _write(root / "queries.jsonl", (f"{_json(entry)}\n" for entry in queries))
    judged = [
        f"{query}\t{passage}\t{grade}\n"
        for query, graded in collection.qrels.items()
        for passage, grade in graded.items()
    ]
    _write(root / "qrels" / f"{split}.tsv", ["query-id\tcorpus-id\tscore\n", *judged])


def write_csv(collection: Collection, folder: str | os.PathLike[str]) -> None:
    """Write qrels.csv and queries.csv, with headings, as spreadsheets read them.

    Args:
        collection: the questions and qrels.
        folder: of the files; made if there is none.

    Raises:
        InvalidInputError: an id has an outer blank, which readers of such files cut off.
    """
    _check_ids(collection, lambda id_: id_ != id_.strip(), "an outer blank", "CSV")
    root = _made(folder)
    judged = [
        (query, passage, grade)
        for query, graded in collection.qrels.items()
        for passage, grade in graded.items()
    ]
    _write_rows(root / "qrels.csv", ("query_id", "passage_id", "relevance"), judged)
    _write_rows(root / "queries.csv", ("query_id", "text"), _judged(collection))


def _judged(collection: Collection) -> list[tuple[str, str]]:
    return [(id_, " ".join(collection.queries[id_].split())) for id_ in collection.qrels]


def _check_ids(
    collection: Collection, is_wrong: Callable[[str], bool], what: str, form: str
) -> None:
    for query, graded in collection.qrels.items():
        for id_ in (query, *graded):
            if is_wrong(id_):
                raise InvalidInputError(
                    f"the id {id_!r} has {what} in it, which {form} cannot have: write another form"
                )


def _is_broken(id_: str) -> bool:
    return id_ != id_.strip() or "\t" in id_ or len(id_.splitlines()) > 1


def _made(folder: str | os.PathLike[str]) -> Path:
    root = Path(folder).expanduser()
    root.mkdir(parents=True, exist_ok=True)
    return root


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _write(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)


def _write_rows(path: Path, heading: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(heading)
        writer.writerows(rows)
