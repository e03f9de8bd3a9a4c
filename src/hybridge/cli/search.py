"""`hybridge search`: the passages that answer a question, with each stage's score on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .fusing import Question
from .options import json_option, takes
from .reranking import Reranking
from .results import Results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..passages import Hit

__all__ = ["print_hits", "search"]


@click.command()
@takes("question", Question)
@takes("reranking", Reranking)
@takes("results", Results)
@click.option("--explain", is_flag=True, help="Show every stage's rank and score.")
@json_option
def search(
    question: Question, reranking: Reranking, results: Results, explain: bool, as_json: bool
) -> None:
    """Search the index in DIR (leave it out with --url) for QUERY.

    Reranking by colbert uses the index's token vectors where it keeps them (hybridge index
    --late-interaction), and else reads the candidates' texts.
    """
    from .output import hit_to_json, print_json

    text = question.text
    with question.searched(reranking) as retriever:
        [hits] = results.of(retriever).search([text], question.k, where=question.where)
    if as_json:
        print_json([hit_to_json(hit) for hit in hits])
    else:
        print_hits(hits, explain)


def print_hits(hits: Sequence[Hit], explain: bool) -> None:
    """Print answers as a table; with `explain`, every stage's rank and score too.

    Before them stands the query, if its spelling was corrected.
    """
    from ..report import Line, Section, Styled, Table, number
    from ..spelling import corrected_query
    from .output import body_of, console, label_of, name_of

    if not hits:
        console().print("Nothing was found.")
        return
    if (query := corrected_query(hits)) is not None:
        console().print(Section(body=[("Showing results for ", Styled(query, "strong"))]))
    rows: list[list[Line]] = []
    for rank, hit in enumerate(hits, start=1):
        scores = number(hit.score)
        if explain:
            labels = [label_of(entry.stage) for entry in hit.trace]
            width = max(map(len, labels)) + 1
            scores = "\n".join(
                f"{label:<{width}}#{entry.rank:<4}{number(entry.score)}"
                for label, entry in zip(labels, hit.trace, strict=True)
            )
        passage = (*name_of(hit.passage), f"\n{body_of(hit.passage, 300)}\n")
        rows.append([str(rank), scores, passage])
    console().print(Section(body=[Table((), rows, wide=-1)]))
