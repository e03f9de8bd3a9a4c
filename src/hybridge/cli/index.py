"""`hybridge index`: files and folders into an index, in slices, so that a long run can resume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from .options import Place, language_option, lexical_option, place_options

if TYPE_CHECKING:
    from rich.console import Console

    from ..analyzer import Analyzer
    from ..index import HybridIndex
    from ..passages import Passage

__all__ = ["add_changed", "index"]

_SLICE = 64  # passages: what a cut loses at most, and a step of the bar
_SHOWN = 10  # skipped files told by name


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--to", "directory", metavar="DIR", help="Folder of the index.")
@place_options
@click.option("--encoder", help="Bi-encoder: a name on the hub, or a folder.")
@language_option
@lexical_option
@click.option("--late-interaction", is_flag=True, help="Keep token vectors too, in a new index.")
@click.option("--size", type=click.IntRange(min=1), help="Greatest characters a passage.")
def index(
    paths: tuple[Path, ...],
    place: Place,
    encoder: str | None,
    analyzer: Analyzer | None,
    lexical: str | None,
    late_interaction: bool,
    size: int | None,
) -> None:
    """Index files and folders: text, Markdown, reStructuredText, HTML, JSONL, BEIR.

    The index is made if there is none yet; what it holds already as it is, is left alone.
    """
    from ..errors import IndexNotFoundError, InvalidInputError
    from ..readers import read_passages
    from ..splitting import PASSAGE_SIZE
    from .output import console

    place.check()
    greatest = size if size is not None else PASSAGE_SIZE
    # Read once to find every mistake before any work, and again while indexing: it is fast, and a
    # large collection need not fit in memory.
    skipped: list[tuple[Path, str]] = []
    first = read_passages(paths, size=greatest, on_skip=lambda *what: skipped.append(what))
    total, pieces = _count(first)
    _tell_skipped(console(stderr=True), skipped, place.directory)
    if not total:
        raise InvalidInputError(f"there is no text to index in {', '.join(map(str, paths))}")

    options = {
        name: value for name, value in (("encoder", encoder), ("analyzer", analyzer)) if value
    }
    try:
        opened = place.open(**options)
    except IndexNotFoundError:
        new = {"lexical": lexical} if lexical else {}
        opened = place.create(**options, **new, late_interaction=late_interaction)
    start = perf_counter()
    with opened:
        if lexical not in (None, held := opened.info()["lexical"]):
            raise InvalidInputError(
                f"{place} was made with --lexical {held}: leave the option out, or make a new index"
            )
        if late_interaction and opened.late_interaction is None:
            raise InvalidInputError(
                f"{place} was made without --late-interaction: leave the option out, or make a new "
                "index"
            )
        second = read_passages(paths, size=greatest, on_skip=lambda *_: None)
        added = add_changed(opened, second, total)
        stale = _stale(opened, pieces)
        if stale:
            opened.delete(stale)
        if added or stale:
            opened.optimize()
        holds = len(opened)
    console().print(
        f"Read {total:,} passages: {added:,} new or changed, {len(stale):,} removed, in "
        f"{perf_counter() - start:.1f} s. {place} holds {holds:,}.",
        markup=False,
        soft_wrap=True,
    )


def add_changed(index: HybridIndex, passages: Iterable[Passage], total: int) -> int:
    """Add the passages that the index does not hold as they are, slice by slice, with a bar.

    What a slice added stays if the run is cut off, and the next run need not encode it again.

    Returns:
        How many were added.
    """
    from .output import progress

    iterator = iter(passages)
    added = 0
    with progress() as bar:
        task = bar.add_task("Indexing", total=total)
        while part := list(islice(iterator, _SLICE)):
            held = index.get([passage.id for passage in part])
            new = [passage for passage, old in zip(part, held, strict=True) if passage != old]
            if new:
                added += index.add(new, progress=False)
            bar.advance(task, len(part))
    return added


def _count(passages: Iterable[Passage]) -> tuple[int, Counter[str]]:
    """How many passages there are, and of each document how many."""
    total, pieces = 0, Counter[str]()
    for passage in passages:
        total += 1
        if source := _source(passage):
            pieces[source] += 1
    return total, pieces


def _source(passage: Passage) -> str | None:
    """The document a passage was cut from; None for an entry of a JSONL file."""
    source, position = (passage.metadata.get(key) for key in ("source", "position"))
    return str(source) if passage.id == f"{source}#{position}" else None


def _stale(index: HybridIndex, pieces: Mapping[str, int]) -> list[str]:
    """Passages of an earlier, longer version of the documents just read."""
    return [
        passage.id
        for passage in index
        if (source := _source(passage) or "") in pieces
        and int(str(passage.metadata["position"])) >= pieces[source]
    ]


def _tell_skipped(screen: Console, skipped: list[tuple[Path, str]], directory: str | None) -> None:
    # An index inside the folder that is indexed is no loss.
    inside = Path(directory).absolute() if directory else None
    told = [what for what in skipped if not inside or inside not in what[0].absolute().parents]
    for path, reason in told[:_SHOWN]:
        screen.print(f"skipped {path}: {reason}", style="yellow", markup=False, soft_wrap=True)
    if len(told) > _SHOWN:
        screen.print(f"skipped {len(told) - _SHOWN} more files", style="yellow")
