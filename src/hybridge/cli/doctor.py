"""`hybridge doctor`: what is installed, what is missing, and how to close the gaps."""

from __future__ import annotations

import click

from .options import Location, json_option, takes

__all__ = ["doctor"]


@click.command()
@click.argument("directory", required=False, metavar="[DIR]", type=click.Path(exists=True))
@takes("location", Location)
@json_option
@click.pass_context
def doctor(ctx: click.Context, location: Location, as_json: bool) -> None:
    """Look for what is missing: packages, models, compilers, threads; and at the index in DIR.

    With --url it looks at a server, and at the index in the collection there.

    The exit code is 1 if the core cannot work with what is here, and 0 otherwise.
    """
    from ..doctor import examine
    from .output import console, print_json

    with console(stderr=True).status("Looking …"):
        if location.url is not None:
            report = examine(**location.server)
        else:
            report = examine() if location.directory is None else examine(location.directory)
    if as_json:
        print_json(report.to_json())
    else:
        console().print(report)
    ctx.exit(0 if report.works else 1)
