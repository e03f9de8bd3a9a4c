"""The group of commands; what goes wrong on purpose becomes one red line and exit code 1."""

from __future__ import annotations

import click

from .. import __version__
from ..errors import HybridgeError
from .adapt import adapt
from .demo import demo
from .doctor import doctor
from .evaluate import evaluate
from .explain import explain
from .fields import fields
from .index import index
from .info import info
from .mcp import mcp
from .models import models
from .reanalyze import reanalyze
from .reindex import reindex
from .search import search
from .serve import serve
from .tune import tune

__all__ = ["hybridge"]


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except HybridgeError as error:
            if ctx.params["debug"]:
                raise
            click.secho(f"Error: {' '.join(str(error).split())}", fg="red", err=True)
            ctx.exit(1)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order one needs them


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hybridge")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def hybridge(debug: bool) -> None:
    """Hybrid retrieval: BM25 and a bi-encoder, fused, with every stage's rank and score in view."""


_COMMANDS = (
    index,
    search,
    explain,
    evaluate,
    tune,
    adapt,
    reanalyze,
    reindex,
    info,
    fields,
    mcp,
    models,
    serve,
    demo,
    doctor,
)
for command in _COMMANDS:
    hybridge.add_command(command)
