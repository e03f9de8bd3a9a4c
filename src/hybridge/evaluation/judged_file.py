"""One file with questions and their answers, whose form the file itself shows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ..errors import InvalidInputError
from ..passages import Passage
from .collection import Collection
from .feedback import CLICKS, THUMBS, load_clicks, load_thumbs
from .llama_index import load_llama_index
from .records import field_names, read_json
from .tables import JSONL

__all__ = ["has_questions", "load_judged"]

_FEEDBACK: dict[str, Callable[[Path], Collection]] = {
    CLICKS[-1]: load_clicks,
    THUMBS[-1]: load_thumbs,
}


def has_questions(path: str | os.PathLike[str]) -> bool:
    """Whether a file is of a form that `load_judged` loads; False for qrels, which have ids alone.

    Raises:
        InvalidInputError: the file cannot be read; the message names file and line.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        return False
    return file.suffix.lower() in {".json", *JSONL} or _feedback(file) is not None


def load_judged(
    path: str | os.PathLike[str], passages: Iterable[Passage] | None = None
) -> Collection:
    """Load one file with questions and their answers: LlamaIndex's data sets, clicks or thumbs.

    The file shows what it is: JSON with ``queries``, ``corpus`` and ``relevant_docs`` or with
    ``examples`` is LlamaIndex's (`load_llama_index`); records with ``clicked`` are clicks
    (`load_clicks`), with ``thumb`` thumbs (`load_thumbs`).

    Args:
        path: the file.
        passages: those that are searched, an index for example, to find contexts in.

    Raises:
        InvalidInputError: it is none of these; the message names file and line.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
    ...     _ = file.write("query,passage,thumb\\nwhy?,p1,up\\n")
    ...     file.flush()
    ...     load_judged(file.name).qrels
    {'why?': {'p1': 1}}
    """
    file = Path(path).expanduser()
    content = read_json(file) if file.suffix.lower() == ".json" else None
    if isinstance(content, Mapping):
        return load_llama_index(file, passages)
    load = _feedback(file)
    if load is None:
        raise InvalidInputError(
            f"{path} is no data set of LlamaIndex, and has no field {' or '.join(_FEEDBACK)}: load "
            "LangSmith's examples by load_langsmith, which has to know their fields, or give "
            "queries and qrels"
        )
    return load(file)


def _feedback(file: Path) -> Callable[[Path], Collection] | None:
    names = field_names(file)
    return next((load for name, load in _FEEDBACK.items() if name in names), None)
