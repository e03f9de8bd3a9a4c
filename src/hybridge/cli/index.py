"""`hybridge index`: files and folders into an index, in slices, so that a long run can resume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sized
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from .options import Location, Making, Sharding, takes

if TYPE_CHECKING:
    from ..index import HybridIndex
    from ..passages import Passage

__all__ = ["add_changed", "index"]

_SLICE = 64  # passages: what a cut loses at most, and a step of the bar
_SHOWN = 10  # skipped files named for each reason


def _to_template(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    # Shells pass both as two characters.
    return None if value is None else value.replace(r"\n", "\n").replace(r"\t", "\t")


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--to", "directory", metavar="DIR", help="Folder of the index.")
@takes("location", Location)
@takes("making", Making)
@takes("sharding", Sharding)
@click.option("--late-interaction", is_flag=True, help="Keep token vectors too, in a new index.")
@click.option(
    "--search-text",
    metavar="TEMPLATE",
    callback=_to_template,
    help=r"Searched instead of the text alone, in a new index: '{source}\n{text}'. "
    "Titles are in the text already.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keeps the passages' vectors for other indexes: a folder.",
)
@click.option("--size", type=click.IntRange(min=1), help="Greatest characters a passage.")
@click.option("--prune", is_flag=True, help="Remove what was indexed from files that are gone.")
@click.option("--strict", is_flag=True, help="Index nothing if a file would be skipped.")
def index(
    paths: tuple[Path, ...],
    location: Location,
    making: Making,
    sharding: Sharding,
    late_interaction: bool,
    search_text: str | None,
    cache: Path | None,
    size: int | None,
    prune: bool,
    strict: bool,
) -> None:
    """Index files and folders.

    Read are text, Markdown, reStructuredText, HTML, EPUB, CSV, notebooks, JSONL and BEIR; with the
    extra 'files' also PDF, DOCX, PPTX, XLSX and source code. What is skipped is named at the end.

    The index is made if there is none yet; what it holds already as it is, is left alone.
    """
    from ..errors import IndexNotFoundError, InvalidInputError
    from ..readers import NO_TEXT, read_files
    from ..splitting import PASSAGE_SIZE
    from ..vectors import Cluster
    from .output import console
    from .tracking import Tracking

    location.check()
    screen = console()  # at once, so that a missing extra is named before any work
    greatest = size if size is not None else PASSAGE_SIZE
    # Read once to find every mistake before any work, and again while indexing: it is fast, and a
    # large collection need not fit in memory.
    skipped = _Skipped(location.directory)
    total = sum(1 for _ in read_files(paths, size=greatest, on_skip=skipped))
    if strict and skipped.reasons:
        raise InvalidInputError(f"nothing was indexed: {skipped}")
    if not total and not prune:
        skipped.show()
        raise InvalidInputError(f"there is no text to index in {', '.join(map(str, paths))}")

    own = {
        "encoder": making.bi_encoder,
        "analyzer": making.analyzer,
        "search_text": search_text,
        "passage_cache": cache,
    }
    options = {name: value for name, value in own.items() if value}
    lexical = making.lexical
    try:
        opened = location.open(read_only=False, **options)
    except IndexNotFoundError:
        if not total:
            raise
        new: dict[str, Any] = {"lexical": lexical} if lexical else {}
        if sharding.numbers:
            new["cluster"] = Cluster(**sharding.numbers)
        opened = location.create(**options, **new, late_interaction=late_interaction)
    start = perf_counter()
    with opened:
        if lexical is not None and lexical != (held := opened.lexical):
            raise InvalidInputError(
                f"{location} was made with --lexical {held}: leave the option out, or make a "
                "new index"
            )
        if late_interaction and opened.late_interaction is None:
            raise InvalidInputError(
                f"{location} was made without --late-interaction: leave the option out, or make a "
                "new index"
            )
        skipped = _Skipped(location.directory)
        tracking = Tracking(paths)
        second = tracking.follow(read_files(paths, size=greatest, on_skip=skipped))
        added = add_changed(opened, second, total)
        empty = [path for path, reason in skipped.reasons.items() if reason == NO_TEXT]
        replaced, gone = tracking.compare(opened, empty=empty)
        removed = replaced + gone if prune else replaced
        if removed:
            opened.delete(removed)
        if added or removed:
            opened.optimize()
        holds = len(opened)
    lines = [
        f"Read {total:,} passages: {added:,} new or changed, {len(removed):,} removed, in "
        f"{perf_counter() - start:.1f} s. {location} holds {holds:,}."
    ]
    if gone and not prune:
        lines.append(
            f"{_counted(gone, 'passage')} of files or entries that are gone: --prune removes them."
        )
    if skipped.reasons:
        lines.append(f"{_counted(skipped.reasons, 'file')} skipped.")
    screen.print("\n".join(lines), markup=False, soft_wrap=True)
    skipped.show()
    if strict and skipped.reasons:  # by what changed since the first reading
        raise InvalidInputError(f"the rest was indexed: {skipped}")


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


def _counted(things: Sized, name: str) -> str:
    return f"{len(things):,} {name}{'' if len(things) == 1 else 's'}"


class _Skipped:
    """The files that were not read, and why; to be called with each."""

    def __init__(self, directory: str | None) -> None:
        # An index inside the folder that is indexed is no loss.
        self._index = Path(directory).absolute() if directory else None
        self.reasons: dict[Path, str] = {}

    def __call__(self, path: Path, reason: str) -> None:
        if self._index is None or self._index not in path.absolute().parents:
            self.reasons[path] = reason

    def __str__(self) -> str:
        named = "; ".join(f"{path} ({reason})" for path, reason in self.reasons.items())
        return f"{_counted(self.reasons, 'file')} cannot be read: {named}"

    def show(self) -> None:
        """Name the files, and of many with one reason the first."""
        from .output import console

        screen = console(stderr=True)
        shown = Counter[str]()
        for path, reason in self.reasons.items():
            shown[reason] += 1
            if shown[reason] <= _SHOWN:
                screen.print(
                    f"skipped {path}: {reason}", style="yellow", markup=False, soft_wrap=True
                )
        if rest := sum(max(0, count - _SHOWN) for count in shown.values()):
            screen.print(f"skipped {rest:,} more files", style="yellow")
