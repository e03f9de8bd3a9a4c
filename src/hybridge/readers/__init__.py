"""Files become passages: documents, tables, notebooks, source code, JSONL and BEIR collections.

Documents are split, with the page, slide, sheet, cell or line that a passage is from in its
metadata; the entries of a JSONL file are passages already. What cannot be read is reported with
the reason, never dropped in silence.
"""

from __future__ import annotations

from .folder import NO_TEXT, Skip, read_files, read_passages
from .jsonl import read_json_lines, read_jsonl
from .kinds import READERS

__all__ = [
    "NO_TEXT",
    "READERS",
    "Skip",
    "read_files",
    "read_json_lines",
    "read_jsonl",
    "read_passages",
]
