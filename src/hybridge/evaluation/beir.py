"""Collections in BEIR's layout, the usual one of published collections."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInputError
from ..readers import read_jsonl
from .collection import Collection
from .qrels import read_qrels

if TYPE_CHECKING:
    import os

__all__ = ["load_beir"]

logger = logging.getLogger(__name__)


def load_beir(folder: str | os.PathLike[str], split: str = "test") -> Collection:
    """Load a collection in BEIR's layout: corpus.jsonl, queries.jsonl and qrels/<split>.tsv.

    A passage's text is its title, a blank and its text. Only the split's judged queries are kept.

    Args:
        folder: the folder of the files.
        split: the name of the judgements: "train", "dev" or "test", if the collection has them.

    Raises:
        InvalidInputError: a file is missing or truncated, or the files do not fit each other; the
            message gives file and line.
    """
    root = Path(folder).expanduser()
    judgements = root / "qrels" / f"{split}.tsv"
    splits = sorted(path.stem for path in root.glob("qrels/*.tsv"))
    for file in (root / "corpus.jsonl", root / "queries.jsonl", judgements):
        if not file.is_file():
            has = f"; it has the splits {', '.join(splits)}" if splits else ""
            raise InvalidInputError(
                f"{str(root)!r} is not a collection in BEIR's layout with the split {split!r}: "
                f"there is no {file.relative_to(root).as_posix()}{has}"
            )
    passages = list(read_jsonl(root / "corpus.jsonl"))
    qrels = read_qrels(judgements)
    questions = {query.id: query.text for query in read_jsonl(root / "queries.jsonl")}
    if unknown := sorted(qrels.keys() - questions.keys()):
        raise InvalidInputError(
            f"{judgements} judges {len(unknown)} queries that queries.jsonl lacks "
            f"(the first: {unknown[0]!r}): is queries.jsonl truncated?"
        )
    known = {passage.id for passage in passages}
    if len(known) < len(passages):
        raise InvalidInputError(f"{root / 'corpus.jsonl'}: passage ids come more than once")
    missing = sorted({doc for judged in qrels.values() for doc in judged} - known)
    if missing:  # some published collections are like that, so it is no error
        logger.warning(
            "%s judges %d passages that corpus.jsonl lacks (the first: %r): they are never found",
            judgements,
            len(missing),
            missing[0],
        )
    return Collection(passages, {query: questions[query] for query in qrels}, qrels)
