"""Output of commands: reports for people through rich, JSON for machines through click."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..errors import needs_extra
from ..report import Line, Styled, number, one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from ..passages import JSON, Hit, Passage, StageScore

__all__ = [
    "body_of",
    "console",
    "hit_to_json",
    "is_blend",
    "label_of",
    "name_of",
    "print_json",
    "progress",
    "stage_text",
]

_LABELS = {
    "bm25": "BM25",
    "colbert": "ColBERT",
    "cross-encoder": "cross",
    "fusion": "hybrid",
    "late-interaction": "late",
}
_BLEND = ":blend"


def is_blend(stage: str) -> bool:
    """Return whether a stage of a trace is a reranker's blend with the score before it."""
    return stage.endswith(_BLEND)


def label_of(stage: str) -> str:
    """Return a short title for a stage: its own name, where that is none of the usual ones.

    >>> label_of("bm25"), label_of("colbert:blend"), label_of("my-stage")
    ('BM25', 'blend', 'my-stage')
    """
    return "blend" if is_blend(stage) else _LABELS.get(stage, stage)


def console(*, stderr: bool = False) -> Console:
    """Return a console that knows the terminal's width, and writes no colours into a pipe.

    Raises:
        MissingExtraError: the extra `cli` is not installed.
    """
    with needs_extra("cli"):
        from rich.console import Console
    return Console(stderr=stderr, highlight=False)


def progress() -> Progress:
    """Return a bar on standard error, which vanishes at its end and is silent in a pipe."""
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


def print_json(value: JSON) -> None:
    """Print one JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def hit_to_json(hit: Hit) -> dict[str, Any]:
    """Return a hit as JSON: the passage, its score, and its rank and score in each stage."""
    return {
        "id": hit.passage.id,
        "score": hit.score,
        "text": hit.passage.text,
        "metadata": dict(hit.passage.metadata),
        "trace": [
            {name: value for name, value in asdict(entry).items() if value is not None}
            for entry in hit.trace
        ],
    }


def name_of(passage: Passage) -> tuple[str | Styled, ...]:
    """Return a passage's title, if it has one, and its id."""
    title = passage.metadata.get("title")
    shown = one_line(title, 100) if isinstance(title, str) else ""
    id_ = Styled(one_line(passage.id, 200), "dim")
    return (Styled(shown, "strong"), " · ", id_) if shown else (id_,)


def body_of(passage: Passage, length: int) -> str:
    """Return the beginning of a passage's text, without the title in front of it."""
    title = passage.metadata.get("title")
    text = passage.text.removeprefix(title) if isinstance(title, str) else passage.text
    return one_line(text, length)


def stage_text(entry: StageScore | None) -> Line:
    """Return a stage's rank and score, such as ``#3 0.51``; a first rank stands out."""
    if entry is None:
        return number(None)
    return Styled(f"#{entry.rank} {entry.score:.3g}", "good" if entry.rank == 1 else "")
