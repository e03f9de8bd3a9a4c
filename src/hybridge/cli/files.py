"""Options that name files to write, refused before any work where they cannot be written."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from ..errors import MissingExtraError

__all__ = ["file_option"]

# What writes files of a kind; all of it comes with the extra `evaluation`.
_WRITERS = {".png": "matplotlib", ".svg": "matplotlib", ".csv": "pandas"}


def file_option(
    name: str,
    *suffixes: str,
    help: str,  # noqa: A002 - as click calls it
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare an option for a file to be written, whose name ends in one of the suffixes.

    >>> @click.command()
    ... @file_option("--plot", ".png", help="A picture.")
    ... def draw(plot): ...
    >>> from click.testing import CliRunner
    >>> CliRunner().invoke(draw, ["--plot", "a.gif"]).output.splitlines()[-1]
    "Error: Invalid value for '--plot': 'a.gif' does not end in .png"
    """

    def check(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
        if path is None:
            return None
        if path.suffix.lower() not in suffixes:
            raise click.BadParameter(f"{path.name!r} does not end in {' or '.join(suffixes)}")
        if not path.parent.is_dir():
            raise click.BadParameter(f"there is no folder {str(path.parent)!r}: make it first")
        writer = _WRITERS.get(path.suffix.lower())
        if writer is not None and find_spec(writer) is None:
            raise MissingExtraError(writer, "evaluation")
        return path

    return click.option(
        name, type=click.Path(path_type=Path, dir_okay=False), callback=check, help=help
    )
