"""What commands measure on: an index with your own questions, or a judged collection."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click

from ..errors import InvalidInputError
from .fusing import Others, fused_with
from .options import Making

if TYPE_CHECKING:
    from ..evaluation import Collection
    from ..fused import FusedRetriever
    from ..index import HybridIndex
    from ..report import Renderable

__all__ = ["FILE", "Judged", "Questions", "print_result", "read_judged"]

logger = logging.getLogger(__name__)

FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass
class Questions:
    """Your own questions, and the passages of an index that answer them."""

    directory: Annotated[
        Path, click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
    ]
    queries: Annotated[
        Path | None,
        click.option(
            "--queries", type=FILE, help="Your questions: JSONL, CSV or TSV, id and text."
        ),
    ]
    qrels: Annotated[
        Path | None,
        click.option(
            "--qrels",
            type=FILE,
            help="Their answers: query id, passage id, relevance. Alone, a file with the questions "
            "too: LlamaIndex's data sets (JSON), clicks, thumbs.",
        ),
    ]
    known_items: Annotated[
        int | None,
        click.option(
            "--known-items",
            type=click.IntRange(min=2),
            metavar="N",
            help="Instead, N synthetic questions made of the passages' words.",
        ),
    ]

    def __post_init__(self) -> None:
        """Refuse options that exclude each other."""
        if not self.has_own_questions:
            raise click.UsageError(
                f"{self.directory} is an index: say what to ask it, by --queries and --qrels "
                "or by --known-items."
            )
        if (self.queries is None) != (self.qrels is None) and not self._has_both_in_one:
            raise click.UsageError("--queries and --qrels go together.")
        if self.known_items is not None and self.qrels is not None:
            raise click.UsageError("Give --queries and --qrels, or --known-items, not both.")

    @property
    def has_own_questions(self) -> bool:
        """Whether `directory` is an index."""
        return any(each is not None for each in (self.queries, self.qrels, self.known_items))

    @property
    def _has_both_in_one(self) -> bool:
        """Whether the file of the answers has the questions too."""
        from ..evaluation.judged_file import has_questions

        return self.qrels is not None and has_questions(self.qrels)

    @property
    def name(self) -> str:
        """The name of the judgements."""
        if self.known_items is not None:
            return "synthetic known-item queries"
        assert self.qrels is not None
        return self.qrels.name

    def facts(
        self, index: HybridIndex, collection: Collection, fused: FusedRetriever | None = None
    ) -> dict[str, Any]:
        """Describe the collection as JSON."""
        indexes: Mapping[str, Any] = {self.directory.resolve().name: index}
        if fused is not None:
            indexes = fused.retrievers
        encoder = None
        with suppress(InvalidInputError):  # there is no dense stage
            encoder = index.encoder.identity
        return {
            "collection": " + ".join(indexes),
            "split": self.name,
            "passages": sum(map(len, indexes.values())),
            "queries": sum(query in collection.qrels for query in collection.queries),
            "encoder": encoder,
        }

    def read(self, index: HybridIndex) -> Collection:
        """Read the questions and their answers."""
        from ..evaluation import known_item_queries

        if self.known_items is not None:
            language: Any = None
            with suppress(InvalidInputError):  # there is no BM25 stage
                language = index.analyzer.to_config().get("language")
            return known_item_queries(index, self.known_items, language=language)
        assert self.qrels is not None  # --queries does not come alone
        return read_judged(index, self.queries, self.qrels)


@dataclass
class Judged(Others, Making, Questions):
    """Passages in an index, questions, and the passages that answer them."""

    split: Annotated[
        str | None, click.option("--split", help="Of a collection: qrels/*.tsv.  [default: test]")
    ]
    cache: Annotated[
        Path | None,
        click.option(
            "--cache",
            type=click.Path(path_type=Path, file_okay=False),
            help="Keeps the passages' vectors: a folder.",
        ),
    ]

    def __post_init__(self) -> None:
        """Refuse options that exclude each other."""
        if self.has_own_questions or (self.directory / "manifest.json").is_file():
            super().__post_init__()
        elif self.others:
            raise click.UsageError("--with is for an index, with questions of your own.")
        if not self.has_own_questions:
            return
        of_a_collection = {
            "--split": self.split,
            "--encoder": self.encoder,
            "--dtype": self.dtype,
            "--language": self.analyzer,
            "--lexical": self.lexical,
            "--cache": self.cache,
        }
        for flag, value in of_a_collection.items():
            if value is not None:
                raise click.UsageError(f"{flag} is for a collection: an index has its own.")

    @property
    def name(self) -> str:
        """The name of the judgements."""
        return super().name if self.has_own_questions else self.split or "test"

    @contextmanager
    def open(
        self, late_interaction: Any = None
    ) -> Iterator[tuple[HybridIndex, FusedRetriever | None, Collection]]:
        """Open the index, and further ones fused with it if there are some; read the questions.

        Args:
            late_interaction: of an index that has still to be created.
        """
        with (
            self._index(late_interaction) as (index, collection),
            fused_with(index, str(self.directory), self.others) as fused,
        ):
            yield index, fused, collection

    @contextmanager
    def _index(self, late_interaction: Any) -> Iterator[tuple[HybridIndex, Collection]]:
        from ..index import HybridIndex

        if self.has_own_questions:
            with HybridIndex.open(str(self.directory), read_only=True) as index:
                yield index, self.read(index)
            return
        from ..evaluation import load_beir
        from .output import console

        collection = load_beir(self.directory, self.split or "test")
        options: dict[str, Any] = {
            "encoder": self.bi_encoder,
            "analyzer": self.analyzer,
            "lexical": self.lexical,
            "late_interaction": late_interaction,
            "passage_cache": self.cache,
        }
        options = {name: value for name, value in options.items() if value is not None}
        with HybridIndex.create(**options) as index:
            index.add(collection.passages, progress=console(stderr=True).is_terminal)
            yield index, collection


def read_judged(index: HybridIndex, queries: Path | None, qrels: Path) -> Collection:
    """Read questions and their answers, and warn of passages in them that the index lacks.

    Args:
        index: the index.
        queries: the file of the questions; None if that of the answers has them too.
        qrels: the file of the answers.
    """
    from ..evaluation import Collection, load_judged, read_qrels, read_queries

    if queries is None:
        judged = load_judged(qrels, index)
    else:
        judged = Collection((), read_queries(queries), read_qrels(qrels))
    ids = sorted({passage for grades in judged.qrels.values() for passage in grades})
    found = index.get(ids)
    if missing := [id_ for id_, passage in zip(ids, found, strict=True) if passage is None]:
        logger.warning(
            "%s judges %d passages, of which the index lacks %d (the first: %r): they are "
            "never found",
            *(qrels, len(ids), len(missing), missing[0]),
        )
    return judged


def print_result(
    facts: Mapping[str, Any], result: Renderable, figures: Mapping[str, Any] | None
) -> None:
    """Print what was measured, and on what.

    Args:
        facts: those of `Judged.facts`.
        result: for people.
        figures: for machines; None prints the result.
    """
    from .output import console, print_json

    if figures is not None:
        print_json({**facts, **figures})
        return
    title = "{collection} ({split}): {queries:,} queries, {passages:,} passages"
    console().print(title.format(**facts), markup=False)
    console().print(result)
