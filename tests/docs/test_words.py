"""The READMEs and the guides use the words of information retrieval, and no phrases of our own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "integrations").glob("*/README.md"),
    ]
)
CODE = "stage|index|retriever|reranker|encoder|pipeline|fusion|store|engine|bm25"

# What is banned, a sentence that it finds, and what to write instead.
BANNED = [
    (r"\bthoughts?\b|\bopinions?\b", "what each stage thought of it", "score, rank"),
    (r"\bsays? of\b|\b(?:its|their|a|'s) say\b", "with every stage's say in view", "score, rank"),
    (r"\bhalves\b|\bhalf and half\b", "its halves alone are retrievers", "stages; equal weights"),
    (
        r"\b(?:each|either|both|one|every|other|own|vector|dense|bm25)(?:'s)? half\b(?! of)",
        "below its own vector half",
        "stage",
    ),
    (
        r"\bhalf (?:of )?the evidence\b|\bby half\b",
        "scored by half the evidence",
        "by one stage alone",
    ),
    (r"(?<!by )(?<!other )\bhand(?:s|ed|ing)? (?:on|over)\b", "it hands on the best 100", "pass"),
    (
        r"\btold\b|\btells?\b(?! .{1,40}\b(?:from|apart)\b)",
        "told while a search runs",
        "emit, show",
    ),
    (
        r"\bjudg(?:e|es|ed|ing) (?:(?:the|a|each|every|all|its) )?"
        r"(?:best|candidates?|passages?|hits?|documents?|nodes?|it|them|what)\b",
        "the others judge what a first stage found",
        "score",
    ),
    (
        rf"\b(?:{CODE})s? (?:says?|asks?|thinks?|knows?|wants?|believes?|remembers?)\b",
        "what stages think",
        "a verb for code: scores, returns, raises",
    ),
    (
        r"\bask(?:s|ed|ing)? (?:each|every|both|all|an?|the) "
        rf"(?:half|of (?:them|the|both)|(?:{CODE})s?)\b",
        "it asks each stage once",
        "run, score",
    ),
    (
        r"\bwhat (?:it|they|you|one) (?:(?:was|were|is|are) given|received|gets?)\b",
        "blended with what it received",
        "input, candidates, previous score",
    ),
    (r"\bthat there (?:is|are) not\b", "a field that there is not", "unknown"),
    (r"\bonce it is sure\b", "it writes once it is sure that all fit", "validate; raise if"),
    (r"\bof (?:its|their|one's|his) own\b", "in a process of its own", "own, separate"),
    (
        r"\bnobody\b|\bno one's\b|\bwhoever\b|(?:^|[.;:] )who [^.?!\n]*[.;:]",
        "Who has no labels begins with known items.",
        "a sentence with a subject that exists",
    ),
    (r"\b(?:unless|until) you (?:say|ask)\b", "English unless you say so", "by default"),
]
LEGITIMATE = """
A passage of one stage alone has both scores. The other half of the queries is held out.
Half of the weight is too much. It scores half of the candidates. It takes half a second.
Expectations are computed by hand on three passages; on the other hand over 50,000 need a script.
Relevance judgements come from people: 195 judged questions. A judged query has at least one label.
How to tell a gain from luck, and to tell two documents apart. The message says what to do.
Who reads this? People who have a chain with bad answers. Use your own encoder, or its own settings.
A user asks a question about the index. It is in its own folder. I thus say so.
""".strip().splitlines()


def found(text: str) -> list[str]:
    """Return each banned phrase of the text, with its line and what to write instead."""
    return [
        f"line {number}: {phrase[0]!r}: write {instead!r}"
        for number, line in enumerate(text.splitlines(), start=1)
        for pattern, _, instead in BANNED
        for phrase in re.finditer(pattern, re.sub(r"`[^`]+`", "``", line), re.IGNORECASE)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_has_no_banned_phrase(page: Path) -> None:
    assert found(page.read_text("utf-8")) == []


def test_the_pages_are_found() -> None:
    names = {page.relative_to(ROOT).as_posix() for page in PAGES}
    assert names > {
        "README.md",
        "docs/architecture.md",
        "docs/guides/indexing.md",
        "integrations/langchain/README.md",
        "integrations/llama_index/README.md",
    }


@pytest.mark.parametrize(("pattern", "sentence"), [banned[:2] for banned in BANNED])
def test_a_banned_phrase_is_found(pattern: str, sentence: str) -> None:
    assert re.search(pattern, sentence, re.IGNORECASE)
    assert found(f"First line.\n{sentence}")[0].startswith("line 2: ")


@pytest.mark.parametrize("sentence", LEGITIMATE)
def test_the_same_words_in_their_usual_meaning_are_not(sentence: str) -> None:
    assert found(sentence) == []


def test_names_in_code_are_not_prose() -> None:
    assert found("Its method `told` has no `say of` its meaning.") == []
