"""`hybridge demo`: the Python Language Reference answers questions, with each stage's scores."""

from __future__ import annotations

import platform
from importlib.util import find_spec
from itertools import takewhile
from time import perf_counter
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from ..index import HybridIndex
    from ..passages import Hit
    from ..protocols import Retriever
    from ..report import Section

__all__ = ["demo"]

_ANSWERS = 2


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

    # Token vectors are made by torch.
    has_torch = find_spec("sentence_transformers") is not None
    return HybridIndex.create(directory, late_interaction=has_torch)


def _with_cross_encoder(screen: Console, index: HybridIndex) -> Retriever:
    """Put the default cross-encoder behind the index if its model is on this machine."""
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
        "#1 is a stage's own first choice; the hybrid ranks by the scores of the stages before it, "
        "and those behind it are blended in."
    )


def _answer(question: str, hits: list[Hit]) -> Section:
    from ..report import Line, Section, Table
    from .output import body_of, is_blend, label_of, name_of, stage_text

    if not hits:
        return Section(question, ["Nothing was found.", ""])
    traced = dict.fromkeys(entry.stage for hit in hits for entry in hit.trace)
    stages = [stage for stage in traced if not is_blend(stage)]
    rows: list[list[Line]] = [
        [name_of(hit.passage), *(stage_text(hit.stage(stage)) for stage in stages)]
        for hit in _worth_showing(hits, stages)
    ]
    table = Table(["passage", *map(label_of, stages)], rows, wide=0)
    return Section(question, [body_of(hits[0].passage, 400), "", table, ""])


def _worth_showing(hits: list[Hit], stages: list[str]) -> list[Hit]:
    """Return the best hits, and each first stage's own first choice where it is another one."""
    from ..fusion import FUSION

    shown = hits[:_ANSWERS]
    for stage in takewhile(lambda stage: stage != FUSION, stages):
        shown += [
            hit
            for hit in hits[_ANSWERS:]
            if (entry := hit.stage(stage)) is not None and entry.rank == 1 and hit not in shown
        ]
    return shown
