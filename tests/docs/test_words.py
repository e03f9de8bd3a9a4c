"""The READMEs, the guides and the code use the words of information retrieval."""

from __future__ import annotations

import ast
import json
import re
import tokenize
from collections.abc import Iterator
from io import StringIO
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
SHOWN = sorted([*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "benchmarks").glob("*.py")])
SOURCES = sorted(
    [
        *(ROOT / "src").rglob("*.py"),
        *(ROOT / "integrations").glob("*/langchain_hybridge/**/*.py"),
        *(ROOT / "integrations").glob("*/llama_index/**/*.py"),
    ]
)
# Packages whose code is not converted yet.
EXEMPT: set[str] = set()
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
STAGE = [banned for banned in BANNED if re.search(r"\bhal(?:f|ves)\b", banned[1])]
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


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_stage_is_called_so_in_notebooks_and_benchmarks(path: Path) -> None:
    source = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(source)["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    else:
        texts = [text for _, text in prose(source) if " " in text]
    for text in texts:
        for pattern, _, instead in STAGE:
            assert not re.search(pattern, text, re.IGNORECASE), f"write {instead!r}: {text}"


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


# In code: other phrases, and names.
BANNED_IN_CODE = [
    (r"\bwhat there is\b|\bwhat is there\b", "the best of what there is", "a noun"),
    (r"\bhow (?:it|they) (?:got|came) (?:there|about)\b", "and how it got there", "a noun"),
    (r"\bbelieves?\b|\bremembers?\b|\bforgets?\b", "it remembers the paths", "store, cache"),
    (r"\bis (?:asked|told|taken at its word)\b", "it is asked one by one", "is called, receives"),
    (r"\bno one\b|\banybody\b|\beverybody\b", "colours for everybody", "a noun"),
    (r"\bat hand\b|\bin hand\b", "with a lock in hand", "current; hold"),
    (r"\bby so many\b|\bso many (?:points|passages)\b", "by so many points", "a parameter"),
]
NAMES = {
    "asked": "queries, batch",
    "at": "i, index",
    "given": "input, candidates",
    "kept": "stored, non-blank",
    "least": "minimum",
    "place": "position",
    "places": "positions",
    "said": "message",
    "thought": "score",
    "told": "emitted, logged",
    "wanted": "expected, queries",
}


def prose(source: str) -> Iterator[tuple[int, str]]:
    """Yield each docstring, string constant and comment of a file on one line, with its number."""
    nodes = list(ast.walk(ast.parse(source)))
    formatted = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    parts = {id(value) for node in formatted for value in node.values}
    for node in nodes:
        match node:
            case ast.JoinedStr(values=values):
                text = "".join(
                    str(value.value) if isinstance(value, ast.Constant) else "``"
                    for value in values
                )
            case ast.Constant(value=str(text)) if id(node) not in parts:
                pass
            case _:
                continue
        yield node.lineno, " ".join(re.sub(r"(?m)^\s*(?:>>>|\.\.\. ).*$", "", text).split())
    yield from _comments(source)


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the comments of a file; those of adjacent lines are one."""
    block: list[str] = []
    last = -1
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line = token.start[0]
            if line != last + 1 and block:
                yield last, " ".join(block)
                block = []
            block.append(token.string.lstrip("# "))
            last = line
    if block:
        yield last, " ".join(block)


def names(source: str) -> Iterator[tuple[int, str]]:
    """Yield each name that a file binds, with its line."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(attr=name, ctx=ast.Store())
                | ast.arg(arg=name)
                | ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield node.lineno, name


def found_in_code(source: str) -> list[str]:
    """Return each banned phrase and name of a file, with its line and what to write instead."""
    phrases = [
        f"line {line}: {phrase[0]!r}: write {instead!r}"
        for line, text in prose(source)
        if " " in text
        for pattern, _, instead in [*BANNED, *BANNED_IN_CODE]
        for phrase in re.finditer(pattern, re.sub(r"`[^`]+`", "``", text), re.IGNORECASE)
    ]
    return phrases + [
        f"line {line}: the name {name!r}: write {NAMES[name.strip('_')]!r}"
        for line, name in names(source)
        if name.strip("_") in NAMES
    ]


def unit(path: Path) -> str:
    """Return the package or module of Hybridge that holds a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] == "integrations" else parts[2]


CONVERTED = [path for path in SOURCES if unit(path) not in EXEMPT]


@pytest.mark.parametrize("path", CONVERTED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_code_has_no_banned_phrase_or_name(path: Path) -> None:
    assert found_in_code(path.read_text("utf-8")) == []


@pytest.mark.parametrize(("pattern", "sentence"), [banned[:2] for banned in BANNED_IN_CODE])
def test_a_phrase_banned_in_code_is_found(pattern: str, sentence: str) -> None:
    assert re.search(pattern, sentence, re.IGNORECASE)
    assert found_in_code(f'"""Return\n{sentence}."""')


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ('def f():\n    """Return the\n    halves."""', 2),
        ("x = 1\nraise E(f'{x} halves')", 2),
        ("x = ('two '\n     'halves')", 1),
        ("x = 1\n# It works once it\n# is sure.", 3),
        ("x = 1  # both halves", 1),
        ("def f(asked): ...", 1),
        ("for place in []: ...", 1),
        ("_told = 1", 1),
    ],
)
def test_phrases_are_found_in_every_part_of_code(source: str, line: int) -> None:
    assert [one.split(":")[0] for one in found_in_code(source)] == [f"line {line}"]


def test_code_in_code_is_no_prose() -> None:
    source = 'x = halves("halves", at=1)\n"""Return it.\n\n>>> f("its halves")\n"""\n# `a told b`'
    assert found_in_code(source) == []
