"""Options for what comes behind the hybrid search: late interaction and a cross-encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..index import HybridIndex
    from ..protocols import Reranker, Retriever

__all__ = ["COLBERT", "CROSS_ENCODER", "Reranking", "rerank_options"]

COLBERT, CROSS_ENCODER = "colbert", "cross-encoder"


@dataclass(frozen=True)
class Reranking:
    """Which rerankers were asked for, by which models, and how much they count.

    Args:
        names: in the order they are to run.
        models: a model's name on the hub or folder by reranker; None for the default.
        blend: a reranker's share in the score; None for the default.
    """

    names: Sequence[str]
    models: Mapping[str, str | None]
    blend: float | None

    def over(self, index: HybridIndex) -> Retriever:
        """The index with the rerankers behind it, in their order.

        Token vectors that the index keeps stand for those of the default model.
        """
        from ..pipeline import Pipeline

        if COLBERT not in self.names:
            return self.behind(index)
        kept = index.late_interaction if self.models[COLBERT] is None else None
        if kept is not None and self.names[0] == COLBERT:
            # Within the search it judges all candidates, not just the best.
            rest = map(self.reranker, self.names[1:])
            return Pipeline(index.tuned(**self.settings), *rest, **self.settings)
        rerankers = [
            kept if kept is not None and name == COLBERT else self.reranker(name)
            for name in self.names
        ]
        return Pipeline(index.tuned(blend=0.0), *rerankers, **self.settings)

    def behind(self, retriever: Retriever) -> Retriever:
        """Any retriever with the rerankers behind it, which read its candidates' texts."""
        from ..pipeline import Pipeline

        return Pipeline(retriever, *map(self.reranker, self.names), **self.settings)

    @property
    def late_interaction(self) -> str | bool | None:
        """What an index that is made for these rerankers is to keep."""
        return (self.models[COLBERT] or True) if COLBERT in self.names else None

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that say how much a reranker counts."""
        return {} if self.blend is None else {"blend": self.blend}

    def reranker(self, name: str) -> Reranker:
        """A new reranker of this name."""
        from ..colbert import ColBERTReranker
        from ..cross_encoder import CrossEncoderReranker

        if name == COLBERT:
            return ColBERTReranker(self.models[COLBERT])
        return CrossEncoderReranker(self.models[CROSS_ENCODER])


def rerank_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command a `reranking`."""

    @click.option(
        "--rerank",
        "names",
        multiple=True,
        type=click.Choice([COLBERT, CROSS_ENCODER]),
        help="Rerank the best candidates; repeatable, in order.",
    )
    @click.option("--colbert", help="Its model: a name on the hub, or a folder.")
    @click.option("--cross-encoder", help="Its model: a name on the hub, or a folder.")
    @click.option("--blend", type=click.FloatRange(0, 1), help="A reranker's share in the score.")
    @wraps(command)
    def with_reranking(
        names: tuple[str, ...],
        colbert: str | None,
        cross_encoder: str | None,
        blend: float | None,
        **rest: Any,
    ) -> None:
        # Naming a model asks for its reranker; asking for one twice is asking for it.
        models = {COLBERT: colbert, CROSS_ENCODER: cross_encoder}
        asked = [*dict.fromkeys([*names, *(name for name, model in models.items() if model)])]
        if blend is not None and not asked:
            raise click.UsageError("--blend is a reranker's share: ask for one with --rerank.")
        command(reranking=Reranking(asked, models, blend), **rest)

    return with_reranking
