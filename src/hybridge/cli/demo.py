"""`hybridge demo`: the Python Language Reference answers questions, and every stage has its say."""

from __future__ import annotations

import platform
from time import perf_counter
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from ..index import HybridIndex
    from ..passages import Hit
    from ..protocols import Retriever

__all__ = ["demo"]

_ANSWERS = 2
_STAGES = ("bm25", "dense", "fusion", "late-interaction", "cross-encoder")


@click.command()
@click.option("--ask", "questions", multiple=True, help="A question of your own; repeatable.")
@click.option(
    "--keep", "directory", metavar="DIR", help="Keep the index there, for more questions."
)
def demo(questions: tuple[str, ...], directory: str | None) -> None:
    """Index the Python Language Reference and ask it questions: no download, no settings."""
    from ..demo import QUESTIONS
    from .output import console

    screen = console()
    with _build(screen, directory) as index:
        _ask(screen, _with_cross_encoder(screen, index), list(questions) or list(QUESTIONS))
    if directory:
        screen.print(f'Ask on: hybridge search {directory} "…" --explain', markup=False)


def _build(screen: Console, directory: str | None) -> HybridIndex:
    from ..demo import language_reference
    from ..errors import IndexNotFoundError
    from ..index import HybridIndex
    from .index import add_changed

    passages = list(language_reference())
    screen.print(
        f"Indexing the language reference of Python {platform.python_version()}: "
        f"{len(passages)} passages"
    )
    start = perf_counter()
    try:
        index = HybridIndex.open(directory, read_only=False) if directory else _new(None)
    except IndexNotFoundError:
        index = _new(directory)
    try:
        added = add_changed(index, passages, len(passages))
    except BaseException:
        index.close()
        raise
    seconds = perf_counter() - start
    screen.print(f"Encoded and indexed {added} in {seconds:.1f} s, loading the model included.")
    return index


def _new(directory: str | None) -> HybridIndex:
    from ..index import HybridIndex

    return HybridIndex.create(directory, late_interaction=True)


def _with_cross_encoder(screen: Console, index: HybridIndex) -> Retriever:
    """The index, and behind it the default cross-encoder if its model is on this machine."""
    from ..cross_encoder import DEFAULT_MODEL, CrossEncoderReranker
    from ..encoders.resolution import find_here
    from ..pipeline import Pipeline

    if find_here(DEFAULT_MODEL) is None:
        screen.print(
            f"No cross-encoder: {DEFAULT_MODEL} is not on this machine "
            f"(hf download {DEFAULT_MODEL}).",
            markup=False,
            style="dim",
        )
        return index
    return Pipeline(index, CrossEncoderReranker())


def _ask(screen: Console, retriever: Retriever, questions: list[str]) -> None:
    retriever.search(questions[:1])  # the first search makes ready what is made once
    start = perf_counter()
    results = retriever.search(questions, k=100)
    seconds = perf_counter() - start
    for question, hits in zip(questions, results, strict=True):
        screen.print(_answer(question, hits))
    screen.print(
        f"{len(questions)} questions in {1000 * seconds:.0f} ms, encoding them included. "
        "#1 is a stage's own first choice; the hybrid ranks by both halves' scores, and what "
        "comes after it is blended in."
    )


def _answer(question: str, hits: list[Hit]) -> RenderableType:
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    from .output import body_of, excerpt, label_of, name_of, stage_text

    title = Text(question, style="bold")
    if not hits:
        return Panel("Nothing was found.", title=title, title_align="left")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold", expand=True)
    table.add_column("passage", ratio=1, overflow="fold")
    stages = [stage for stage in _STAGES if any(hit.stage(stage) for hit in hits)]
    for stage in stages:
        table.add_column(label_of(stage), no_wrap=True)
    for hit in _worth_showing(hits):
        said = [stage_text(hit.stage(stage)) for stage in stages]
        first = [Text(text, style="bold green" if text.startswith("#1 ") else "") for text in said]
        table.add_row(name_of(hit.passage), *first)
    answer = excerpt(body_of(hits[0].passage), 400)
    return Panel(Group(answer, Text(), table), title=title, title_align="left")


def _worth_showing(hits: list[Hit]) -> list[Hit]:
    """The best hits, and each half's own first choice where it is another one."""
    shown = hits[:_ANSWERS]
    for stage in ("bm25", "dense"):
        shown += [
            hit
            for hit in hits[_ANSWERS:]
            if (entry := hit.stage(stage)) is not None and entry.rank == 1 and hit not in shown
        ]
    return shown
