"""Notebooks: cells without outputs, under the headings above them."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from .conftest import read, told, write


def test_cells_are_read_and_outputs_are_not(folder: Path) -> None:
    notebook = v4.new_notebook(
        cells=[
            v4.new_code_cell("import this"),
            v4.new_markdown_cell("# Whales\n\nThey sing."),
            v4.new_code_cell(
                "for whale in whales:\n    sing(whale)",
                outputs=[v4.new_output("stream", text="SECRET OUTPUT")],
            ),
            v4.new_code_cell(""),
            v4.new_markdown_cell("They eat."),
            v4.new_raw_cell("raw"),
        ]
    )
    nbformat.write(notebook, folder / "a.ipynb")
    passages, skipped = read("a.ipynb")
    assert skipped == {}
    assert told(passages, "cell", "cell_type", "title") == [
        (1, "code", None, "import this"),
        (2, "markdown", "Whales", "Whales\n\nThey sing."),
        (3, "code", "Whales", "Whales\n\nfor whale in whales:\n    sing(whale)"),
        (5, "markdown", "Whales", "Whales\n\nThey eat."),
        (6, "raw", "Whales", "Whales\n\nraw"),
    ]


def test_a_notebook_of_version_3_is_read(folder: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["They ", "sing."]},
        {"cell_type": "code", "input": "1 + 1", "outputs": []},
    ]
    write(folder / "a.ipynb", json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}))
    assert told(read("a.ipynb")[0]) == [("They sing.",), ("1 + 1",)]


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"cells": [{}]}', '{"cells": 5}'])
def test_what_is_no_notebook_has_a_reason(folder: Path, content: str) -> None:
    write(folder / "a.ipynb", content)
    passages, skipped = read("a.ipynb")
    assert passages == []
    assert skipped["a.ipynb"].startswith("not a valid notebook")
