"""Source code: which functions and classes there are, under which names, on which lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.passages import Passage
from hybridge.readers.code import SUFFIXES, read_code
from hybridge.readers.document import Document

from .conftest import read, told, write

PYTHON = '''"""What it is for."""

import os

LIMIT = 5


# What counts.
@cached
def count(things):
    """How many."""
    return len(things)


class Whale(Animal):
    """It sings."""

    size = 30

    def sing(self):
        return "♪"

    def eat(self):
        def inner():
            return 1

        return inner()


if __name__ == "__main__":
    count([])
'''


def outline(passages: list[Passage]) -> list[tuple[Any, ...]]:
    return [row[:3] for row in told(passages, "title", "line", "last_line")]


def test_a_function_is_a_passage_with_its_lines(folder: Path) -> None:
    write(folder / "a.py", PYTHON)
    passages, skipped = read("a.py")
    assert skipped == {}
    assert outline(passages) == [
        (None, 1, 5),
        ("count", 8, 12),
        ("Whale", 15, 27),
        (None, 30, 31),
    ]
    assert passages[1].text == (
        'count\n\n# What counts.\n@cached\ndef count(things):\n    """How many."""\n'
        "    return len(things)"
    )
    assert {passage.metadata["language"] for passage in passages} == {"python"}


def test_a_class_that_does_not_fit_is_cut_into_its_methods(folder: Path) -> None:
    write(folder / "a.py", PYTHON)
    passages, _ = read("a.py", size=120)
    assert outline(passages) == [
        (None, 1, 5),
        ("count", 8, 12),
        ("Whale", 15, 18),
        ("Whale.sing", 20, 21),
        ("Whale.eat", 23, 27),
        (None, 30, 31),
    ]
    # Indentation says to whom a line belongs.
    assert passages[3].text == 'Whale.sing\n\n    def sing(self):\n        return "♪"'


def test_a_function_that_does_not_fit_is_cut_at_its_lines(folder: Path) -> None:
    body = "\n".join(f"    total += {number}" for number in range(100))
    write(folder / "a.py", f"def add(total):\n{body}\n    return total\n")
    passages, _ = read("a.py", size=300)
    assert len(passages) > 5
    assert {passage.metadata["title"] for passage in passages} == {"add"}
    lines = [(p.metadata["line"], p.metadata["last_line"]) for p in passages]
    assert lines[0][0] == 1
    assert lines[-1][1] == 102
    assert [first for first, _ in lines[1:]] == [last + 1 for _, last in lines[:-1]]


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        (
            "a.js",
            "import x from 'x';\n\n/**\n * Adds.\n */\nexport function add(a) {\n  return a;\n}\n\n"
            "class A {\n  m() {}\n}\nconst g = async (x) => {\n  return x;\n};\n",
            [(None, 1, 1), ("add", 3, 8), ("A", 10, 12), ("g", 13, 15)],
        ),
        (
            "a.ts",
            "export interface I {\n  a: string;\n}\nexport abstract class A<T> {}\n"
            "type X = string;\nnamespace N {\n  export function q() {}\n}\n",
            [("I", 1, 3), ("A", 4, 4), ("X", 5, 5), ("N", 6, 8)],
        ),
        (
            "a.tsx",
            "export const Page = () => <p>Text</p>;\n",
            [("Page", 1, 1)],
        ),
        (
            "a.java",
            "package a;\n\n/** Doc. */\n@Deprecated\npublic class A {\n  void m() {}\n}\n",
            [(None, 1, 1), ("A", 3, 7)],
        ),
        (
            "a.go",
            "package a\n\n// F does.\nfunc F() {}\n\nfunc (a *A) M() {}\n\n"
            "type A struct{ x int }\n",
            [(None, 1, 1), ("F", 3, 4), ("A.M", 6, 6), ("A", 8, 8)],
        ),
        (
            "a.rs",
            "use x;\n\n/// Doc.\n#[derive(Debug)]\npub struct A {\n    x: i32,\n}\n\n"
            "impl A {\n    fn new() {}\n}\nfn f() {}\n",
            [(None, 1, 1), ("A", 3, 7), ("A", 9, 11), ("f", 12, 12)],
        ),
        (
            "a.h",
            "#ifndef A_H\n#define A_H\n/* f */\nint *f(int x)\n{\n    return 0;\n}\n"
            "struct S { int x; };\n#endif\n",
            [(None, 1, 2), ("f", 3, 7), ("S", 8, 8), (None, 9, 9)],
        ),
        (
            "a.cpp",
            "namespace n {\nclass A {};\n}\ntemplate <class T>\nT g(T x) { return x; }\n"
            "int n::A::q() { return 1; }\n",
            [("n", 1, 3), ("g", 4, 5), ("n::A::q", 6, 6)],
        ),
        (
            "a.cs",
            "using System;\nnamespace N {\n  public class A { void M() {} }\n}\n",
            [(None, 1, 1), ("N", 2, 4)],
        ),
        (
            "a.rb",
            "require 'x'\n\n# M\nmodule M\n  class A\n    def m; end\n  end\nend\n",
            [(None, 1, 1), ("M", 3, 8)],
        ),
        (
            "a.php",
            "<?php\nuse X;\n\n/** f */\nfunction f() {}\nclass A { function m() {} }\n",
            [(None, 1, 2), ("f", 4, 5), ("A", 6, 6)],
        ),
        (
            "a.sh",
            "set -e\n# f\nf() {\n  echo 1\n}\nf\n",
            [(None, 1, 1), ("f", 2, 5), (None, 6, 6)],
        ),
    ],
)
def test_every_grammar_s_definitions(
    folder: Path, name: str, code: str, expected: list[tuple[Any, ...]]
) -> None:
    write(folder / name, code)
    passages, skipped = read(name)
    assert skipped == {}
    assert outline(passages) == expected


def test_nested_definitions_are_named_in_full(folder: Path) -> None:
    lines = "".join(f"    int x{number};\n" for number in range(9))
    write(folder / "a.cpp", f"namespace n {{\nclass A {{\n{lines}    void m() {{ }}\n}};\n}}\n")
    passages, _ = read("a.cpp", size=40)
    assert ("n.A.m", 12, 14) in outline(passages)


def test_a_language_without_a_grammar_is_cut_at_blank_lines(folder: Path) -> None:
    write(folder / "a.sql", "SELECT 1\nFROM a;\n\nSELECT 2\n  FROM b;\n")
    passages, _ = read("a.sql", size=24)
    assert told(passages, "language", "line", "last_line") == [
        ("sql", 1, 2, "SELECT 1\nFROM a;"),
        ("sql", 4, 5, "SELECT 2\n  FROM b;"),
    ]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_no_parser_understands_is_read_all_the_same(folder: Path, suffix: str) -> None:
    write(folder / f"a{suffix}", "def ((( { class ]] \n\n\x0c '''never ends ]} fn")
    passages, skipped = read(".")
    assert skipped == {}
    assert "never ends" in " ".join(passage.text for passage in passages)


@given(
    st.lists(
        st.sampled_from(
            [
                "def f():",
                "    def g(self):",
                "class A:",
                "        pass",
                "x = 1",
                "# c",
                "",
                "@d",
                ")",
            ]
        ),
        max_size=30,
    ),
    st.integers(10, 80),
)
def test_no_line_is_lost_or_read_twice(lines: list[str], size: int) -> None:
    sections = list(read_code(Document("\n".join(lines).encode(), ".py", size)))
    covered = [
        (section.first_line or 0) + offset
        for section in sections
        for offset, _ in enumerate(section.text.split("\n"))
    ]
    assert covered == sorted(set(covered))
    missed = set(range(1, len(lines) + 1)) - set(covered)
    assert all(not any(map(str.isalnum, lines[number - 1])) for number in missed)
    for section in sections:
        first = (section.first_line or 0) - 1
        assert section.text == "\n".join(lines[first : first + section.text.count("\n") + 1])
