"""Options for what comes behind the hybrid search: late interaction and a cross-encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import click

if TYPE_CHECKING:
    from ..index import HybridIndex
    from ..protocols import Reranker, Retriever

__all__ = ["COLBERT", "CROSS_ENCODER", "Reranking"]

COLBERT, CROSS_ENCODER = "colbert", "cross-encoder"


@dataclass
class Reranking:
    """The rerankers behind a search, their models, and their share in the score."""

    rerank: Annotated[
        Sequence[str],
        click.option(
            "--rerank",
            multiple=True,
            type=click.Choice([COLBERT, CROSS_ENCODER]),
            help="Rerank the best candidates; repeatable, in order.",
        ),
    ]
    colbert: Annotated[
        str | None, click.option("--colbert", help="Its model: a name on the hub, or a folder.")
    ]
    cross_encoder: Annotated[
        str | None,
        click.option("--cross-encoder", help="Its model: a name on the hub, or a folder."),
    ]
    blend: Annotated[
        float | None,
        click.option(
            "--blend", type=click.FloatRange(0, 1), help="A reranker's share in the score."
        ),
    ]

    def __post_init__(self) -> None:
        if self.blend is not None and not self.names:
            raise click.UsageError("--blend is a reranker's share: ask for one with --rerank.")

    @property
    def names(self) -> list[str]:
        """The rerankers, each once, in their order; to name a model is to ask for its reranker."""
        models = {COLBERT: self.colbert, CROSS_ENCODER: self.cross_encoder}
        return [*dict.fromkeys([*self.rerank, *(name for name in models if models[name])])]

    def over(self, index: HybridIndex, **options: Any) -> Retriever:
        """Put the rerankers behind an index, in their order.

        Token vectors that the index keeps stand for those of the default model.

        Args:
            index: the index.
            options: of its search, as for `HybridIndex.tuned`.
        """
        from ..pipeline import Pipeline

        if COLBERT not in self.names:
            return self.behind(index.tuned(**options))
        own = index.late_interaction if self.colbert is None else None
        if own is not None and self.names[0] == COLBERT:
            # Within the search it reranks all candidates, not just the best.
            rest = map(self.reranker, self.names[1:])
            return Pipeline(index.tuned(**options, **self.settings), *rest, **self.settings)
        rerankers = [
            own if own is not None and name == COLBERT else self.reranker(name)
            for name in self.names
        ]
        return Pipeline(index.tuned(**options, blend=0.0), *rerankers, **self.settings)

    def behind(self, retriever: Retriever) -> Retriever:
        """Put the rerankers behind any retriever; they read its candidates' texts."""
        from ..pipeline import Pipeline

        return Pipeline(retriever, *map(self.reranker, self.names), **self.settings)

    def by_name(self, index: HybridIndex) -> dict[str, Reranker]:
        """Return the rerankers by their names, in their order.

        Without the default model's where the index keeps token vectors for it: these rank within
        each of its searches.
        """
        own = index.late_interaction if self.colbert is None else None
        names = [name for name in self.names if own is None or name != COLBERT]
        return {name: self.reranker(name) for name in names}

    @property
    def late_interaction(self) -> str | bool | None:
        """The `late_interaction` of an index that is created for these rerankers."""
        return (self.colbert or True) if COLBERT in self.names else None

    @property
    def settings(self) -> dict[str, Any]:
        """The keyword for a reranker's share in the score, if it is set."""
        return {} if self.blend is None else {"blend": self.blend}

    def reranker(self, name: str) -> Reranker:
        """Create a reranker by name."""
        from ..colbert import ColBERTReranker
        from ..cross_encoder import CrossEncoderReranker

        if name == COLBERT:
            return ColBERTReranker(self.colbert)
        return CrossEncoderReranker(self.cross_encoder)
