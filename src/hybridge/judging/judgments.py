"""The file of judgments: questions, the passages to grade for each, and every judge's grades."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low
from typing import Literal, TypeAlias

from ..errors import InvalidInputError, StoreError
from ..evaluation import Collection
from ..passages import Passage
from .agreement import JudgeAgreement, agreement_of
from .pooling import judging_order
from .questions import read_questions

__all__ = ["GRADES", "UNSURE", "Judgment", "Judgments", "Merge", "Progress"]

logger = logging.getLogger(__name__)

GRADES = {
    0: "not relevant",
    1: "related",
    2: "answers in part",
    3: "answers fully",
}
"""What each grade means."""

UNSURE = None
"""The grade of a passage that a judge has seen and cannot grade; it is no judgment."""

_Grade: TypeAlias = int | None

Merge: TypeAlias = Literal["median", "most frequent"]

_IMPORTED = "imported"
_LONGEST_NAME = 100  # of a judge
_APPLICATION = 0x4879_4A67  # SQLite's mark of whose file it is
_VERSION = 1
_PATIENCE_S = 30.0  # for another process to end its transaction

_SCHEMA = """
CREATE TABLE question (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    text TEXT NOT NULL UNIQUE,
    is_pooled INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE candidate (
    question TEXT NOT NULL REFERENCES question(id) ON DELETE CASCADE,
    passage TEXT NOT NULL,
    PRIMARY KEY (question, passage)
) WITHOUT ROWID;
CREATE TABLE judgment (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    question TEXT NOT NULL REFERENCES question(id) ON DELETE CASCADE,
    passage TEXT NOT NULL,
    judge TEXT NOT NULL,
    grade INTEGER CHECK (grade BETWEEN 0 AND 3)
);
CREATE INDEX judgment_of ON judgment (judge, question, passage, number);
"""

# A passage that was graded again has several rows, of which the last counts: so undo goes back.
_LATEST = """
SELECT question, passage, judge, grade FROM judgment WHERE number IN
(SELECT max(number) FROM judgment GROUP BY judge, question, passage) ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class Judgment:
    """A grade by a judge.

    Args:
        question: the question's id.
        passage: the passage's id.
        judge: the judge's name.
        grade: from 0 to 3; None for `UNSURE`.
    """

    question: str
    passage: str
    judge: str
    grade: int | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a judge is with a question.

    Args:
        graded: passages with a grade or "unsure".
        candidates: passages to grade.
    """

    graded: int
    candidates: int

    @property
    def is_done(self) -> bool:
        """Whether there are passages, and all are graded."""
        return 0 < self.candidates <= self.graded


class Judgments:
    """A file of judgments, made where there is none.

    Every call is one transaction that is on disk when it returns: nothing that was graded is lost
    by a kill. Threads and processes may use the same file at once. It is an SQLite database.

    Args:
        path: the file.

    Raises:
        InvalidInputError: the file is something else, or of a later version.
        StoreError: it cannot be opened or written.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> judgments = Judgments(Path(folder.name) / "judgments.db")
    >>> [question] = judgments.add_questions(["What thins the blood?"])
    >>> judgments.add_candidates(question, ["p1", "p2"])
    >>> judgments.grade(question, "p1", 3, judge="Ann")
    >>> judgments.grade(question, "p2", 0, judge="Ann")
    >>> judgments.progress("Ann")
    {'q1': Progress(graded=2, candidates=2)}
    >>> judgments.collection().qrels
    {'q1': {'p1': 3, 'p2': 0}}
    >>> folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser().absolute()
        if not self.path.parent.is_dir():
            raise InvalidInputError(
                f"there is no folder {str(self.path.parent)!r} for the file of judgments"
            )
        with self._transaction(writes=True) as file:
            self._check_or_make(file)

    def __repr__(self) -> str:
        return f"Judgments({str(self.path)!r})"

    @property
    def questions(self) -> dict[str, str]:
        """Question id → question, in the order in which they were added."""
        with self._transaction() as file:
            return dict(file.execute("SELECT id, text FROM question ORDER BY position"))

    @property
    def judges(self) -> list[str]:
        """The names of those who graded, sorted."""
        with self._transaction() as file:
            rows = file.execute("SELECT DISTINCT judge FROM judgment ORDER BY judge")
            return [name for (name,) in rows]

    def add_questions(self, questions: Iterable[str] | Mapping[str, str]) -> list[str]:
        """Add questions, and return the id of each; one that is there already keeps its id.

        Args:
            questions: texts, which get the ids q1, q2 and so on; or id → text. An id that another
                question has is replaced by such a one.

        Raises:
            InvalidInputError: something blank, or no text; nothing is added then.
        """
        entries: Iterable[tuple[str | None, str]]
        if isinstance(questions, Mapping):
            entries = questions.items()
        elif isinstance(questions, str):
            raise InvalidInputError("questions must be a list of texts, not one text")
        else:
            entries = ((None, text) for text in questions)
        checked = [(question, _check_text(text)) for question, text in entries]
        with self._transaction(writes=True) as file:
            return [_add_question(file, question, text) for question, text in checked]

    def remove_question(self, question: str) -> None:
        """Remove a question with all its grades.

        Raises:
            InvalidInputError: there is no such question.
        """
        with self._transaction(writes=True) as file:
            _check_question(file, question)
            file.execute("DELETE FROM question WHERE id = ?", (question,))

    def import_file(
        self,
        path: str | os.PathLike[str],
        *,
        judge: str = _IMPORTED,
        passages: Iterable[Passage] | None = None,
    ) -> list[str]:
        """Add the questions of a file, with its grades if it has some; return the questions' ids.

        Args:
            path: a file as `read_questions` reads it.
            judge: whose grades they are.
            passages: those that are searched, to find contexts in.

        Raises:
            InvalidInputError: the file is not valid; nothing is added then.
        """
        read = read_questions(path, passages)
        name = _check_judge(judge)
        with self._transaction(writes=True) as file:
            ids = {
                own: _add_question(file, None if own == text else own, _check_text(text))
                for own, text in read.queries.items()
            }
            for own, graded in read.qrels.items():
                for passage, grade in graded.items():
                    _add_grade(file, Judgment(ids[own], passage, name, grade))
        return list(ids.values())

    def add_candidates(self, question: str, passages: Iterable[str]) -> None:
        """Add passages to those that are to be graded for a question.

        Args:
            question: its id.
            passages: their ids, from a `hybridge.judging.pool` for example.

        Raises:
            InvalidInputError: there is no such question.
        """
        with self._transaction(writes=True) as file:
            _check_question(file, question)
            file.executemany(
                "INSERT OR IGNORE INTO candidate VALUES (?, ?)",
                [(question, passage) for passage in passages],
            )
            file.execute("UPDATE question SET is_pooled = 1 WHERE id = ?", (question,))

    def is_pooled(self, question: str) -> bool:
        """Return whether candidates were added for a question, be it none.

        Raises:
            InvalidInputError: there is no such question.
        """
        with self._transaction() as file:
            _check_question(file, question)
            rows = file.execute("SELECT is_pooled FROM question WHERE id = ?", (question,))
            return bool(rows.fetchone()[0])

    def candidates(self, question: str, judge: str) -> list[str]:
        """Return the ids of the passages to grade for a question, in the order for this judge.

        Raises:
            InvalidInputError: there is no such question.
        """
        name = _check_judge(judge)
        with self._transaction() as file:
            _check_question(file, question)
            rows = file.execute("SELECT passage FROM candidate WHERE question = ?", (question,))
            return judging_order((passage for (passage,) in rows), question, name)

    def grade(self, question: str, passage: str, grade: _Grade, *, judge: str) -> None:
        """Save a judge's grade of a passage, in place of the one before.

        Args:
            question: the question's id.
            passage: the passage's id.
            grade: 0, 1, 2 or 3, see `GRADES`; `UNSURE`.
            judge: the judge's name.

        Raises:
            InvalidInputError: no such question, grade, or name.
        """
        if not isinstance(passage, str) or not passage:
            raise InvalidInputError(f"passage must be an id, not {passage!r}")
        checked = Judgment(question, passage, _check_judge(judge), _check_grade(grade))
        with self._transaction(writes=True) as file:
            _check_question(file, question)
            _add_grade(file, checked)

    def undo(self, judge: str, question: str | None = None) -> Judgment | None:
        """Take a judge's last grade back; the one before, if there was one, counts again.

        Args:
            judge: the judge's name.
            question: the id of the only question to look at; None for all.

        Returns:
            what was taken back; None where there is nothing to undo.
        """
        name = _check_judge(judge)
        with self._transaction(writes=True) as file:
            last = file.execute(
                "SELECT number, question, passage, judge, grade FROM judgment WHERE judge = ?1 "
                "AND (?2 IS NULL OR question = ?2) ORDER BY number DESC LIMIT 1",
                (name, question),
            ).fetchone()
            if last is None:
                return None
            file.execute("DELETE FROM judgment WHERE number = ?", last[:1])
            return Judgment(*last[1:])

    def grades(self, judge: str) -> dict[str, dict[str, _Grade]]:
        """Return question id → passage id → a judge's grade; None is `UNSURE`."""
        graded: dict[str, dict[str, _Grade]] = defaultdict(dict)
        for each in self.judgments():
            if each.judge == judge:
                graded[each.question][each.passage] = each.grade
        return dict(graded)

    def judgments(self) -> list[Judgment]:
        """Return every grade that counts, of all judges, in the order of time."""
        with self._transaction() as file:
            return [Judgment(*row) for row in file.execute(_LATEST)]

    def progress(self, judge: str) -> dict[str, Progress]:
        """Return question id → how far a judge is with it."""
        name = _check_judge(judge)
        with self._transaction() as file:
            rows = file.execute(
                "SELECT id, (SELECT count(DISTINCT passage) FROM judgment "
                "WHERE question = id AND judge = ?), "
                "(SELECT count(*) FROM candidate WHERE question = id) "
                "FROM question ORDER BY position",
                (name,),
            )
            return {question: Progress(graded, count) for question, graded, count in rows}

    def agreement(self) -> JudgeAgreement:
        """Return how far the judges agree on the passages that several of them graded."""
        graded: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
        for each in self.judgments():
            if each.grade is not None:
                graded[each.judge][each.question, each.passage] = each.grade
        return agreement_of(dict(sorted(graded.items())))

    def collection(self, judge: str | None = None, merge: Merge = "median") -> Collection:
        """Return the judged questions and their qrels, for `evaluate`, `tune` and `adapt`.

        A question for which no passage has a grade above 0 is left out: no system can be better
        than another on it. "Unsure" is no grade.

        Args:
            judge: whose grades; None merges those of all judges.
            merge: "median", the lower one of two middle grades; or "most frequent", the lowest of
                several.

        Returns:
            no passages, the questions, and the qrels.

        Raises:
            InvalidInputError: there is no such judge, or no question has a relevant passage.
        """
        if merge not in ("median", "most frequent"):
            raise InvalidInputError(f"merge must be 'median' or 'most frequent', not {merge!r}")
        graded: dict[str, dict[str, list[int]]] = {}
        judges = set()
        for each in self.judgments():
            judges.add(each.judge)
            if each.grade is not None and judge in (None, each.judge):
                graded.setdefault(each.question, {}).setdefault(each.passage, []).append(each.grade)
        if judge is not None and judge not in judges:
            raise InvalidInputError(
                f"there is no judge {judge!r}: those who graded are {sorted(judges)}"
            )
        merged = median_low if merge == "median" else _most_frequent
        texts = self.questions
        qrels = {
            question: {passage: merged(grades) for passage, grades in graded[question].items()}
            for question in texts
            if question in graded
        }
        relevant = {question: graded for question, graded in qrels.items() if any(graded.values())}
        if not relevant:
            raise InvalidInputError(
                f"{self.path}: no question has a relevant passage yet: grade some passages 1 or "
                "more first"
            )
        if len(relevant) < len(qrels):
            logger.warning(
                "%s: %d of %d questions have no relevant passage, and are left out",
                *(self.path, len(qrels) - len(relevant), len(qrels)),
            )
        return Collection((), {question: texts[question] for question in relevant}, relevant)

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction, since a connection is of one thread and process."""
        try:
            opened = sqlite3.connect(self.path, timeout=_PATIENCE_S, isolation_level=None)
            with closing(opened) as file:
                file.execute("PRAGMA foreign_keys = ON")
                file.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
                try:
                    yield file
                except BaseException:
                    file.execute("ROLLBACK")
                    raise
                file.execute("COMMIT")
        except UnicodeEncodeError as error:  # half a character, which JSON can spell
            raise InvalidInputError(f"a text cannot be stored as UTF-8: {error}") from error
        except sqlite3.OperationalError as error:
            raise StoreError(f"the file of judgments {str(self.path)!r}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise InvalidInputError(
                f"{str(self.path)!r} is no file of judgments, or is damaged: {error}"
            ) from error

    def _check_or_make(self, file: sqlite3.Connection) -> None:
        [application] = file.execute("PRAGMA application_id").fetchone()
        [version] = file.execute("PRAGMA user_version").fetchone()
        [tables] = file.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not tables and application == 0:
            for statement in _SCHEMA.split(";"):
                file.execute(statement)
            file.execute(f"PRAGMA application_id = {_APPLICATION}")
            file.execute(f"PRAGMA user_version = {_VERSION}")
        elif application != _APPLICATION:
            raise InvalidInputError(f"{str(self.path)!r} is a database of another program")
        elif version > _VERSION:
            raise InvalidInputError(
                f"{str(self.path)!r} is of a later version of Hybridge ({version}, not {_VERSION})"
            )


def _add_question(file: sqlite3.Connection, own: str | None, text: str) -> str:
    known = file.execute("SELECT id FROM question WHERE text = ?", (text,)).fetchone()
    if known is not None:
        return str(known[0])
    question = own if own and not _has_question(file, own) else _free_id(file)
    file.execute("INSERT INTO question (id, text) VALUES (?, ?)", (question, text))
    return question


def _free_id(file: sqlite3.Connection) -> str:
    # Not the id of a removed question, which an open page may still grade.
    last = file.execute("SELECT seq FROM sqlite_sequence WHERE name = 'question'").fetchone()
    number = 1 if last is None else last[0] + 1
    while _has_question(file, f"q{number}"):
        number += 1
    return f"q{number}"


def _has_question(file: sqlite3.Connection, question: str) -> bool:
    rows = file.execute("SELECT 1 FROM question WHERE id = ?", (question,))
    return rows.fetchone() is not None


def _add_grade(file: sqlite3.Connection, judgment: Judgment) -> None:
    pair = (judgment.question, judgment.passage)
    file.execute("INSERT OR IGNORE INTO candidate VALUES (?, ?)", pair)
    file.execute(
        "INSERT INTO judgment (question, passage, judge, grade) VALUES (?, ?, ?, ?)",
        (*pair, judgment.judge, judgment.grade),
    )


def _check_question(file: sqlite3.Connection, question: str) -> None:
    if not _has_question(file, question):
        raise InvalidInputError(f"there is no question with the id {question!r}")


def _check_text(text: str) -> str:
    joined = " ".join(text.split()) if isinstance(text, str) else ""
    if not joined:
        raise InvalidInputError(f"a question must be a text that is not blank, not {text!r}")
    return joined


def _check_judge(name: str) -> str:
    joined = " ".join(name.split()) if isinstance(name, str) else ""
    if not joined or len(joined) > _LONGEST_NAME or not joined.isprintable():
        raise InvalidInputError(
            f"a judge must have a name of 1 to {_LONGEST_NAME} characters, not {name!r:.200}"
        )
    return joined


def _check_grade(grade: object) -> _Grade:
    if grade is UNSURE or (type(grade) is int and grade in GRADES):
        return grade
    raise InvalidInputError(f"a grade must be 0, 1, 2, 3 or None, not {grade!r}")


def _most_frequent(grades: Iterable[int]) -> int:
    counts = Counter(grades)
    return min(counts, key=lambda grade: (-counts[grade], grade))
