"""Runs of other tools, in the format of TREC."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInputError
from .tables import read_lines, rows_of

if TYPE_CHECKING:
    import os

__all__ = ["read_run"]

_COLUMNS = 6


def read_run(path: str | os.PathLike[str]) -> dict[str, dict[str, float]]:
    """Read a run: query id → passage id → score, for `evaluate_runs`.

    A line has TREC's six columns with blanks between them: the query's id, Q0, the passage's id,
    its rank, its score, and the run's name. As in trec_eval, only the ids and the score count.

    Args:
        path: the file, UTF-8.

    Raises:
        InvalidInputError: there is no such file, a line is not of that kind, or a query has a
            passage twice; the message gives file and line.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".run") as file:
    ...     _ = file.write("q1 Q0 p7 1 12.5 mine\\nq1 Q0 p2 2 9.75 mine\\n")
    ...     file.flush()
    ...     read_run(file.name)
    {'q1': {'p7': 12.5, 'p2': 9.75}}
    """
    lines, _ = read_lines(Path(path).expanduser())
    run: dict[str, dict[str, float]] = {}
    for number, cells in rows_of(Path(path).expanduser(), lines, None):
        where = f"{path}, line {number}"
        score = _score(cells)
        if score is None:
            raise InvalidInputError(
                f"{where}: expected a query id, Q0, a passage id, a rank, a score and a name, "
                f"not {' '.join(cells)!r:.80}"
            )
        found = run.setdefault(cells[0], {})
        if cells[2] in found:
            raise InvalidInputError(f"{where}: the query {cells[0]!r} has {cells[2]!r} before")
        found[cells[2]] = score
    if not run:
        raise InvalidInputError(f"{path}: there is no passage in it")
    return run


def _score(cells: list[str]) -> float | None:
    """Return the score in a line of a run; None for another line."""
    if len(cells) != _COLUMNS:
        return None
    try:
        score = float(cells[4])
    except ValueError:
        return None
    return score if math.isfinite(score) else None
