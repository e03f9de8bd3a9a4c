"""`hybridge doctor`: what is installed, what is missing, and how to close the gaps."""

from __future__ import annotations

import click

from .options import json_option

__all__ = ["doctor"]


@click.command()
@click.argument("directory", required=False, metavar="[DIR]", type=click.Path(exists=True))
@json_option
@click.pass_context
def doctor(ctx: click.Context, directory: str | None, as_json: bool) -> None:
    """Look for what is missing: packages, models, compilers, threads; and at the index in DIR.

    The exit code is 1 if the core cannot work with what is here, and 0 otherwise.
    """
    from ..doctor import examine
    from .output import console, print_json

    with console(stderr=True).status("Looking …"):
        report = examine() if directory is None else examine(directory)
    if as_json:
        print_json(report.to_json())
    else:
        console().print(report)
    ctx.exit(0 if report.works else 1)
