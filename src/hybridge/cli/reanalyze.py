"""`hybridge reanalyze`: another analyzer, or other synonyms, for the BM25 of an index."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click

from .options import Location, takes, to_analyzer

__all__ = ["reanalyze"]


@click.command()
@click.argument("directory", required=False, metavar="DIR")
@takes("location", Location)
@click.option(
    "--language",
    "analyzer",
    callback=to_analyzer,
    help="Of the texts: a name or ISO code, or 'none'.  [default: the language that the index has]",
)
@click.option(
    "--synonyms",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file of synonyms for queries; without --language nothing else is changed.",
)
@click.option("--stage", help="Name of a BM25 stage.  [default: the first]")
def reanalyze(location: Location, analyzer: Any, synonyms: Path | None, stage: str | None) -> None:
    """Read the texts of the index in DIR (or at --url) anew for BM25, and encode nothing.

    Without --language the words are those of the latest version of the analyzer that it has.
    """
    from ..errors import InvalidInputError
    from ..lexical import Synonyms
    from ..stages import BM25
    from .output import console

    table = None if synonyms is None else Synonyms(synonyms)
    with location.open_without_encoders(read_only=False) as index:
        stages = index._stages
        name = stages.first(BM25).name if stage is None else stage
        if not isinstance(stages.definitions.get(name), BM25):
            raise InvalidInputError(f"{location} has no BM25 stage {name!r}")
        definition = cast(BM25, stages.current(name))
        if table is not None:
            index.set_synonyms(table, stage=name)
            definition = definition.with_synonyms(table)
        if table is None or analyzer is not None:
            definition = definition.with_analyzer(analyzer)
            index.replace_stage(name, definition)
        done = f"{location}: {name!r} reads {len(index):,} passages with {definition.analyzer!r}"
    with_synonyms = "" if definition.synonyms is None else f" and {definition.synonyms!r}"
    console().print(f"{done}{with_synonyms}.", markup=False, soft_wrap=True)
