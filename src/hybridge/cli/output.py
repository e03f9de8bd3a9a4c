"""What commands print: text for people through rich, JSON for machines through click."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ..errors import MissingExtraError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table
    from rich.text import Text

    from ..passages import JSON, Hit, Passage, StageScore

__all__ = [
    "body_of",
    "console",
    "excerpt",
    "hit_to_json",
    "label_of",
    "name_of",
    "plain_table",
    "print_json",
    "progress",
    "stage_text",
]

_LABELS = {
    "bm25": "BM25",
    "dense": "dense",
    "fusion": "hybrid",
    "late-interaction": "late",
    "late-interaction:blend": "blend",
    "colbert": "ColBERT",
    "colbert:blend": "blend",
    "cross-encoder": "cross",
    "cross-encoder:blend": "blend",
}


def label_of(stage: str) -> str:
    """What to call a stage in a narrow column.

    >>> label_of("bm25"), label_of("my-stage")
    ('BM25', 'my-stage')
    """
    return _LABELS.get(stage, stage)


def console(*, stderr: bool = False) -> Console:
    """A console that knows the terminal's width, and writes no colours into a pipe.

    Raises:
        MissingExtraError: the extra `cli` is not installed.
    """
    try:
        from rich.console import Console
    except ImportError as error:
        raise MissingExtraError("rich", "cli") from error
    return Console(stderr=stderr, highlight=False)


def progress() -> Progress:
    """A progress bar on standard error, which goes when it is done and is silent in a pipe."""
    screen = console(stderr=True)
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
    )


def plain_table(*columns: str) -> Table:
    """A table without lines, which fits the narrowest terminal; its last column takes the rest."""
    console()
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def print_json(value: JSON) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def hit_to_json(hit: Hit) -> dict[str, Any]:
    """A hit as JSON: the passage, its score, and what every stage thought of it."""
    return {
        "id": hit.passage.id,
        "score": hit.score,
        "text": hit.passage.text,
        "metadata": dict(hit.passage.metadata),
        "trace": [
            {"stage": entry.stage, "rank": entry.rank, "score": entry.score} for entry in hit.trace
        ],
    }


def excerpt(text: str, length: int) -> Text:
    """A text's beginning on one line, cut at a word, without what a terminal would obey."""
    console()
    from rich.text import Text

    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(line) > length:
        line = line[:length].rsplit(" ", 1)[0].rstrip(",;:. ") + " …"
    return Text(line)


def name_of(passage: Passage) -> Text:
    """What to call a passage: its title, if it has one, and its id."""
    title = passage.metadata.get("title")
    named = excerpt(title if isinstance(title, str) else "", 100)
    named.stylize("bold")
    return named.append(" · " if named else "").append_text(_dim(excerpt(passage.id, 200)))


def body_of(passage: Passage) -> str:
    """A passage's text without the title in front of it."""
    title = passage.metadata.get("title")
    return passage.text.removeprefix(title) if isinstance(title, str) else passage.text


def stage_text(entry: StageScore | None) -> str:
    """A stage's rank and score, such as ``#3 0.51``."""
    return "–" if entry is None else f"#{entry.rank} {entry.score:.3g}"


def _dim(text: Text) -> Text:
    text.stylize("dim")
    return text
