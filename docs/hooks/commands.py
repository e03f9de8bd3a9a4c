"""The command line's page: every command's own help, as the commands print it."""

from __future__ import annotations

import click

from hybridge.cli.commands import hybridge

MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put the help where the page asks for it."""
    return markdown.replace(MARK, commands()) if MARK in markdown else markdown


def commands() -> str:
    """A section for each command, in the order in which `hybridge --help` lists them."""
    settings = {**hybridge.context_settings, "terminal_width": 88}
    parent = click.Context(hybridge, info_name="hybridge", **settings)
    return "\n\n".join(
        f"## hybridge {name}\n\n```text\n{_help(name, parent)}\n```"
        for name in hybridge.list_commands(parent)
    )


def _help(name: str, parent: click.Context) -> str:
    command = hybridge.commands[name]
    with click.Context(command, parent=parent, info_name=name) as context:
        return command.get_help(context)
