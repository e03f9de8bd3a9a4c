"""Explanations are shown short, whole and safely, on whatever shows them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge import BM25Retriever, HybridIndex, Passage, Pipeline
from hybridge.colbert import ColBERTReranker
from hybridge.explanation import (
    Explanation,
    MaxSimPart,
    SearchExplanation,
    explain,
    explain_search,
)
from hybridge.explanation.layout import strongest
from hybridge.explanation.renderable import report
from hybridge.report import to_page
from hybridge.testing import PASSAGES, QUERIES

from ..test_report import BAD, Tags, rich_text
from .conftest import WordTokens


@pytest.fixture(scope="module")
def whole(index: HybridIndex) -> Explanation:
    """One with every part there is."""
    pipeline = Pipeline(index.tuned(blend=0.5), ColBERTReranker(WordTokens()), depth=5)
    return explain(pipeline, QUERIES[0], "kitchen-2")


def test_all_numbers_are_in_all_forms(whole: Explanation) -> None:
    assert whole.bm25 is not None
    assert whole.dense is not None
    assert whole.late_blend is not None
    told = [
        whole.passage.id,
        f"BM25 {whole.bm25.score:.3f}",
        f"cosine {whole.dense.score:.3f}",
        "fusion",
        f"late-interaction blended: {whole.late_blend.after:.3f}",
        f"colbert blended: {whole.rerankers[0].after:.3f}",
        f"rank {whole.rank}, score {whole.score:.3f}",
    ]
    html = " ".join(Tags(whole._repr_html_()).words)
    for form in (str(whole), rich_text(whole), html):
        for words in told:
            assert words in form


def test_text_is_short_and_aligned(whole: Explanation) -> None:
    lines = str(whole).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 122
    assert all(line == line.rstrip() for line in lines)
    head = next(at for at, line in enumerate(lines) if line.split()[:1] == ["stage"])
    assert {len(line) for line in lines[head : head + 3]} == {len(lines[head])}


def test_a_long_query_stays_short() -> None:
    text = " ".join(f"q{first}{second}k" for first in "abcde" for second in "abcdefghij")
    found = explain(BM25Retriever([Passage("p", text)]), text, "p")
    assert len(str(found).splitlines()) <= 15
    assert "… and 42 more" in str(found)


def test_bad_text_stays_text(index: HybridIndex) -> None:
    bm25 = BM25Retriever([Passage(BAD, f"{BAD} cats {BAD}", {"title": BAD})], analyzer=str.split)
    found = explain_search(bm25, f"cats {BAD}")
    for part in (found, found.explanations[0], found.explanations[0].bm25):
        assert part is not None
        tags = Tags(part._repr_html_())
        assert "script" not in tags.names
        assert "\x1b" not in str(part)
        assert "\x1b" not in rich_text(part)
    assert "<script>" not in to_page(report(found), BAD)
    assert "[bold]" in rich_text(found, 400)  # shown, and not obeyed


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_token_stays_text(query: str, passage: str, stage: str) -> None:
    part = MaxSimPart(stage, (query,), (passage,), np.array([[0.5]]), 0.5, 1)
    tags = Tags(part._repr_html_())
    tables = {"table", "thead", "tbody", "tr", "th", "td"}
    assert tags.names <= {"div", "style", "h4", "p", "span"} | tables
    assert len(str(part).splitlines()) == 4


def test_html_stands_alone(whole: Explanation) -> None:
    html = whole._repr_html_()
    assert "http" not in html
    assert "src=" not in html
    assert "<mark>" in html
    page = to_page(report(whole), "why")
    assert page.startswith("<!DOCTYPE html>")
    assert "color-scheme:light dark" in page
    assert page.count("<h4>") == html.count("<h4>")


def test_a_search_shows_its_answers_and_each_explanation() -> None:
    found = explain_search(BM25Retriever(PASSAGES), QUERIES[0], 3)
    assert isinstance(found, SearchExplanation)
    html = found._repr_html_()
    assert html.count("<details>") == 3
    for hit in found.hits:
        assert hit.passage.id in str(found)
        assert hit.passage.id in rich_text(found)
        assert hit.passage.id in html


def test_tokens_are_compared_in_a_heat_map_or_by_the_strongest_pairs() -> None:
    matrix = np.array([[0.1, 0.9], [0.8, 0.2]])
    part = MaxSimPart("colbert", ("a", "b"), ("c", "d"), matrix, 1.7, 1)
    assert part._repr_html_().count('class="best ') == 2
    assert strongest(part) == [("a", "d", 0.9), ("b", "c", 0.8)]
    large = replace(
        part, matrix=np.zeros((100, 100)), query_tokens=("a",) * 100, passage_tokens=("b",) * 100
    )
    assert 'class="best ' not in large._repr_html_()
    assert "similarity" in large._repr_html_()


def test_notebooks_get_both_forms(whole: Explanation) -> None:
    bundle = whole._repr_mimebundle_(include=None, exclude=None)
    assert bundle == {"text/plain": str(whole), "text/html": whole._repr_html_()}
