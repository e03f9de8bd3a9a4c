"""Source code, split into its functions and classes by tree-sitter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..splitting import Section
from .document import Document, load
from .encodings import decode

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["SUFFIXES", "read_code"]


class _Grammar(NamedTuple):
    language: str
    module: str
    function: str = "language"


_GRAMMARS = {
    suffix: grammar
    for grammar, suffixes in (
        (_Grammar("bash", "tree_sitter_bash"), ".sh .bash"),
        (_Grammar("c", "tree_sitter_c"), ".c .h"),
        (_Grammar("cpp", "tree_sitter_cpp"), ".cpp .cc .cxx .hpp .hh .hxx"),
        (_Grammar("csharp", "tree_sitter_c_sharp"), ".cs"),
        (_Grammar("go", "tree_sitter_go"), ".go"),
        (_Grammar("java", "tree_sitter_java"), ".java"),
        (_Grammar("javascript", "tree_sitter_javascript"), ".js .jsx .mjs .cjs"),
        (_Grammar("php", "tree_sitter_php", "language_php"), ".php"),
        (_Grammar("python", "tree_sitter_python"), ".py .pyi"),
        (_Grammar("ruby", "tree_sitter_ruby"), ".rb"),
        (_Grammar("rust", "tree_sitter_rust"), ".rs"),
        (_Grammar("typescript", "tree_sitter_typescript", "language_typescript"), ".ts .mts .cts"),
        (_Grammar("tsx", "tree_sitter_typescript", "language_tsx"), ".tsx"),
    )
    for suffix in suffixes.split()
}
# Languages without a grammar, split at blank lines.
_PLAIN = {
    suffix: language
    for language, suffixes in (
        ("clojure", ".clj .cljs"),
        ("dart", ".dart"),
        ("elixir", ".ex .exs"),
        ("erlang", ".erl"),
        ("fortran", ".f90 .f95"),
        ("haskell", ".hs"),
        ("julia", ".jl"),
        ("kotlin", ".kt .kts"),
        ("lua", ".lua"),
        ("objective-c", ".m .mm"),
        ("ocaml", ".ml .mli"),
        ("perl", ".pl .pm"),
        ("powershell", ".ps1"),
        ("r", ".r"),
        ("scala", ".scala"),
        ("sql", ".sql"),
        ("swift", ".swift"),
        ("visual basic", ".vb"),
        ("zig", ".zig"),
    )
    for suffix in suffixes.split()
}
SUFFIXES = (*_GRAMMARS, *_PLAIN)

# The grammars' names of functions, of classes and of their containers.
_DEFINITIONS = frozenset(
    f"{what}_{how}"
    for what in (
        *("function", "class", "abstract_class", "method", "constructor", "destructor"),
        *("interface", "enum", "record", "struct", "trait", "namespace", "type_alias"),
        *("generator_function", "annotation_type", "file_scoped_namespace", "impl", "mod"),
        *("union", "macro", "property", "delegate", "singleton", "concept"),
    )
    for how in ("definition", "declaration", "item", "specifier", "method")
) | {"class", "module", "method", "internal_module", "type_spec"}
# Nodes around a definition that belong to it.
_WRAPPERS = {
    *("decorated_definition", "export_statement", "expression_statement", "ambient_declaration"),
    *("template_declaration", "type_declaration", "lexical_declaration", "variable_declaration"),
}
# Nodes around definitions that do not belong to them: conditional compilation and linkage.
_TRANSPARENT = {
    *("preproc_if", "preproc_ifdef", "preproc_else", "preproc_elif", "linkage_specification"),
    "declaration_list",
}
_FUNCTIONS = {"arrow_function", "function_expression", "function", "generator_function", "class"}
_ABOVE = re.compile("comment|attribute|annotation|decorator")


def read_code(document: Document) -> Iterator[Section]:
    """Yield a section for each function and class, and for the code between them.

    A class or namespace that is too long for a passage is split into its definitions. The title is
    the qualified name, and the metadata ``language``, ``line`` and ``last_line``. Languages without
    a grammar are split at blank lines.
    """
    text, encoding = decode(document.data)
    grammar = _GRAMMARS.get(document.suffix)
    if grammar is None:
        plain = {**encoding, "language": _PLAIN[document.suffix]}
        yield Section(text, "code", metadata=plain, first_line=1)
        return
    tree_sitter = load("tree_sitter", "tree-sitter")
    module = load(grammar.module, grammar.module.replace("_", "-"))
    language = tree_sitter.Language(getattr(module, grammar.function)())
    root = tree_sitter.Parser(language).parse(text.encode()).root_node
    # tree-sitter's rows end at line feeds alone, unlike those of str.splitlines.
    lines = text.split("\n")
    splitter = _Splitter(lines, document.maximum)
    for block in splitter.split(root, _Block(0, len(lines), "")):
        yield Section(
            "\n".join(lines[block.first : block.end]),
            "code",
            block.title or None,
            {**encoding, "language": grammar.language},
            block.first + 1,
        )


class _Block(NamedTuple):
    """Lines `first` to `end`, the latter not included, and their qualified name."""

    first: int
    end: int
    title: str


@dataclass(frozen=True, slots=True)
class _Splitter:
    lines: Sequence[str]
    maximum: int

    def split(self, node: Node, block: _Block) -> list[_Block]:
        """Split a node's lines into blocks: one for each definition, and for the code between."""
        blocks: list[_Block] = []
        reached = block.first
        above: int | None = None  # the first line of the comments above the next definition
        for child in _members(node):
            first, end = _rows(child)
            if _ABOVE.search(child.type) and _defined(child) is None:
                above = first if above is None or self._is_apart(child) else above
                continue
            defined = _defined(child)
            if defined is not None:
                first = first if above is None or self._is_apart(child) else above
                first, end = max(first, reached), min(end, block.end)
            above = None
            if defined is None or end <= first:
                continue
            inner, name = defined
            self._add(blocks, _Block(reached, first, block.title))
            whole = _Block(first, end, f"{block.title}.{name}" if block.title else name)
            parts = [whole] if self._fits(whole) else self.split(inner, whole)
            for part in parts:
                self._add(blocks, part)
            reached = end
        self._add(blocks, _Block(reached, block.end, block.title))
        return blocks

    def _add(self, blocks: list[_Block], block: _Block) -> None:
        """Append a block; brackets alone join the block before."""
        if any(re.search(r"\w", line) for line in self.lines[block.first : block.end]):
            blocks.append(block)
        elif blocks:
            blocks[-1] = blocks[-1]._replace(end=block.end)

    def _fits(self, block: _Block) -> bool:
        lines = self.lines[block.first : block.end]
        return sum(map(len, lines)) + len(lines) - 1 <= self.maximum

    def _is_apart(self, node: Node) -> bool:
        """Return whether a blank line, or nothing, is above a node."""
        row = node.start_point.row
        return row == 0 or not self.lines[row - 1].strip()


def _members(node: Node) -> Iterator[Node]:
    """Yield the nodes of a definition on the level of further definitions."""
    body = node.child_by_field_name("body")
    if body is None and node.parent is not None and node.named_children:
        body = node.named_children[-1]
    yield from _flat(body or node)


def _flat(node: Node) -> Iterator[Node]:
    for child in node.named_children:
        if child.type in _TRANSPARENT:
            yield from _flat(child)
        else:
            yield child


def _rows(node: Node) -> tuple[int, int]:
    end = node.end_point
    return node.start_point.row, end.row + (end.column > 0)


def _defined(node: Node) -> tuple[Node, str] | None:
    """Return the definition that a node is or wraps, and its name; None without one."""
    if node.type in _WRAPPERS:
        return next(filter(None, map(_defined, node.named_children)), None)
    value = node.child_by_field_name("value")
    is_function = value is not None and value.type in _FUNCTIONS
    if node.type not in _DEFINITIONS and not is_function:
        return None
    name = _name(node)
    return ((value or node) if is_function else node, name) if name else None


def _name(node: Node) -> str:
    named = node.child_by_field_name("name")
    if named is None and node.type == "impl_item":  # Rust's methods, apart from their type
        named = node.child_by_field_name("type")
    inner: Node | None = node
    while named is None and inner is not None:  # C: the declarator holds the function's name
        inner = inner.child_by_field_name("declarator")
        if inner is not None and not inner.child_by_field_name("declarator"):
            named = inner
    receiver = node.child_by_field_name("receiver")  # Go: the type of a method
    owner = re.findall(r"\w+", _text(receiver))[-1:] if receiver is not None else []
    return ".".join([*owner, _text(named)]) if named is not None else ""


def _text(node: Node) -> str:
    return (node.text or b"").decode().strip()
