"""What commands measure on: a judged collection, or an index with questions of one's own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .fusing import with_option
from .options import language_option, lexical_option

if TYPE_CHECKING:
    from ..analyzer import Analyzer
    from ..evaluation import Collection
    from ..fused import FusedRetriever
    from ..index import HybridIndex

__all__ = ["Judged", "judged_options", "title_of"]

logger = logging.getLogger(__name__)

_FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True)
class Judged:
    """Passages in an index, questions, and which passages answer them, as the options say.

    Args:
        directory: a collection in BEIR's layout, or with questions of one's own an index.
        queries: file with one's own questions.
        qrels: file with one's own judgements.
        known_items: how many questions to make of the passages instead.
        split: which of the collection's judgements.
        model: the bi-encoder of an index over the collection.
        analyzer: its analyzer.
        lexical: where its BM25 lives.
        cache: folder with the collection's vectors.
        others: further indexes, to be fused with that in `directory`.
    """

    directory: Path
    queries: Path | None
    qrels: Path | None
    known_items: int | None
    split: str | None
    model: str | None
    analyzer: Analyzer | None
    lexical: str | None
    cache: Path | None
    others: Sequence[str] = ()

    @property
    def has_own_questions(self) -> bool:
        """Whether `directory` is an index."""
        return any(given is not None for given in (self.queries, self.qrels, self.known_items))

    @property
    def name(self) -> str:
        """What the judgements are."""
        if self.known_items is not None:
            return "synthetic known-item queries"
        return self.qrels.name if self.qrels is not None else self.split or "test"

    def check(self) -> None:
        """Refuse options that exclude each other."""
        if not self.has_own_questions:
            if (self.directory / "manifest.json").is_file():
                raise click.UsageError(
                    f"{self.directory} is an index: say what to ask it, by --queries and --qrels "
                    "or by --known-items."
                )
            if self.others:
                raise click.UsageError("--with is for an index, with questions of your own.")
            return
        if (self.queries is None) != (self.qrels is None):
            raise click.UsageError("--queries and --qrels go together.")
        if self.known_items is not None and self.queries is not None:
            raise click.UsageError("Give --queries and --qrels, or --known-items, not both.")
        settled = {
            "--split": self.split,
            "--encoder": self.model,
            "--language": self.analyzer,
            "--lexical": self.lexical,
            "--cache": self.cache,
        }
        for option, value in settled.items():
            if value is not None:
                raise click.UsageError(f"{option} is for a collection: an index has its own.")

    @contextmanager
    def open(self, late: Any = None) -> Iterator[tuple[HybridIndex, Collection]]:
        """The index, and what to ask of it.

        Args:
            late: `late_interaction` of an index that has still to be made.
        """
        from ..index import HybridIndex

        if self.has_own_questions:
            with HybridIndex.open(str(self.directory), read_only=True) as index:
                yield index, self._own(index)
            return
        from ..encoders import SentenceTransformerEncoder
        from ..evaluation import load_beir
        from .cache import cached_vectors
        from .output import console, progress

        collection = load_beir(self.directory, self.split or "test")
        encoder = SentenceTransformerEncoder(self.model)
        terminal = console(stderr=True).is_terminal
        vectors = cached_vectors(encoder, collection.passages, self.cache, progress=terminal)
        options = {
            "analyzer": self.analyzer,
            "lexical": self.lexical,
            "late_interaction": late,
        }
        given: dict[str, Any] = {name: v for name, v in options.items() if v is not None}
        with HybridIndex.create(encoder=encoder, **given) as index:
            with progress() as bar:
                bar.add_task("Indexing", total=None)
                index.add(collection.passages, vectors=vectors, progress=False)
            yield index, collection

    def facts(
        self, index: HybridIndex, collection: Collection, fused: FusedRetriever | None = None
    ) -> dict[str, Any]:
        """What was measured on, as JSON."""
        indexes: Mapping[str, Any] = {self.directory.resolve().name: index}
        if fused is not None:
            indexes = fused.retrievers
        return {
            "collection": " + ".join(indexes),
            "split": self.name,
            "passages": sum(map(len, indexes.values())),
            "queries": sum(query in collection.qrels for query in collection.queries),
            "encoder": index.encoder.identity,
        }

    def _own(self, index: HybridIndex) -> Collection:
        from ..evaluation import Collection, known_item_queries, read_qrels, read_queries

        if self.known_items is not None:
            language: Any = index.analyzer.to_config().get("language")
            return known_item_queries(index, self.known_items, language=language)
        if self.queries is None or self.qrels is None:
            raise AssertionError("check() lets none of them come alone")
        own = Collection((), read_queries(self.queries), read_qrels(self.qrels))
        ids = sorted({passage for judged in own.qrels.values() for passage in judged})
        found = index.get(ids)
        if missing := [id_ for id_, passage in zip(ids, found, strict=True) if passage is None]:
            logger.warning(
                "%s judges %d passages, of which the index lacks %d (the first: %r): they are "
                "never found",
                *(self.qrels, len(ids), len(missing), missing[0]),
            )
        return own


def title_of(facts: Mapping[str, Any]) -> str:
    """What was measured on, in a line for people, of `Judged.facts`."""
    title = "{collection} ({split}): {queries:,} queries, {passages:,} passages"
    return title.format(**facts)


def judged_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command a `judged`, where its argument says `directory`."""

    @click.option("--queries", type=_FILE, help="Your questions: JSONL, CSV or TSV, id and text.")
    @click.option("--qrels", type=_FILE, help="Their answers: query id, passage id, relevance.")
    @click.option(
        "--known-items",
        type=click.IntRange(min=2),
        metavar="N",
        help="Instead, N synthetic questions made of the passages' words.",
    )
    @click.option("--split", help="Of a collection: qrels/*.tsv.  [default: test]")
    @click.option("--encoder", "model", help="Its bi-encoder: a name on the hub, or a folder.")
    @language_option
    @lexical_option
    @click.option("--cache", type=click.Path(path_type=Path), help="Keeps its vectors: a folder.")
    @with_option
    @wraps(command)
    def with_judged(
        directory: Path,
        queries: Path | None,
        qrels: Path | None,
        known_items: int | None,
        split: str | None,
        model: str | None,
        analyzer: Analyzer | None,
        lexical: str | None,
        cache: Path | None,
        others: tuple[str, ...],
        **rest: Any,
    ) -> None:
        judged = Judged(
            directory, queries, qrels, known_items, split, model, analyzer, lexical, cache, others
        )
        judged.check()
        command(judged=judged, **rest)

    return with_judged
