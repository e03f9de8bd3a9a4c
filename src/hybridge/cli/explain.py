"""`hybridge explain`: why passages rank where they do for a question, and why one was missed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InvalidInputError
from .files import file_option
from .fusing import Question
from .options import json_option, takes
from .reranking import Reranking
from .search import print_hits

if TYPE_CHECKING:
    from ..explanation import Explanation, MaxSimPart, SearchExplanation
    from ..plots import Picture

__all__ = ["explain"]

_PICTURES = ("flow", "scores", "terms", "tokens")


@click.command()
@takes("question", Question)
@click.option("--passage", metavar="ID", help="Explain this passage, found or not.")
@takes("reranking", Reranking)
@file_option("--plot", ".png", ".svg", help="A picture: .png or .svg.")
@click.option(
    "--picture",
    type=click.Choice(_PICTURES),
    help="Of the ranks through the stages, the candidates' scores, the terms or the tokens.  "
    "[default: flow; with --passage tokens, or terms where no tokens are compared]",
)
@file_option("--html", ".html", help="The explanation as a page: .html.")
@json_option
def explain(
    question: Question,
    passage: str | None,
    reranking: Reranking,
    plot: Path | None,
    picture: str | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Explain what the index in DIR (leave it out with --url) answers to QUERY.

    Without --passage, the answers and the first of them in full.
    """
    from ..explanation import explain as explain_passage
    from ..explanation import explain_search, explanation_to_json
    from .output import console, print_json

    query, k, where = question.text, question.k, question.where
    if picture is not None and plot is None:
        raise click.UsageError("--picture needs a file to write: give one with --plot.")
    with question.searched(reranking) as retriever:
        search = one = None
        if passage is not None:
            one = explain_passage(retriever, query, passage, k=k, where=where)
        if passage is None or picture in ("flow", "scores"):
            search = explain_search(retriever, query, k, where=where)
    shown = search if one is None else one
    assert shown is not None
    if one is None and search is not None and search.explanations:
        one = search.explanations[0]
    if plot is not None:
        _picture(picture or _usual(passage, one), search, one).save(plot)
    if html is not None:
        from ..explanation.renderable import report
        from ..report import to_page

        html.write_text(to_page(report(shown), query), "utf-8")
    if as_json:
        print_json(explanation_to_json(shown))
        return
    if passage is None and search is not None:
        print_hits(search.hits, explain=True)
    if one is not None:
        console().print(one)


def _usual(passage: str | None, one: Explanation | None) -> str:
    if passage is None:
        return "flow"
    return "terms" if one is None or _tokens(one) is None else "tokens"


def _picture(name: str, search: SearchExplanation | None, one: Explanation | None) -> Picture:
    from .. import plots

    if search is not None and name in ("flow", "scores"):
        draw = plots.rank_flow if name == "flow" else plots.score_distributions
        return draw(search.candidates, top=len(search.hits))
    if one is None:
        raise InvalidInputError("nothing was found that could be drawn: ask another question")
    return plots.term_parts(one.bm25) if name == "terms" else plots.max_sim(_tokens(one))


def _tokens(one: Explanation) -> MaxSimPart | None:
    """Return the comparison of tokens by the index, or else by the first reranker with one."""
    parts = [one.late_interaction, *(part.max_sim for part in one.rerankers)]
    return next((part for part in parts if part is not None), None)
